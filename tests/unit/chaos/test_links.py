"""The relays carry, hold, delay and break, each way alone."""

import socket
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
from tests.chaos.links import Mesh

QUIET = 0.3


class Acceptor:
    """One listening end."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"127.0.0.1:{self.listener.getsockname()[1]}"

    def accept(self) -> socket.socket:
        self.listener.settimeout(10)
        connection = self.listener.accept()[0]
        connection.settimeout(10)
        return connection


@pytest.fixture
def acceptor() -> Iterator[Acceptor]:
    made = Acceptor()
    yield made
    made.listener.close()


@pytest.fixture
def mesh(acceptor: Acceptor) -> Iterator[Mesh]:
    with Mesh({"v1": acceptor.endpoint, "v2": "127.0.0.1:1"}) as made:
        yield made


@pytest.fixture
def ends(mesh: Mesh, acceptor: Acceptor) -> Iterator[tuple[socket.socket, socket.socket]]:
    host, _, port = mesh.endpoints("v2")["v1"].rpartition(":")
    dialer = socket.create_connection((host, int(port)), timeout=10)
    accepted = acceptor.accept()
    yield dialer, accepted
    dialer.close()
    accepted.close()


Ends = tuple[socket.socket, socket.socket]


def nothing_arrives(end: socket.socket) -> bool:
    end.settimeout(QUIET)
    try:
        end.recv(1)
    except TimeoutError:
        return True
    finally:
        end.settimeout(10)
    return False


def test_bytes_travel_both_ways(ends: Ends) -> None:
    dialer, accepted = ends
    dialer.sendall(b"there")
    assert accepted.recv(10) == b"there"
    accepted.sendall(b"back")
    assert dialer.recv(10) == b"back"


def test_one_way_is_cut_alone_and_held_bytes_arrive_after_healing(mesh: Mesh, ends: Ends) -> None:
    dialer, accepted = ends
    mesh.cut("v1", ["v2"])
    accepted.sendall(b"held")
    assert nothing_arrives(dialer)
    dialer.sendall(b"there")
    assert accepted.recv(10) == b"there"
    mesh.heal(reset=False)
    assert dialer.recv(10) == b"held"


def test_a_reset_breaks_both_ends(mesh: Mesh, ends: Ends) -> None:
    dialer, accepted = ends
    mesh.isolate("v2")
    dialer.sendall(b"lost")
    assert nothing_arrives(accepted)
    mesh.heal(reset=True)
    for end in ends:
        with suppress(ConnectionResetError):
            assert end.recv(10) == b""


def test_a_slow_way_delays(mesh: Mesh, ends: Ends) -> None:
    dialer, accepted = ends
    mesh.slow("v2", ["v1"], QUIET)
    time.sleep(0.05)
    begun = time.monotonic()
    dialer.sendall(b"late")
    assert accepted.recv(10) == b"late"
    assert time.monotonic() - begun >= QUIET * 0.9


def test_only_the_greater_name_dials(mesh: Mesh) -> None:
    assert mesh.endpoints("v1") == {}
    assert list(mesh.endpoints("v2")) == ["v1"]
