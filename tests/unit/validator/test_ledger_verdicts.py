"""Verdicts: whose count, when a report is verified, and when it ends."""

import pytest
from tests.unit.validator.ledger_world import (
    START_MS,
    World,
    key_of,
    record,
    report,
    signer,
    verdict,
)

from pinai_subnet.protocol.ids import SubnetId
from pinai_subnet.validator.applied import Applied, Reply, ReplyStatus
from pinai_subnet.validator.commands import RecordVerdicts, Verdict
from pinai_subnet.validator.events import StageReached, VerdictRecorded
from pinai_subnet.validator.records import AssignmentState, Stage


def reported(**limits: int) -> World:
    world = World(**limits)
    world.assign(record())
    world.send(report(record()))
    return world


def only(applied: Applied) -> Reply:
    (reply,) = applied.replies
    return reply


def state_of(world: World, number: int = 1) -> AssignmentState:
    state = world.ledger.assignment(record(number).assignment.assignment_id)
    assert state is not None
    return state


def give(world: World, *verdicts: Verdict, by: int = 0) -> Applied:
    return world.apply(RecordVerdicts(stamp=world.stamp(by), verdicts=verdicts))


def test_a_threshold_of_passes_verifies_and_the_last_verdict_is_still_kept() -> None:
    """V1, V4: a receipt is no verification; the validators' verdicts are."""
    world = reported()
    first = world.judge(record(), report(record()), by=0)
    assert state_of(world).stage is Stage.REPORTED
    assert first.events == (
        VerdictRecorded(key=key_of(record()), validator_id=world.names[0], passed=True),
    )
    world.judge(record(), report(record()), by=1)
    assert state_of(world).stage is Stage.VERIFIED
    world.judge(record(), report(record()), by=2, passed=False)
    assert state_of(world).stage is Stage.VERIFIED
    assert list(state_of(world).verdicts) == world.names


def test_a_report_ends_as_soon_as_the_threshold_is_out_of_reach_with_the_commonest_reason() -> None:
    """V2, L15: a failing report ends and blocks nobody."""
    world = World(members=5, numerator=3, denominator=5)
    world.assign(record())
    world.send(report(record()))
    world.judge(record(), report(record()), by=3, passed=False, code="SN-V061", reason="odd")
    world.judge(record(), report(record()), by=4, passed=False, code="SN-V060", reason="late")
    world.judge(record(), report(record()), by=0, passed=True)
    assert state_of(world).stage is Stage.REPORTED
    applied = world.judge(
        record(), report(record()), by=1, passed=False, code="SN-V060", reason="also late"
    )
    event = applied.events[-1]
    assert isinstance(event, StageReached)
    # Of two reasons under one code the one of the first validator in the set is given.
    assert (event.stage, event.code, event.reason) == (Stage.REJECTED, "SN-V060", "also late")


def test_a_tie_of_codes_is_broken_by_the_order_of_the_set() -> None:
    world = reported()
    world.judge(record(), report(record()), by=2, passed=False, code="SN-V062")
    world.judge(record(), report(record()), by=1, passed=False, code="SN-V061")
    assert state_of(world).code == "SN-V061"


def test_the_same_verdict_again_is_a_duplicate_and_another_one_is_refused() -> None:
    world = reported()
    world.judge(record(), report(record()))
    world.now_ms += 10
    again = only(world.judge(record(), report(record())))
    other = only(world.judge(record(), report(record()), passed=False))
    assert again == Reply(status=ReplyStatus.DUPLICATE, at_ms=START_MS)
    assert other.code == "SN-V022"
    assert state_of(world).verdicts[world.names[0]].passed


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        (verdict("validator-1", record(2), report(record(2))), "SN-V020"),
        (verdict("validator-1", record(1, agent=1), report(record())), "SN-V020"),
        (verdict("validator-1", record(), report(record(), result=b"other")), "SN-V021"),
        (verdict("validator-2", record(), report(record())), "SN-V023"),
        (verdict("validator-1", record(), report(record()), key=signer("x")), "SN-V023"),
        (
            verdict(
                "validator-1",
                record(),
                report(record()),
                subnet_id=SubnetId("0x" + "00" * 31 + "09"),
            ),
            "SN-V023",
        ),
        (verdict("validator-1", record(), report(record()), passed=False, code=""), "SN-V024"),
        (
            verdict("validator-1", record(), report(record()), passed=False, reason="x" * 2000),
            "SN-V003",
        ),
    ],
)
def test_only_a_members_own_signed_verdict_on_this_report_counts(
    changed: Verdict, code: str
) -> None:
    """A4: nobody speaks for another validator, nor about another report."""
    world = reported()
    assert only(give(world, changed)).code == code
    assert not state_of(world).verdicts


def test_every_validator_is_told_what_it_still_owes() -> None:
    world = reported()
    world.assign(record(2))
    world.send(report(record(2)))
    world.judge(record(1), report(record(1)), by=0)
    world.judge(record(1), report(record(1)), by=1)
    owed = {
        name: [state.key for state in world.ledger.pending_verdicts(name)] for name in world.names
    }
    one, two = key_of(record(1)), key_of(record(2))
    assert owed == {"validator-1": [two], "validator-2": [two], "validator-3": [two, one]}
    assert [state.key for state in world.ledger.pending_verdicts(world.names[2], 1)] == [two]


def test_a_report_without_enough_verdicts_ends_in_time_and_a_late_verdict_changes_nothing() -> None:
    """L15, V4: every accepted report ends, also when validators are gone."""
    world = reported(verdict_timeout_ms=1000)
    world.judge(record(), report(record()))
    world.now_ms += 1000
    assert not world.expire().events
    world.now_ms += 1
    world.expire()
    assert (state_of(world).stage, state_of(world).code) == (Stage.REJECTED, "SN-V025")
    assert only(world.judge(record(), report(record()), by=1)).status is ReplyStatus.ACCEPTED
    assert state_of(world).stage is Stage.REJECTED


def test_a_bad_report_never_holds_up_the_good_ones() -> None:
    """L15: no head-of-line blocking."""
    world = World()
    records = [record(n) for n in range(6)]
    world.assign(*records)
    world.send(*(report(one) for one in records))
    for by in (0, 1, 2):
        for number, one in enumerate(records):
            world.judge(one, report(one), by=by, passed=number not in (0, 3))
    assert world.ledger.sealable() == [key_of(records[n]) for n in (1, 2, 4, 5)]
