"""Guarded members of a group that changes: new ones are let in and earn their vote, old ones keep their promises."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.integration.consensus.cluster import CLUSTER, Recorder, eventually, free_port, signer_of
from tests.integration.consensus.test_identity import OPTIONS, Group, failure

from pinai_subnet.consensus.fence import Guard
from pinai_subnet.consensus.node import ReplicatedLog
from pinai_subnet.consensus.rejoin import founding, rejoining
from pinai_subnet.ports.errors import DependencyError
from pinai_subnet.ports.replication import ChangeKind, GroupChange, Peer


class Changing(Group):
    """The same group with a fourth peer, whom its members add and remove."""

    def invite(self, key: int = 3) -> Peer:
        """Make validator v3 known to itself under this key."""
        self.newcomer = Peer(
            id="v3", address=signer_of(key).address, endpoint=f"127.0.0.1:{free_port()}"
        )
        return self.newcomer

    async def join(self, key: int = 3) -> ReplicatedLog:
        """Start the newcomer."""
        node = ReplicatedLog(
            me=self.newcomer,
            others=self.peers,
            first_group=self.peers,
            listen=self.newcomer.endpoint,
            cluster_id=CLUSTER,
            directory=self.root / "v3",
            state_machine=Recorder(),
            signer=signer_of(key),
            options=OPTIONS,
            guard=Guard(),
        )
        await node.start()
        self.nodes["v3"] = node
        return node

    async def change(self, kind: ChangeKind) -> None:
        """Ask whoever leads until it is done."""
        peer = self.newcomer if kind is ChangeKind.ADD else None
        wanted = GroupChange(kind=kind, member_id="v3", peer=peer)
        for _ in range(300):
            for name in ("v0", "v1", "v2"):
                try:
                    await self.nodes[name].change(wanted, timeout_seconds=5)
                except DependencyError:
                    await asyncio.sleep(0.02)
                else:
                    return
        raise AssertionError(f"{wanted} was never taken")


@pytest.fixture
async def group(tmp_path: Path) -> AsyncIterator[Changing]:
    members = Changing(tmp_path)
    for number in range(3):
        await members.start(number)
    await members.working()
    yield members
    await members.stop()


async def test_a_new_member_is_let_in_and_votes_when_it_holds_everything(
    group: Changing, tmp_path: Path
) -> None:
    """Empty and unknown is no amnesia; a process that ended before it got anything may start again."""
    group.invite()
    waiting = await group.join()
    await asyncio.sleep(2 * OPTIONS.rejoin_wait_seconds)
    assert founding(tmp_path / "v3"), "nobody has asked it in yet"
    await group.stop("v3")
    shutil.rmtree(tmp_path / "v3")
    waiting = await group.join()
    await group.change(ChangeKind.ADD)
    await eventually(lambda: not rejoining(tmp_path / "v3"))
    await group.change(ChangeKind.PROMOTE)
    await group.stop("v0")
    # Two of the three that are left must agree with the newcomer or without it: three of four are a majority.
    await group.nodes["v1"].submit(b"after=x", timeout_seconds=20)
    await waiting.barrier(timeout_seconds=20)
    assert failure(waiting) == ""


async def test_an_id_that_was_removed_comes_back_with_a_new_key_and_an_empty_directory(
    group: Changing, tmp_path: Path
) -> None:
    """What the others remember of the former key does not count against the new one."""
    group.invite()
    await group.join()
    await group.change(ChangeKind.ADD)
    await group.change(ChangeKind.PROMOTE)
    await group.nodes["v3"].barrier(timeout_seconds=20)
    await group.change(ChangeKind.REMOVE)
    await group.stop("v3")
    shutil.rmtree(tmp_path / "v3")
    group.invite(key=4)
    again = await group.join(key=4)
    await group.change(ChangeKind.ADD)
    await eventually(lambda: not rejoining(tmp_path / "v3"))
    await group.change(ChangeKind.PROMOTE)
    await again.barrier(timeout_seconds=20)
    assert failure(again) == ""


async def test_who_takes_over_with_an_older_copy_has_no_vote_until_it_has_caught_up(
    group: Changing, tmp_path: Path
) -> None:
    """A copied directory may be older than what its identity acknowledged: it must not elect a leader that lacks it."""
    await group.stop("v2")
    shutil.copytree(tmp_path / "v2", tmp_path / "v2-copy")
    await group.start(2)
    for number in range(20):
        await group.nodes["v2"].submit(b"k%d=x" % number, timeout_seconds=20)
    await group.stop()
    taker = await group.start(
        2, name="v2-copy", listen=f"127.0.0.1:{free_port()}", guard=Guard(takeover=True)
    )
    # Alone with one that has seen everything, but does not get the taker's vote.
    await group.start(0)
    await asyncio.sleep(OPTIONS.rejoin_wait_seconds + 4 * OPTIONS.election_max_seconds)
    assert rejoining(tmp_path / "v2-copy")
    assert not taker.status().has_quorum
    await group.start(1)
    await taker.barrier(timeout_seconds=20)
    await eventually(lambda: not rejoining(tmp_path / "v2-copy"))
