"""The schedules in which stock pysyncobj lost acknowledged work (consensus.md, findings A to D): ours loses none."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.simulation.consensus.simulator import Crash, World

from pinai_subnet.consensus.messages import Append, Forward, Next, decode, encode
from pinai_subnet.consensus.replicas import REGULAR
from pinai_subnet.ports.errors import Refused


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path, 1) as made:
        yield made


def elect(world: World, name: str) -> None:
    """Make `name` the leader of everybody."""
    world.engines[name]._SyncObj__raftElectionDeadline = 0.0
    assert world.run(10.0, lambda: name in world.engines and world.engines[name].leads())
    world.run(0.2)


def start_all(world: World, leader: str = "v0") -> None:
    for name in world.names:
        world.start(name)
    elect(world, leader)
    if not world.engines[leader].leads():
        pytest.fail("no leader")


def test_delayed_link_and_leader_crash_lose_no_acknowledged_write(world: World) -> None:
    """Finding A: retransmissions reach a follower that has acknowledged more, and the leader dies in between."""
    start_all(world)
    commands = [world.submit("v0", b"x%d" % n + bytes(200)) for n in range(200)]
    world.turn("v0")
    world.disconnect("v0", "v1")
    world.connect("v0", "v1")
    for _ in range(3):
        world.clock.now += 0.05
        world.turn("v0")
    assert world.run(5.0, lambda: set(commands) <= world.acknowledged)
    world.run(0.5)
    follower = world.engines["v1"]
    before = follower.last_index()
    repeated = Append(
        term=follower.term(),
        commit_index=follower.commit_index(),
        prev_index=before - 4,
        prev_term=follower._journal.term_at(before - 4) or 0,
        entries=[(entry[2], entry[0]) for entry in follower._journal.batch(before - 3, 1)],
    )
    assert len(repeated.entries) == 1
    node = next(node for node in follower.peers() if node.id == "v0")
    follower.handle(node, decode(encode(repeated)))
    assert follower.last_index() == before
    world.crash("v0")
    assert world.run(10.0, lambda: any(engine.leads() for engine in world.engines.values()))
    world.run(1.0)
    for name in ("v1", "v2"):
        assert set(commands) <= world.machines[name].known
    world.assert_nothing_lost()


def test_heartbeat_never_commits_a_tail_that_the_leader_did_not_verify(world: World) -> None:
    """Finding A, other side: keeping agreeing entries must not let a stale tail become committed."""
    start_all(world)
    for other in ("v1", "v2"):
        world.disconnect("v0", other)
    stale = [world.submit("v0") for _ in range(10)]
    world.turn("v0")
    assert world.run(10.0, lambda: any(world.engines[n].leads() for n in ("v1", "v2")))
    leader = "v1" if world.engines["v1"].leads() else "v2"
    fresh = [world.submit(leader) for _ in range(20)]
    assert world.run(5.0, lambda: set(fresh) <= world.acknowledged)
    world.connect("v0", leader)
    assert world.run(5.0, lambda: set(fresh) <= world.machines["v0"].known)
    world.assert_nothing_lost()
    assert world.machines["v0"].order[: len(fresh)] != stale[: len(fresh)]


@pytest.mark.parametrize(
    "where", ["before snapshot", "after snapshot", "before removal", "during removal"]
)
def test_death_around_a_snapshot_keeps_the_entries_behind_it(world: World, where: str) -> None:
    """Findings B and C: killed between snapshot and compaction, or while old segments are removed, on every member."""
    start_all(world)
    died: set[str] = set()

    def arm(name: str) -> None:
        def fate(at: str) -> None:
            if at == where and name not in died:
                died.add(name)
                raise Crash

        journal = world.engines[name]._journal
        journal.fate = world.engines[name]._store.fate = fate

    for name in world.names:
        arm(name)
    for _ in range(100):
        if len(world.engines) < 2:
            for name in set(world.names) - world.engines.keys():
                world.start(name)
            world.run(1.0)
        for _ in range(5):
            world.submit(max(world.engines))
        world.run(0.05)
    assert died == set(world.names)
    assert world.acknowledged
    world.assert_nothing_lost()


def test_everything_returns_after_compaction_and_a_restart_of_all(world: World) -> None:
    """Finding D: a group that compacted becomes ready again after all members stopped."""
    start_all(world)
    for _ in range(30):
        world.submit("v0")
        for _ in range(9):
            world.submit("v1")
        world.run(0.1)
    assert all(engine._journal.head_index > 1 for engine in world.engines.values())
    count = len(world.acknowledged)
    assert count == 300
    for name in world.names:
        world.crash(name)
    for name in world.names:
        world.start(name)
    assert world.run(10.0, lambda: any(engine.leads() for engine in world.engines.values()))
    world.run(1.0)
    assert all(len(machine.known) == count for machine in world.machines.values())
    world.assert_nothing_lost()


def test_late_answer_of_an_older_leadership_is_not_counted(world: World) -> None:
    """Finding J: a reply carries its term; one of another term neither acknowledges nor moves anything."""
    start_all(world)
    leader = world.engines["v0"]
    for other in ("v1", "v2"):
        world.disconnect("v0", other)
    world.connect("v0", "v1")
    world.network.stalled |= {("v0", "v1"), ("v1", "v0")}
    doubtful = world.submit("v0")
    world.turn("v0")
    node = next(node for node in leader.peers() if node.id == "v1")
    late = Next(term=leader.term() - 1, next_index=leader.last_index() + 1, success=True)
    leader.handle(node, late)
    world.turn("v0")
    world.turn("v0")
    assert doubtful not in world.acknowledged
    newer = Next(term=leader.term() + 1, next_index=1, success=False)
    leader.handle(node, newer)
    assert not leader.leads()


def test_voter_never_votes_twice_in_a_term_even_across_a_crash(world: World) -> None:
    """Finding F: term and vote are durable before the vote leaves."""
    start_all(world)
    term = world.engines["v2"].term()
    voted = world.engines["v2"]._journal.getVotedForNodeId()
    world.crash("v2")
    world.start("v2")
    assert world.engines["v2"].term() == term
    assert world.engines["v2"]._SyncObj__votedForNodeId == voted


def test_cut_off_member_does_not_depose_a_healthy_leader(world: World) -> None:
    start_all(world)
    term = world.engines["v0"].term()
    world.disconnect("v2", "v0")
    world.run(5.0)
    assert world.engines["v0"].leads()
    world.connect("v2", "v0")
    world.run(2.0)
    assert world.engines["v0"].leads()
    assert world.engines["v0"].term() == term


def test_paused_leader_answers_no_barrier_from_its_old_view(world: World) -> None:
    """Finding H: a leader that was stopped for a while must not confirm a read before it asked a majority."""
    start_all(world)
    for other in ("v1", "v2"):
        world.disconnect("v0", other)
    world.run(0.1)
    paused = world.engines.pop("v0")
    assert world.run(10.0, lambda: any(engine.leads() for engine in world.engines.values()))
    newer = world.submit("v1")
    assert world.run(5.0, lambda: newer in world.acknowledged)
    world.clock.now += 1.0
    world.engines["v0"] = paused
    barrier = REGULAR + b"barrier"
    world.submit("v0", barrier[1:])
    for _ in range(5):
        world.turn("v0")
    assert b"barrier" not in world.acknowledged
    assert not paused.leads(), "the lease ended while it was stopped"
    world.assert_nothing_lost()
    order = world.machines["v0"].order
    assert order.index(newer) < order.index(b"barrier")


def test_vote_of_one_member_counts_once(world: World) -> None:
    for name in world.names:
        world.start(name)
    for first, second in (("v0", "v1"), ("v0", "v2"), ("v1", "v2")):
        world.disconnect(first, second)
    candidate = world.engines["v0"]
    candidate._SyncObj__transferInProgress = True
    candidate._SyncObj__raftElectionDeadline = 0.0
    world.turn("v0")
    node = next(node for node in candidate.peers() if node.id == "v1")
    candidate._SyncObj__otherNodes = {*candidate.peers(), *(type(node)(f"x{n}") for n in range(2))}
    for _ in range(5):
        candidate._count_vote(node, candidate.term())
    assert not candidate.leads()


@pytest.mark.parametrize("kind", [b"\x02", b"\x03", b"\x07", b""])
def test_membership_version_and_unknown_entries_are_refused_unread(
    world: World, kind: bytes
) -> None:
    """Finding G: committed membership and version commands were unpickled; here no such entry is accepted."""
    start_all(world)
    follower = world.engines["v1"]
    node = next(node for node in follower.peers() if node.id == "v0")
    last = follower.last_index()
    term = follower.term()
    command = kind + b"\x80\x02cos\nsystem\n" if kind else b""
    hostile = Append(
        term=term,
        commit_index=last + 1,
        prev_index=last,
        prev_term=follower._journal.term_at(last) or 0,
        entries=[(term, command)],
    )
    with pytest.raises(Refused, match="SN-R044"):
        follower.handle(node, hostile)
    assert follower.last_index() == last
    forward = Forward(term=term, request=1, command=command)
    with pytest.raises(Refused, match="SN-R044"):
        world.engines["v0"].handle(node, forward)
    world.assert_nothing_lost()
