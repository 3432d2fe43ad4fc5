"""Requests, time, the outcome feed, forgetting: what the ledger does over a long life."""

from dataclasses import replace

import pytest
from tests.unit.validator.ledger_world import (
    START,
    START_MS,
    World,
    key_of,
    parameters,
    record,
    report,
)

from pinai_subnet.protocol.errors import InvalidInput
from pinai_subnet.validator.applied import ReplyStatus
from pinai_subnet.validator.commands import Expire, RecordAssignments
from pinai_subnet.validator.events import CommandRefused
from pinai_subnet.validator.ledger import Ledger
from pinai_subnet.validator.limits import LedgerLimits
from pinai_subnet.validator.records import Stage


def test_a_repeated_request_gets_the_same_replies_and_changes_nothing() -> None:
    world = World()
    command = RecordAssignments(
        stamp=world.stamp(request_id="again"), records=(record(1), record(1, agent=1))
    )
    first = world.apply(command)
    world.send(report(record(1)))
    second = world.apply(command)
    assert [reply.status for reply in first.replies] == ["accepted", "rejected"]
    assert second.replies == first.replies
    assert second.events == ()


def test_a_repeated_refused_command_is_refused_alike() -> None:
    world = World()
    first = world.apply(RecordAssignments(stamp=world.stamp(request_id="again"), records=()))
    second = world.apply(RecordAssignments(stamp=world.stamp(request_id="again"), records=()))
    assert first.events == second.events
    assert isinstance(first.events[0], CommandRefused)


def test_a_request_id_of_another_validator_is_another_request() -> None:
    """No member can make another's request disappear by using its id first."""
    world = World()
    world.apply(Expire(stamp=world.stamp(by=0, request_id="same")))
    applied = world.apply(
        RecordAssignments(stamp=world.stamp(by=1, request_id="same"), records=(record(1),))
    )
    assert applied.replies[0].status is ReplyStatus.ACCEPTED


def test_kept_requests_are_bounded_by_number_and_by_replies() -> None:
    """M2."""
    world = World(max_request_ids=3, max_kept_replies=4)
    for _ in range(6):
        world.expire()
    assert len(world.ledger.state.requests) == 3
    world.assign(record(1), record(2), record(3))
    assert (len(world.ledger.state.requests), world.ledger.state.kept_replies) == (2, 4)


def test_the_ledgers_time_never_goes_back() -> None:
    world = World()
    world.expire()
    world.now_ms -= 10_000
    world.assign(record())
    state = world.ledger.assignment(record().assignment.assignment_id)
    assert state is not None
    assert state.times == {Stage.ASSIGNED: START_MS}


@pytest.mark.parametrize("at_ms", [0, -1, 1 << 53, 1 << 80])
def test_an_impossible_time_is_refused_and_moves_no_clock(at_ms: int) -> None:
    world = World()
    applied = world.apply(Expire(stamp=replace(world.stamp(), at_ms=at_ms)))
    assert applied.replies[0].code == "SN-V003"
    assert world.ledger.now_ms == 0


@pytest.mark.parametrize("request_id", ["", "x" * 129, "\ud800"])
def test_a_request_id_must_be_a_short_text(request_id: str) -> None:
    world = World()
    applied = world.apply(Expire(stamp=replace(world.stamp(), request_id=request_id)))
    assert applied.replies[0].code == "SN-V003"


def test_a_log_position_is_applied_once() -> None:
    world = World()
    world.tick()
    before = world.ledger.state_digest()
    applied = world.ledger.apply(1, Expire(stamp=world.stamp()))
    assert (applied.replies[0].code, world.ledger.state_digest()) == ("SN-V004", before)
    refused = world.ledger.refuse(1, InvalidInput("SN-V001", "garbage"))
    assert (refused.events, world.ledger.state_digest()) == (
        (CommandRefused(code="SN-V004", message="log position 1 is not after the last one, 1"),),
        before,
    )


