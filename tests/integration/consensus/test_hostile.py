"""Finding G: whatever reaches the replication port is closed with a reason, executes nothing and disturbs nobody."""

import asyncio
import os
import pickle
import struct
import zlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from tests.integration.consensus.cluster import (
    CLUSTER,
    FAST,
    Cluster,
    eventually,
    signer_of,
)

from pinai_subnet.consensus.build import Build
from pinai_subnet.consensus.handshake import Dialer, Member
from pinai_subnet.ports.replication import Peer


class Bomb:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return (os.mkdir, (str(self.path),))


@pytest.fixture
async def group(tmp_path: Path) -> AsyncIterator[Cluster]:
    cluster = Cluster(tmp_path)
    await cluster.start()
    await cluster.leader()
    yield cluster
    await cluster.stop()


async def closed_after(group: Cluster, data: bytes, seconds: float = 6.0) -> bytes:
    """Send bytes to a member and return what it answered until it closed the connection."""
    host, port = group.peers[0].endpoint.rsplit(":", 1)
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(data)
        await writer.drain()
        return await asyncio.wait_for(reader.read(), seconds)
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


def framed(payload: bytes) -> bytes:
    return len(payload).to_bytes(4, "little") + payload


def pysyncobj_frame(payload: bytes) -> bytes:
    packed = zlib.compress(payload, 3)
    return struct.pack("i", len(packed)) + packed


async def assert_undisturbed(group: Cluster, term: int) -> None:
    leader = await group.leader()
    await group.nodes[leader].submit(b"after=1", timeout_seconds=10)
    assert group.nodes[leader].status().term == term


async def test_hostile_bytes_are_closed_with_a_reason_and_change_nothing(
    group: Cluster, tmp_path: Path
) -> None:
    term = group.nodes[0].status().term
    trace = tmp_path / "executed"
    bomb = pickle.dumps(Bomb(trace), protocol=2)
    attacks = {
        "pickle": (framed(bomb), "SN-R044"),
        "pickle in pysyncobj's framing": (pysyncobj_frame(bomb), "SN-R044"),
        "utility client": (pysyncobj_frame(pickle.dumps(["status"])), "SN-R044"),
        "http": (b"GET / HTTP/1.1\r\n\r\n", "SN-R045"),
        "tls": (bytes.fromhex("1603010200010001fc0303"), "SN-R045"),
        "oversized": (struct.pack("<I", 2**31) + b"x" * 100, "SN-R045"),
        "just above the handshake limit": (framed(bytes(1025)), "SN-R045"),
        "empty frame": (framed(b""), "SN-R044"),
        "random": (framed(os.urandom(200)), "SN-R044"),
        "a name that is no UTF-8": (
            framed(b"\x96\x65\x01\xa1c\xa2\xff\xff\xa2v2\xc4\x00"),
            "SN-R044",
        ),
        "deep nesting": (
            framed(b"\x97\x65\x01\xa1c\xa2v1\xa2v2\xc4\x00" + b"\x91" * 900),
            "SN-R044",
        ),
    }
    for name, (data, code) in attacks.items():
        with capture_logs() as logs:
            assert await closed_after(group, data) == b"", name
            await eventually(lambda logs=logs: any("code" in entry for entry in logs))  # type: ignore[misc]
        reasons = [entry["code"] for entry in logs if entry["event"] == "raft_peer_refused"]
        assert reasons == [code], (name, logs)
    assert not trace.exists()
    await assert_undisturbed(group, term)


def stranger(group: Cluster, *, cluster: str = CLUSTER, name: str = "v2", key: int = 2) -> Dialer:
    me = Peer(id=name, address=signer_of(key).address, endpoint="127.0.0.1:1")
    others = {peer.id: peer for peer in group.peers if peer.id != name}
    member = Member(me=me, cluster=cluster, signer=signer_of(key), others=others)
    return Dialer(member, group.peers[0])


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"cluster": "another"}, "SN-R040"),
        ({"name": "v9"}, "SN-R041"),
    ],
)
async def test_stranger_is_closed_before_it_learns_anything(
    group: Cluster, changes: dict[str, str], code: str
) -> None:
    term = group.nodes[0].status().term
    with capture_logs() as logs:
        opening = framed(stranger(group, **changes).opening())  # type: ignore[arg-type]
        assert await closed_after(group, opening) == b""
        await eventually(lambda: bool(logs))
    assert [entry["code"] for entry in logs] == [code]
    await assert_undisturbed(group, term)


