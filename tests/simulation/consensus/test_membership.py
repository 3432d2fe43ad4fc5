"""Members come and go under faults: one leader per term, one order, nothing acknowledged is lost, the group lives on.

`SEEDS=100000 pytest tests/simulation/consensus/test_membership.py` is the long run; a failing seed is in the name.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.simulation.consensus.schedule import Schedule, disturb
from tests.simulation.consensus.simulator import World, peer_of

from pinai_subnet.consensus.group import GROUP, Group
from pinai_subnet.ports.replication import ChangeKind, GroupChange

SEEDS = int(os.environ.get("SEEDS", "40"))


def add(name: str) -> GroupChange:
    return GroupChange(kind=ChangeKind.ADD, member_id=name, peer=peer_of(name))


def promote(name: str) -> GroupChange:
    return GroupChange(kind=ChangeKind.PROMOTE, member_id=name)


def remove(name: str) -> GroupChange:
    return GroupChange(kind=ChangeKind.REMOVE, member_id=name)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path, 7, size=5, first=3) as made:
        for name in made.names:
            made.start(name)
        assert made.run(10.0, lambda: made.leader() is not None)
        made.run(0.3)
        yield made


def reconnect(world: World) -> None:
    for first in world.names:
        for second in world.names:
            if first != second:
                world.connect(first, second)


def done(world: World, change: GroupChange, on: str | None = None) -> None:
    """Make one change and see it through, as an operator who asks again would."""
    before = world.changed
    for _ in range(100):
        reconnect(world)
        leader = on or world.leader()
        if leader is not None:
            world.change(leader, change)
        if world.run(0.5, lambda: world.changed > before):
            reconnect(world)
            world.run(0.3)
            return
    raise AssertionError(f"{change} was refused: {world.refusals[-3:]}")


def refused(world: World, change: GroupChange, code: str, on: str | None = None) -> None:
    world.refusals.clear()
    leader = on or world.leader()
    assert leader is not None
    world.change(leader, change)
    world.run(0.2)
    assert world.refusals == [code]


@pytest.mark.parametrize("seed", range(SEEDS))
def test_membership_changes_under_faults_lose_nothing(seed: int, tmp_path: Path) -> None:
    with World(tmp_path, seed, size=6, first=3) as world:
        chance = world.chance
        for name in world.names:
            world.start(name)
        world.crash_odds = chance.choice([0.0, 0.001, 0.01])
        for _ in range(chance.randrange(20, 60)):
            world.run(chance.uniform(0.02, 0.6))
            if chance.random() < 0.5:
                disturb(world, Schedule(world.seed))
            else:
                reconnect(world)
            target = chance.choice(world.names)
            for name in sorted(world.engines):
                if world.engines[name].leads():
                    world.change(name, chance.choice([add, promote, promote, remove])(target))
            for _ in range(chance.randrange(10)):
                if world.engines:
                    world.submit(chance.choice(sorted(world.engines)))
        world.assert_members_agree()


def test_three_become_five_and_three_again_without_the_first_leader(world: World) -> None:
    leader = world.leader()
    assert leader is not None
    for name in ("v3", "v4"):
        done(world, add(name))
        assert world.engines[leader].group.voters() == world.engines["v0"].group.voters()
        assert name not in world.engines[leader].group.voters()
        done(world, promote(name))
    assert len(world.engines[leader].group.voters()) == 5
    world.submit("v4")
    done(world, remove(leader))
    assert world.run(5.0, lambda: world.leader() not in {None, leader})
    other = next(n for n in ("v0", "v1", "v2") if n not in {leader, world.leader()})
    done(world, remove(other))
    world.assert_members_agree()
    left = world.engines[world.leader() or ""].group.voters()
    assert left == set(world.names) - {leader, other}
    assert not world.engines[leader].votes()


def test_learner_counts_for_no_quorum(world: World) -> None:
    done(world, add("v3"))
    leader = world.leader() or ""
    followers = [name for name in ("v0", "v1", "v2") if name != leader]
    for name in followers:
        world.disconnect(leader, name)
    command = world.submit(leader)
    world.run(2.0)
    assert command not in world.acknowledged
    assert not world.engines["v3"].leads()


def test_learner_that_lags_is_not_promoted(world: World) -> None:
    leader = world.leader() or ""
    world.crash("v3")
    done(world, add("v3"))
    refused(world, promote("v3"), "SN-R062")
    for _ in range(100):
        world.submit(leader)
    world.run(1.0)
    world.start("v3")
    reconnect(world)
    done(world, promote("v3"))
    world.assert_members_agree()


def test_second_change_is_refused_while_one_is_not_committed(world: World) -> None:
    leader = world.leader() or ""
    for name in ("v0", "v1", "v2"):
        if name != leader:
            world.network.stalled |= {(name, leader)}
    world.change(leader, add("v3"))
    world.turn(leader)
    assert world.engines[leader].change_pending
    refused(world, add("v4"), "SN-R061", leader)


def test_new_leader_refuses_changes_before_it_committed_an_entry_of_its_term(world: World) -> None:
    """Ongaro's correction of 2015: without this, two majorities that do not overlap are possible."""
    follower = next(n for n in ("v0", "v1", "v2") if n != world.leader())
    engine = world.engines[follower]
    engine._SyncObj__raftElectionDeadline = 0.0
    engine._SyncObj__transferInProgress = True
    assert world.run(5.0, engine.leads)
    engine._journal.add(b"\x01", engine.last_index() + 1, engine.term())
    engine._SyncObj__raftCommitIndex = engine.last_index() - 2
    world.change(follower, add("v3"))
    engine._checkCommandsToApply()
    assert [value.code for _, value in engine._results if hasattr(value, "code")] == ["SN-R061"]