def test_an_impossible_threshold_makes_no_ledger() -> None:
    """C16."""
    with pytest.raises(InvalidInput, match="SN-C120"):
        Ledger(parameters(3, 1, 2), LedgerLimits())


def test_the_feed_gives_the_latest_outcome_of_everything_newer_in_order() -> None:
    world = World()
    world.assign(record(1), record(2))
    assert world.ledger.outcomes_after(0) == []
    world.send(report(record(1)), report(record(2)))
    seen = world.ledger.outcomes_after(0)
    assert [(o.sequence, o.stage) for o in seen] == [(1, Stage.REPORTED), (2, Stage.REPORTED)]
    for by in (0, 1):
        world.judge(record(1), report(record(1)), by=by)
    newer = world.ledger.outcomes_after(2)
    assert [(o.sequence, o.stage, o.agent_id) for o in newer] == [(3, Stage.VERIFIED, "agent-0")]
    assert [o.sequence for o in world.ledger.outcomes_after(0)] == [2, 3]
    assert [o.sequence for o in world.ledger.outcomes_after(0, limit=1)] == [2]
    assert world.ledger.sequence == 3


def test_ended_assignments_are_forgotten_beyond_the_limit_but_not_before_their_deadline() -> None:
    """L1, M2, M3: forgetting happens in the log, on every validator alike."""
    world = World(max_ended=1, retained_epochs=1)
    for number in (1, 2, 3):
        world.settle(world.final(record(number, deadline=START + 60 * number)))
    assert world.ledger.counts()[Stage.SETTLED] == 3
    world.now_ms = (START + 61) * 1000
    world.expire()
    remembered = [state.record.attempt for state in world.ledger.assignments()]
    assert len(remembered) == 2
    world.now_ms = (START + 1000) * 1000
    world.expire()
    assert [state.record.deadline for state in world.ledger.assignments()] == [START + 180]
    assert [epoch.epoch for epoch in world.ledger.epochs()] == [3]
    assert world.ledger.forgotten_sequence > 0
    assert world.ledger.find_report(report(record(1)).report_id) is None
    assert world.ledger.assignments_of(record(1).assignment.intent_id) == []


def test_a_forgotten_intent_is_still_not_assigned_again() -> None:
    """C8: at most one seal per intent, also after its records are gone."""
    world = World(max_ended=0)
    world.settle(world.final(record(1, intent=1)))
    world.now_ms = (START + 61) * 1000
    world.expire()
    assert not world.ledger.counts().total()
    applied = world.assign(record(2, intent=1, deadline=START + 500))
    assert applied.replies[0].code == "SN-V009"


def test_the_parent_of_the_next_epoch_is_known_after_it_was_forgotten() -> None:
    world = World(retained_epochs=0)
    world.settle(world.final(record(1)))
    assert world.ledger.latest_epoch() is None
    world.final(record(2))
    epoch = world.ledger.epoch(2)
    assert epoch is not None
    assert len(epoch.header.parent_hash) == 32


def test_memory_stays_flat_over_many_intents() -> None:
    """M2, M3, L1: every table stays within its bound, whatever passes through."""
    world = World(
        max_ended=5, retained_epochs=3, max_request_ids=20, max_sealed_intents=16, max_items=4
    )
    for number in range(60):
        world.settle(world.final(record(number, deadline=world.now_ms // 1000 + 5)))
        world.now_ms += 6000
    state = world.ledger.state
    assert len(state.assignments) <= 6
    assert len(state.epochs) <= 3
    assert len(state.requests) <= 20
    assert len(state.sealed_intents) <= 16
    assert not state.held
    assert world.ledger._tables.result_bytes == 0
    assert len(world.ledger._tables.by_report_id) <= 6


def test_replaying_the_log_gives_the_same_ledger() -> None:
    """C4, C6: recovery is replay."""
    world = World()
    world.settle(world.final(record(1), record(2)))
    world.verified(record(3))
    again = world.replay()
    assert again.state_digest() == world.ledger.state_digest()
    assert again.state == world.ledger.state
    assert again.sealable() == [key_of(record(3))]
