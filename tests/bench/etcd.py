"""Three members of etcd on loopback as Debian's `etcd-server` brings it, with its default settings."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from tests.free_ports import free_ports

BINARY = "etcd"
MEMBERS = 3
_READY_SECONDS = 20.0
_STOP_SECONDS = 5.0
_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Etcd:
    """A running cluster."""

    version: str
    leader: str
    """host:port of the leader's clients."""
    follower: str


def installed() -> bool:
    """Return whether the binary is there."""
    return shutil.which(BINARY) is not None


@contextmanager
def etcd_cluster(directory: Path) -> Iterator[Etcd]:
    """Run a new cluster with its data in `directory`; its processes end with the block."""
    ports = free_ports(2 * MEMBERS)
    peers, clients = ports[:MEMBERS], ports[MEMBERS:]
    initial = ",".join(f"m{n}=http://127.0.0.1:{port}" for n, port in enumerate(peers))
    directory.mkdir(parents=True)
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for number in range(MEMBERS):
            peer, client = (
                f"http://127.0.0.1:{peers[number]}",
                f"http://127.0.0.1:{clients[number]}",
            )
            options = {
                "name": f"m{number}",
                "data-dir": str(directory / f"m{number}"),
                "listen-peer-urls": peer,
                "initial-advertise-peer-urls": peer,
                "listen-client-urls": client,
                "advertise-client-urls": client,
                "initial-cluster": initial,
                "logger": "zap",
                "log-outputs": str(directory / f"m{number}.log"),
            }
            words = [word for name, value in options.items() for word in (f"--{name}", value)]
            processes.append(subprocess.Popen([BINARY, *words], stdin=subprocess.DEVNULL))
        yield _ready([f"127.0.0.1:{port}" for port in clients])
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _ready(clients: list[str]) -> Etcd:
    """Wait until all members know the same leader."""
    until = time.monotonic() + _READY_SECONDS
    while True:
        try:
            answers = [
                httpx.post(f"http://{client}/v3/maintenance/status", json={}, timeout=2).json()
                for client in clients
            ]
            leaders = {answer.get("leader") for answer in answers}
            if len(leaders) == 1 and None not in leaders:
                ids = [answer["header"]["member_id"] for answer in answers]
                leader = ids.index(leaders.pop())
                return Etcd(
                    version=answers[0]["version"],
                    leader=clients[leader],
                    follower=clients[(leader + 1) % len(clients)],
                )
        except (httpx.HTTPError, ValueError, KeyError):
            pass  # not there yet; the deadline below ends it
        if time.monotonic() > until:
            raise RuntimeError(f"etcd has no leader after {_READY_SECONDS:.0f} s")
        time.sleep(_POLL_SECONDS)
