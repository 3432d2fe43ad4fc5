"""One identity, one process; a group is founded once; a member without its memory is no voter: on real sockets."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.integration.consensus.cluster import (
    CLUSTER,
    FAST,
    Recorder,
    eventually,
    free_port,
    signer_of,
)

from pinai_subnet.consensus.fence import Guard
from pinai_subnet.consensus.node import ReplicatedLog
from pinai_subnet.consensus.rejoin import founding, rejoining
from pinai_subnet.ports.replication import Peer

OPTIONS = replace(FAST, connection_timeout_seconds=2.0, rejoin_wait_seconds=0.2)


class Group:
    """Guarded members; the same identity may run from several directories."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.peers = [
            Peer(id=f"v{n}", address=signer_of(n).address, endpoint=f"127.0.0.1:{free_port()}")
            for n in range(3)
        ]
        self.nodes: dict[str, ReplicatedLog] = {}

    async def start(
        self,
        number: int,
        *,
        name: str | None = None,
        listen: str | None = None,
        guard: Guard | None = None,
    ) -> ReplicatedLog:
        """Start member `number` from the directory `name`, which is its id unless said otherwise."""
        me = self.peers[number]
        node = ReplicatedLog(
            me=me,
            others=[peer for peer in self.peers if peer is not me],
            listen=listen or me.endpoint,
            cluster_id=CLUSTER,
            directory=self.root / (name or me.id),
            state_machine=Recorder(),
            signer=signer_of(number),
            options=OPTIONS,
            guard=guard or Guard(),
        )
        await node.start()
        self.nodes[name or me.id] = node
        return node

    async def stop(self, *names: str) -> None:
        for name in names or list(self.nodes):
            await self.nodes.pop(name).stop()

    async def working(self) -> None:
        await self.nodes["v0"].submit(b"k=v", timeout_seconds=20)
        await asyncio.gather(*(node.barrier(timeout_seconds=20) for node in self.nodes.values()))


@pytest.fixture
async def group(tmp_path: Path) -> AsyncIterator[Group]:
    """Members that are stopped whatever happens."""
    members = Group(tmp_path)
    yield members
    await members.stop()


def failure(node: ReplicatedLog) -> str:
    return (node.status().failure or "")[:7]


async def test_a_copy_on_another_host_is_refused_and_takes_over_when_told_to(
    group: Group, tmp_path: Path
) -> None:
    """Operators row 5, for the identity that dials and for the one that is dialled."""
    for number in range(3):
        await group.start(number)
    await group.working()
    for number in (0, 2):
        name = f"v{number}"
        await group.stop(name)
        shutil.copytree(tmp_path / name, tmp_path / f"{name}-copy")
        original = await group.start(number)
        await group.working()
        elsewhere = f"127.0.0.1:{free_port()}"

        copy = await group.start(number, name=f"{name}-copy", listen=elsewhere)
        await eventually(lambda copy=copy: failure(copy) == "SN-K010", seconds=30)  # type: ignore[misc]
        assert failure(original) == ""
        await group.stop(f"{name}-copy")
        await group.working()

        taker = await group.start(
            number, name=f"{name}-copy", listen=elsewhere, guard=Guard(takeover=True)
        )
        await eventually(lambda one=original: failure(one) == "SN-K011", seconds=30)  # type: ignore[misc]
        await taker.barrier(timeout_seconds=20)
        await group.stop(name)

        # The claim is the directory's: an ordinary restart of the taker works, one of the former life does not.
        await group.stop(f"{name}-copy")
        former = await group.start(number)
        await eventually(lambda one=former: failure(one) == "SN-K011", seconds=30)  # type: ignore[misc]
        await group.stop(name)
        shutil.rmtree(tmp_path / name)
        (tmp_path / f"{name}-copy").rename(tmp_path / name)
        back = await group.start(number)
        await back.barrier(timeout_seconds=20)


async def test_a_group_is_founded_by_all_at_once_or_by_a_majority_after_a_while(
    group: Group, tmp_path: Path
) -> None:
    """Operators row 29: one empty directory of three is no network; the third may come later."""
    await group.start(0)
    await asyncio.sleep(2 * OPTIONS.rejoin_wait_seconds + OPTIONS.election_max_seconds)
    assert founding(tmp_path / "v0")
    await group.start(1)
    await group.working()
    await group.start(2)
    await group.working()
    await eventually(lambda: not any(rejoining(tmp_path / name) for name in ("v0", "v1", "v2")))


async def test_a_lost_majority_does_not_found_the_network_again(
    group: Group, tmp_path: Path
) -> None:
    """Operators row 29: bootstrapping twice is refused as long as one member remembers."""
    for number in range(3):
        await group.start(number)
    await group.working()
    await group.stop()
    for name in ("v0", "v1"):
        shutil.rmtree(tmp_path / name)
    for number in range(3):
        await group.start(number)
    await eventually(lambda: failure(group.nodes["v0"]) == failure(group.nodes["v1"]) == "SN-R019")
    await group.stop("v0", "v1")
    for number in (0, 1):
        await group.start(number, guard=Guard(rejoin_empty=True))
    await asyncio.sleep(OPTIONS.rejoin_wait_seconds + 3 * OPTIONS.election_max_seconds)
    assert not any(node.status().has_quorum for node in group.nodes.values())


async def test_a_member_that_lost_its_directory_comes_back_without_a_vote_when_told_so(
    group: Group, tmp_path: Path
) -> None:
    """Operators row 26."""
    for number in range(3):
        await group.start(number)
    await group.working()
    await group.stop("v1")
    shutil.rmtree(tmp_path / "v1")
    lost = await group.start(1)
    await eventually(lambda: failure(lost) == "SN-R019")
    await group.stop("v1")
    back = await group.start(1, guard=Guard(rejoin_empty=True))
    await back.barrier(timeout_seconds=20)
    await eventually(lambda: not rejoining(tmp_path / "v1"))
    # With its vote back it is half of the quorum that is left.
    await group.stop("v2")
    await group.working()


async def test_a_paused_process_does_not_keep_its_successor_out(
    group: Group, tmp_path: Path
) -> None:
    """A dead process's connection ends within the lease; its successor waits that long and no longer."""
    for number in range(3):
        await group.start(number)
    await group.working()
    await group.stop("v2")
    again = await group.start(2)
    await again.barrier(timeout_seconds=20)
    assert failure(again) == ""