def test_removal_that_would_lose_the_quorum_is_refused(world: World) -> None:
    leader = world.leader() or ""
    gone, stays = (name for name in ("v0", "v1", "v2") if name != leader)
    world.crash(gone)
    world.run(2.0)
    refused(world, remove(stays), "SN-R062")
    done(world, remove(gone))
    assert world.engines[leader].group.voters() == {leader, stays}


def test_follower_refuses_a_change_and_a_repeated_change_succeeds(world: World) -> None:
    follower = next(n for n in ("v0", "v1", "v2") if n != world.leader())
    refused(world, add("v3"), "SN-R063", follower)
    done(world, add("v3"))
    done(world, add("v3"))
    refused(world, promote("v9"), "SN-R060")


def test_configuration_that_was_never_committed_is_undone(world: World) -> None:
    leader = world.leader() or ""
    others = [name for name in ("v0", "v1", "v2") if name != leader]
    for name in others:
        world.disconnect(leader, name)
    world.change(leader, add("v3"))
    world.turn(leader)
    assert "v3" in world.engines[leader].group.peers()
    assert world.run(5.0, lambda: world.leader() in others)
    reconnect(world)
    world.submit(others[0])
    world.assert_members_agree()
    assert "v3" not in world.engines[leader].group.peers()


def test_configuration_survives_restart_and_snapshot(world: World) -> None:
    done(world, add("v3"))
    done(world, promote("v3"))
    for _ in range(120):
        world.submit(world.leader() or "v0")
        world.run(0.02)
    world.run(1.0)
    assert world.engines["v0"]._journal.head_index > 1
    assert not any(
        c[:1] == GROUP
        for c, _, _ in world.engines["v0"]._journal.batch(
            world.engines["v0"]._journal.head_index + 1, 1 << 40
        )
    )
    for name in list(world.engines):
        world.crash(name)
    for name in world.names:
        world.start(name)
    expected = Group.of([peer_of(name) for name in ("v0", "v1", "v2", "v3")])
    assert all(world.engines[name].group == expected for name in ("v0", "v1", "v2", "v3"))
    world.assert_members_agree()
    done(world, add("v4"))
    world.run(1.0)
    assert world.engines["v4"].group.peers().keys() == set(world.names)
