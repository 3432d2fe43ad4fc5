"""The ledger's time: a majority of clocks moves it, no single one does, and it never stands still for good."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.validator.ledger_world import START, START_MS, World, record, report

from pinai_subnet.ports.replication import ReplicationStatus
from pinai_subnet.protocol.ids import ValidatorId
from pinai_subnet.runtime.clock import ManualClock
from pinai_subnet.validator.commands import Command, Expire, Stamp
from pinai_subnet.validator.ledger import Ledger
from pinai_subnet.validator.loops.expire import IDLE_TICK_MS, ExpireOverdue
from pinai_subnet.validator.records import Stage
from pinai_subnet.validator.snapshot_codec import decode_snapshot, encode_snapshot

FAR_MS = 10 * 365 * 24 * 3600 * 1000


def stage(world: World, number: int = 1) -> Stage:
    state = world.ledger.assignment(record(number).assignment.assignment_id)
    assert state is not None
    return state.stage


@pytest.mark.parametrize("members", [2, 3, 4, 5, 7])
def test_no_minority_of_lying_clocks_moves_the_ledgers_time(members: int) -> None:
    """Point 9: members with clocks ten years ahead expire nothing while they are not a majority."""
    world = World(members=members)
    world.expire()
    world.assign(record())
    minority = members - world.ledger.quorum.raft_majority
    assert minority < world.ledger.quorum.raft_majority
    world.now_ms += FAR_MS
    for liar in range(minority):
        assert not world.tick(liar).events
    assert world.ledger.now_ms == START_MS
    assert stage(world) is Stage.ASSIGNED


@pytest.mark.parametrize("members", [1, 2, 3, 4, 5])
def test_a_majority_of_clocks_moves_it_and_the_slowest_of_them_says_how_far(members: int) -> None:
    world = World(members=members)
    world.assign(record(deadline=START + 60))
    majority = world.ledger.quorum.raft_majority
    for place in range(majority):
        world.now_ms = START_MS + 70_000 + place * 1000
        world.tick(place)
    assert world.ledger.now_ms == START_MS + 70_000
    assert stage(world) is Stage.EXPIRED


def test_a_clock_that_stands_still_or_goes_back_holds_nothing_up() -> None:
    world = World()
    world.expire()
    world.assign(record())
    world.now_ms = START_MS - 1_000_000
    world.tick(2)
    world.now_ms = START_MS + 70_000
    world.tick(0)
    world.tick(1)
    assert world.ledger.now_ms == START_MS + 70_000
    assert stage(world) is Stage.EXPIRED


def test_what_a_lying_member_proposes_is_dated_ahead_by_at_most_the_limit() -> None:
    world = World(max_clock_lead_ms=5000)
    world.expire()
    world.assign(record(1, deadline=START + 60))
    world.now_ms += FAR_MS
    world.send(report(record(1)), by=2)
    state = world.ledger.assignment(record(1).assignment.assignment_id)
    assert state is not None
    assert state.times[Stage.REPORTED] == START_MS + 5000
    assert world.ledger.now_ms == START_MS


def test_a_checkpoint_is_never_dated_far_ahead_of_the_majority() -> None:
    """C2: a lying leader could otherwise push the time of every later header."""
    world = World()
    world.expire()
    world.verified(record(1))
    world.now_ms += FAR_MS
    assert world.seal().replies[0].code == "SN-V033"
    assert world.ledger.next_epoch == 1


@settings(max_examples=60, deadline=None)
@given(
    claims=st.lists(st.tuples(st.integers(0, 4), st.integers(1, 1 << 52)), min_size=1, max_size=40),
    cut=st.integers(0, 40),
)
def test_time_never_goes_back_and_continues_alike_from_a_snapshot(
    claims: list[tuple[int, int]], cut: int
) -> None:
    world = World(members=5, numerator=4, denominator=5)
    restored: Ledger | None = None
    highest = 0
    seen: dict[int, int] = {}
    for place, (by, at_ms) in enumerate(claims):
        if place == cut:
            data = encode_snapshot(world.ledger)
            restored = decode_snapshot(data, world.parameters, world.limits)
            assert encode_snapshot(restored) == data
        world.now_ms = at_ms
        world.tick(by)
        if restored is not None:
            restored.apply(len(world.log), world.log[-1])
        seen[by] = max(seen.get(by, 0), at_ms)
        expected = sorted(seen.values(), reverse=True)[2] if len(seen) >= 3 else 0
        assert world.ledger.now_ms == expected >= highest
        highest = expected
    if restored is not None:
        assert encode_snapshot(restored) == encode_snapshot(world.ledger)


class OneMember:
    """One validator's replica over the world's ledger: what it proposes is applied under its own clock."""

    def __init__(self, world: World, place: int, *, leading: bool) -> None:
        self.world = world
        self.validator_id = world.names[place]
        self.leading = leading
        self.clock = ManualClock(now=START)
        self.proposed = 0
        self.quorum = True
        self.loop = ExpireOverdue(replica=self, clock=self.clock)  # type: ignore[arg-type]

    def status(self) -> ReplicationStatus:
        class Status:
            has_quorum = self.quorum

        return Status()  # type: ignore[return-value]

    def read(self, query: Callable[[Ledger], Any]) -> Any:
        return query(self.world.ledger)

    async def propose(self, build: Callable[[Stamp], Command]) -> Any:
        self.proposed += 1
        self.world.now_ms = int(self.clock.now() * 1000)
        return self.world.apply(build(self.world.stamp(self.world.names.index(self.validator_id))))


def village(members: int = 3) -> tuple[World, list[OneMember]]:
    world = World(members=members)
    return world, [OneMember(world, n, leading=n == 0) for n in range(members)]


async def turns(members: list[OneMember], seconds: int) -> None:
    for _ in range(seconds):
        for member in members:
            member.clock.advance(1)
            await member.loop.work()


@pytest.mark.parametrize("members", [1, 3, 5])
async def test_members_that_owe_nothing_still_bring_everything_to_an_end(members: int) -> None:
    """L15: nothing but clocks happens, and the assignment and the held report end in time."""
    world, all_of_them = village(members)
    world.assign(record(1, deadline=START + 30))
    world.send(report(record(2)))
    await turns(all_of_them, 31)
    assert not list(world.ledger.held_reports())
    await turns(all_of_them, 6)
    assert stage(world) is Stage.EXPIRED


async def test_a_report_without_verdicts_ends_although_one_member_is_away() -> None:
    world, members = village()
    world.assign(record(1))
    world.send(report(record(1)))
    await turns(members[:2], 63)
    assert stage(world) is Stage.REJECTED


async def test_a_silent_leader_does_not_keep_anything_from_ending() -> None:
    world, members = village()
    world.assign(record(1, deadline=START + 5))
    await turns(members[1:], 12)
    assert stage(world) is Stage.EXPIRED


async def test_an_idle_network_writes_one_tick_per_member_and_minute() -> None:
    world, members = village()
    await turns(members, 1)
    started = len(world.log)
    assert started <= 3
    await turns(members, 300)
    assert len(world.log) - started <= 3 * (300_000 // IDLE_TICK_MS)
    assert int(members[0].clock.now() * 1000) - world.ledger.now_ms <= IDLE_TICK_MS + 2000


async def test_ticks_stop_when_the_member_has_shown_its_clock_or_nobody_could_agree() -> None:
    """One member alone cannot move time: it says so once, not every second."""
    world, members = village()
    world.expire()
    world.assign(record(1, deadline=START + 5))
    await turns(members[:1], 40)
    assert members[0].proposed == 1
    assert stage(world) is Stage.ASSIGNED
    members[1].quorum = False
    await turns(members[1:2], 40)
    assert members[1].proposed == 0


async def test_a_member_whose_clock_is_years_ahead_ends_nothing_and_the_others_go_on() -> None:
    world, members = village()
    members[2].clock.jump(FAR_MS / 1000)
    world.assign(record(1, deadline=START + 30))
    await turns(members, 20)
    assert stage(world) is Stage.ASSIGNED
    await turns(members, 20)
    assert stage(world) is Stage.EXPIRED
    assert world.ledger.clock(world.names[2]) > START_MS + FAR_MS // 2
    assert isinstance(world.log[-1], Expire)


async def test_validator_that_is_no_member_shows_no_clock() -> None:
    """A learner before its change, or who was removed: its entries would be refused one after the other."""
    _, (member, *_) = village()
    member.validator_id = ValidatorId("validator-9")
    await turns([member], 100)
    assert member.proposed == 0


async def test_member_whose_clock_is_behind_shows_it_too() -> None:
    """Operators row 9: otherwise nobody could tell that it is off."""
    world, members = village()
    members[2].clock.jump(-30)
    await turns(members, 70)
    assert world.ledger.clock(members[2].validator_id) > 0
    assert members[2].proposed == 2
