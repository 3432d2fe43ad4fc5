"""A replication group in one process on loopback, and a state machine that records what it was given."""

import asyncio
import hashlib
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from tests.free_ports import free_ports

from pinai_subnet.adapters.signer.local import LocalSigner
from pinai_subnet.consensus.node import ReplicatedLog
from pinai_subnet.consensus.options import ReplicationOptions
from pinai_subnet.ports.errors import Damaged
from pinai_subnet.ports.replication import Peer

CLUSTER = "test-cluster"
FAST = ReplicationOptions(
    election_min_seconds=0.2,
    election_max_seconds=0.4,
    heartbeat_seconds=0.03,
    leader_lease_seconds=0.6,
    connection_timeout_seconds=3.0,
    reconnect_max_seconds=0.2,
)


def free_port() -> int:
    return free_ports(1)[0]


class Recorder:
    """Keeps the order of first appearances and the last value of each key; commands are `key=value`."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.applied = 0
        self.raise_on: bytes | None = None

    def apply(self, index: int, command: bytes) -> object:
        if self.raise_on is not None and command == self.raise_on:
            raise RuntimeError("broken invariant")
        key, _, value = command.partition(b"=")
        self.applied += 1
        self.values.setdefault(key.decode(), hashlib.sha256(value).hexdigest())
        return index

    def snapshot(self) -> bytes:
        return msgspec.json.encode(self.values)

    def restore(self, data: bytes) -> None:
        try:
            self.values = msgspec.json.decode(data, type=dict[str, str])
        except msgspec.MsgspecError as error:
            raise Damaged("SN-R013", str(error)) from error


def signer_of(number: int) -> LocalSigner:
    return LocalSigner(bytes([number + 1]) * 32)


class Cluster:
    """Members with fixed ports and directories that can be stopped and started again."""

    def __init__(
        self,
        directory: Path,
        *,
        size: int = 3,
        options: ReplicationOptions = FAST,
        ports: list[int] | None = None,
    ) -> None:
        self.directory = directory
        self.options = options
        self.peers = [
            Peer(id=f"v{n}", address=signer_of(n).address, endpoint=f"127.0.0.1:{port}")
            for n, port in enumerate(ports or [free_port() for _ in range(size)])
        ]
        self.nodes: dict[int, ReplicatedLog] = {}
        self.machines: dict[int, Recorder] = {}

    def make(self, number: int) -> ReplicatedLog:
        self.machines[number] = Recorder()
        me = self.peers[number]
        self.nodes[number] = ReplicatedLog(
            me=me,
            others=[peer for peer in self.peers if peer is not me],
            listen=me.endpoint,
            cluster_id=CLUSTER,
            directory=self.directory / me.id,
            state_machine=self.machines[number],
            signer=signer_of(number),
            options=self.options,
        )
        return self.nodes[number]

    async def start(self, *numbers: int) -> None:
        for number in numbers or range(len(self.peers)):
            await self.make(number).start()

    async def stop(self, *numbers: int) -> None:
        for number in numbers or list(self.nodes):
            node = self.nodes.pop(number)
            await node.stop()

    async def leader(self) -> int:
        found: list[int] = []

        def one_leads() -> bool:
            found[:] = [n for n, node in self.nodes.items() if node.status().role == "leader"]
            return len(found) == 1 and self.nodes[found[0]].status().has_quorum

        await eventually(one_leads)
        return found[0]

    async def follower(self) -> int:
        leader = await self.leader()
        return next(n for n in self.nodes if n != leader)

    async def settled(self) -> None:
        """Wait until every running node applied the same index."""
        await eventually(
            lambda: len({node.status().applied_index for node in self.nodes.values()}) == 1
        )


async def eventually(holds: Callable[[], bool], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "did not happen in time"
        await asyncio.sleep(0.01)
