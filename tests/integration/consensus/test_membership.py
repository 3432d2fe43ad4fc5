"""Real members on loopback that come and go under load: no command fails, everybody knows the same group."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from tests.integration.consensus.cluster import (
    CLUSTER,
    FAST,
    Cluster,
    Recorder,
    eventually,
    free_port,
    signer_of,
)

from pinai_subnet.consensus.node import ReplicatedLog
from pinai_subnet.ports.errors import DependencyError, Refused
from pinai_subnet.ports.replication import ChangeKind, GroupChange, Peer


class ChangingCluster(Cluster):
    """A group of three that others join: a member's log begins with the first three for everybody."""

    def __init__(self, directory: Path) -> None:
        options = replace(FAST, compact_after_entries=200, keep_entries=20, segment_entries=50)
        super().__init__(directory, size=3, options=options)
        self.first = list(self.peers)
        self.keys = {peer.id: number for number, peer in enumerate(self.peers)}

    def join(self, number: int) -> Peer:
        peer = Peer(
            id=f"v{number}",
            address=signer_of(number).address,
            endpoint=f"127.0.0.1:{free_port()}",
        )
        self.peers.append(peer)
        self.keys[peer.id] = number
        return peer

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
            signer=signer_of(self.keys[me.id]),
            options=self.options,
            first_group=self.first,
        )
        return self.nodes[number]

    async def change(self, kind: ChangeKind, number: int) -> None:
        """Ask whoever leads until it is done, as an operator's tool does."""
        peer = self.peers[number]
        with_peer = peer if kind in {ChangeKind.ADD, ChangeKind.UPDATE} else None
        wanted = GroupChange(kind=kind, member_id=peer.id, peer=with_peer)
        for _ in range(200):
            leader = await self.leader()
            try:
                await self.nodes[leader].change(wanted, timeout_seconds=5)
            except DependencyError as error:
                if error.code not in {"SN-R061", "SN-R062", "SN-R063", "SN-R020"}:
                    raise
                await asyncio.sleep(0.05)
            else:
                return
        raise AssertionError(f"{wanted} was never taken")


@pytest.fixture
async def group(tmp_path: Path) -> AsyncIterator[ChangingCluster]:
    cluster = ChangingCluster(tmp_path)
    await cluster.start()
    yield cluster
    await cluster.stop()


@asynccontextmanager
async def load(group: ChangingCluster, number: int) -> AsyncIterator[list[str]]:
    """Submit without pause on one member; a command that fails fails the test."""
    keys: list[str] = []
    running = True

    async def work(worker: int) -> None:
        count = 0
        while running:
            key = f"{worker}-{count}"
            await group.nodes[number].submit(f"{key}=x".encode(), timeout_seconds=15)
            keys.append(key)
            count += 1

    tasks = [asyncio.create_task(work(worker)) for worker in range(4)]
    try:
        yield keys
    finally:
        running = False
        await asyncio.gather(*tasks)


async def test_three_become_five_and_three_again_under_load(group: ChangingCluster) -> None:
    leader = await group.leader()
    stays = await group.follower()
    async with load(group, stays) as keys:
        for number in (3, 4):
            group.join(number)
            await group.start(number)
            assert group.nodes[number].status().membership == "outsider"
            await group.change(ChangeKind.ADD, number)
            await eventually(lambda n=number: group.nodes[n].status().membership == "learner")  # type: ignore[misc]
            await group.change(ChangeKind.PROMOTE, number)
        await group.change(ChangeKind.REMOVE, leader)
        await eventually(lambda: group.nodes[leader].status().membership == "outsider")
        await group.stop(leader)
        assert await group.leader() != leader
        other = next(n for n in (0, 1, 2) if n not in {leader, stays})
        await group.change(ChangeKind.REMOVE, other)
        await eventually(lambda: group.nodes[other].status().membership == "outsider")
        await group.stop(other)
    await group.nodes[3].barrier(timeout_seconds=10)
    await group.settled()
    for number in (stays, 3, 4):
        assert set(keys) <= group.machines[number].values.keys()
        assert len(group.nodes[number].status().peers) == 2
    await group.stop()
    await group.start(stays, 3, 4)
    await group.nodes[4].barrier(timeout_seconds=15)
    assert set(keys) <= group.machines[4].values.keys()
    assert all(node.status().membership == "voter" for node in group.nodes.values())


async def test_member_continues_at_another_endpoint_with_another_key_while_the_former_is_accepted(
    group: ChangingCluster,
) -> None:
    """Operators row 40: identity is the key, not the address; both can change without a stop of the group."""
    number = await group.follower()
    leader = await group.leader()
    stays = next(n for n in (0, 1, 2) if n not in {number, leader})
    former = group.peers[number]
    async with load(group, stays):
        group.peers[number] = replace(
            former,
            address=signer_of(9).address,
            endpoint=f"127.0.0.1:{free_port()}",
            former_address=former.address,
        )
        await group.change(ChangeKind.UPDATE, number)
        await group.stop(number)
        group.keys[former.id] = 9
        await group.start(number)
        await group.nodes[number].barrier(timeout_seconds=15)
        group.peers[number] = replace(group.peers[number], former_address="")
        await group.change(ChangeKind.UPDATE, number)
    await group.settled()
    await group.stop(number)
    group.keys[former.id] = number
    group.peers[number] = former
    await group.start(number)
    await asyncio.sleep(1.0)
    assert group.nodes[number].status().leader_id is None, "a key that was given up was let in"


async def test_leadership_goes_to_the_member_that_was_named(group: ChangingCluster) -> None:
    leader = await group.leader()
    for number in range(3):
        if number != leader:
            name = group.peers[number].id
            assert await group.nodes[leader].hand_over(timeout_seconds=10, to=name)
            assert await group.leader() == number
            break


async def test_stranger_is_not_let_in_before_it_is_added(group: ChangingCluster) -> None:
    group.join(3)
    await group.start(3)
    await asyncio.sleep(0.6)
    status = group.nodes[3].status()
    assert (status.membership, status.leader_id, status.last_index) == ("outsider", None, 1)


async def test_follower_says_that_only_the_leader_changes_the_membership(
    group: ChangingCluster,
) -> None:
    change = GroupChange(kind=ChangeKind.REMOVE, member_id="v0")
    with pytest.raises(Refused, match="SN-R063"):
        await group.nodes[await group.follower()].change(change, timeout_seconds=5)