async def test_impersonator_of_a_member_is_closed_at_its_proof(group: Cluster) -> None:
    term = group.nodes[0].status().term
    dialer = stranger(group, key=7)
    host, port = group.peers[0].endpoint.rsplit(":", 1)
    reader, writer = await asyncio.open_connection(host, int(port))
    with capture_logs() as logs:
        writer.write(framed(dialer.opening()))
        length = int.from_bytes(await reader.readexactly(4), "little")
        proof = dialer.receive(await reader.readexactly(length))
        assert proof is not None
        writer.write(framed(proof))
        assert await asyncio.wait_for(reader.read(), 5) == b""
        await eventually(lambda: bool(logs))
    writer.close()
    assert [entry["code"] for entry in logs] == ["SN-R042"]
    await assert_undisturbed(group, term)


async def test_members_of_builds_too_far_apart_are_told_on_both_sides(tmp_path: Path) -> None:
    """Operators row 28: no log is shared, and each side's log names both builds."""
    cluster = Cluster(tmp_path, size=2)
    old = Build(rules=1, oldest_rules=1, release="1.0.0")
    new = Build(rules=5, oldest_rules=4, release="2.0.0")
    with capture_logs() as logs:
        for number, build in enumerate((old, new)):
            node = cluster.make(number)
            node._build_facts = build
            await node.start()
        events = {"raft_peer_refused", "raft_peer_not_reached"}
        await eventually(lambda: events <= {entry["event"] for entry in logs})
    refused = [entry for entry in logs if entry["event"] in events]
    assert {entry["code"] for entry in refused} == {"SN-R050"}
    for entry in refused:
        assert "1.0.0 (ledger rules 1" in entry["reason"]
        assert "2.0.0 (ledger rules 5" in entry["reason"]
    assert not any(node.status().has_quorum for node in cluster.nodes.values())
    await cluster.stop()


async def test_silent_connections_are_closed_and_bounded(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    cluster.options = replace(cluster.options, handshake_timeout_seconds=0.3)
    await cluster.start()
    await cluster.leader()
    host, port = cluster.peers[0].endpoint.rsplit(":", 1)
    opened = [await asyncio.open_connection(host, int(port)) for _ in range(50)]
    answers = await asyncio.gather(
        *(asyncio.wait_for(reader.read(), 5) for reader, _ in opened), return_exceptions=True
    )
    assert all(answer == b"" or isinstance(answer, ConnectionError) for answer in answers)
    for _, writer in opened:
        writer.close()
    await cluster.nodes[0].barrier(timeout_seconds=10)
    await cluster.stop()


async def test_listener_binds_only_the_configured_endpoint(group: Cluster) -> None:
    port = int(group.peers[0].endpoint.rsplit(":", 1)[1])
    with pytest.raises(OSError, match="Connect call failed"):
        await asyncio.open_connection("127.0.0.2", port)


async def test_no_pickle_is_made_or_read_by_a_running_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Finding G: votes, entries, forwards, snapshots and restarts work with every pickle function disabled."""

    def disabled(*_: object, **__: object) -> object:
        raise AssertionError("a pickle function was called")

    for module in ("pickle", "pysyncobj.pickle"):
        for function in ("load", "loads", "dump", "dumps"):
            monkeypatch.setattr(f"{module}.{function}", disabled)
    options = replace(FAST, compact_after_entries=20, keep_entries=2, segment_entries=5)
    cluster = Cluster(tmp_path, options=options)
    await cluster.start()
    absent = await cluster.follower()
    await cluster.stop(absent)
    for number in range(100):
        await cluster.nodes[await cluster.follower()].submit(b"k%d=" % number, timeout_seconds=10)
    await cluster.start(absent)
    await cluster.nodes[absent].barrier(timeout_seconds=10)
    await cluster.nodes[await cluster.leader()].hand_over(timeout_seconds=10)
    await cluster.settled()
    assert {node.status().failure for node in cluster.nodes.values()} == {None}
    await cluster.stop()
    await cluster.start()
    await cluster.nodes[absent].barrier(timeout_seconds=10)
    assert len(cluster.machines[absent].values) == 100
    await cluster.stop()
