"""The checker of histories accepts what one honest ledger could answer, and nothing else."""

from collections.abc import Sequence
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.chaos.history import Kind, Operation, Outcome, acknowledged, next_acknowledged
from tests.chaos.linearizability import linearizable, violations


def record(invoked: float, returned: float, outcome: Outcome = Outcome.RECORDED) -> Operation:
    return Operation(key="a", kind=Kind.RECORD, outcome=outcome, invoked=invoked, returned=returned)


def report(
    value: str, invoked: float, returned: float, outcome: Outcome, seen: str = ""
) -> Operation:
    return Operation(
        key="a",
        kind=Kind.REPORT,
        outcome=outcome,
        invoked=invoked,
        returned=returned,
        value=value,
        seen=seen or (value if outcome is Outcome.ACCEPTED else ""),
    )


ASSIGNED = record(0, 1)
ONE = report("one", 2, 3, Outcome.ACCEPTED)


def test_a_first_report_and_its_duplicates_in_order_are_fine() -> None:
    assert linearizable([ASSIGNED, ONE, report("two", 4, 5, Outcome.DUPLICATE, "one")])


def test_a_report_accepted_twice_is_a_violation() -> None:
    assert not linearizable([ASSIGNED, ONE, report("two", 4, 5, Outcome.ACCEPTED)])
    assert not linearizable([ASSIGNED, ONE, report("two", 2.5, 5, Outcome.ACCEPTED)])


def test_a_duplicate_of_a_report_that_was_not_first_is_a_violation() -> None:
    assert not linearizable([ASSIGNED, ONE, report("two", 4, 5, Outcome.DUPLICATE, "two")])


def test_a_duplicate_before_any_report_is_a_violation() -> None:
    assert not linearizable([ASSIGNED, report("two", 1.1, 1.9, Outcome.DUPLICATE, "one"), ONE])


def test_a_duplicate_beside_the_first_report_is_fine() -> None:
    assert linearizable([ASSIGNED, report("two", 1.1, 2.5, Outcome.DUPLICATE, "one"), ONE])


def test_a_known_assignment_is_never_unknown_later() -> None:
    assert linearizable([report("one", -2, -1, Outcome.UNASSIGNED), ASSIGNED, ONE])
    assert linearizable([report("two", 0.5, 1.5, Outcome.UNASSIGNED), ASSIGNED, ONE])
    assert not linearizable([ASSIGNED, ONE, report("two", 4, 5, Outcome.UNASSIGNED)])
    assert not linearizable([ASSIGNED, report("two", 1.5, 1.6, Outcome.UNASSIGNED)])


def test_a_report_cannot_be_accepted_before_its_assignment() -> None:
    assert not linearizable([report("one", -2, -1, Outcome.ACCEPTED), ASSIGNED])


def test_an_unknown_report_may_have_happened_or_not() -> None:
    lost = report("lost", 2, inf, Outcome.UNKNOWN)
    assert linearizable([ASSIGNED, lost, report("two", 4, 5, Outcome.ACCEPTED)])
    assert linearizable([ASSIGNED, lost, report("two", 4, 5, Outcome.DUPLICATE, "lost")])
    assert linearizable([ASSIGNED, lost])


def test_an_unknown_report_takes_effect_once_and_never_before_it_was_sent() -> None:
    late = report("late", 6, inf, Outcome.UNKNOWN)
    assert not linearizable([ASSIGNED, report("two", 4, 5, Outcome.DUPLICATE, "late"), late])
    undecided = report("late", 2, inf, Outcome.UNKNOWN)
    assert not linearizable(
        [
            ASSIGNED,
            undecided,
            report("two", 4, 5, Outcome.DUPLICATE, "late"),
            report("two", 6, 7, Outcome.ACCEPTED),
        ]
    )


def test_an_unknown_assignment_may_have_been_recorded_later() -> None:
    unknown = record(0, inf, Outcome.UNKNOWN)
    assert linearizable([unknown, report("one", 1, 2, Outcome.UNASSIGNED), ONE])
    assert linearizable([unknown, ONE])


def test_a_refusal_says_nothing() -> None:
    refused = report("two", 4, 5, Outcome.REFUSED)
    assert linearizable([refused])
    assert linearizable([ASSIGNED, ONE, refused])


def test_thousands_of_unknown_calls_are_judged_at_once() -> None:
    unknown = [report(f"u{n}", 2 + n / 10_000, inf, Outcome.UNKNOWN) for n in range(5000)]
    assert linearizable([ASSIGNED, *unknown, report("z", 4, 5, Outcome.DUPLICATE, "u13")])
    assert not linearizable([ASSIGNED, *unknown, report("z", 4, 5, Outcome.DUPLICATE, "other")])


def search(operations: Sequence[Operation]) -> bool:
    """Try every order that the times allow (Wing and Gong): slow, and plainly what linearizable means."""
    must = sum(
        1 << place for place, one in enumerate(operations) if one.outcome is not Outcome.UNKNOWN
    )
    seen: set[tuple[int, str | None]] = set()
    waiting: list[tuple[int, str | None]] = [(0, None)]
    while waiting:
        done, state = waiting.pop()
        if done & must == must:
            return True
        if (done, state) in seen:
            continue
        seen.add((done, state))
        # Whatever comes next was sent before the earliest answer that is still missing.
        left = [place for place in range(len(operations)) if not done >> place & 1]
        horizon = min(operations[place].returned for place in left)
        waiting += [
            (done | 1 << place, after)
            for place in left
            if operations[place].invoked <= horizon
            for after in following(state, operations[place])
        ]
    return False


def following(state: str | None, one: Operation) -> list[str | None]:
    """The state after this call, if a ledger in `state` (None, assigned, or a report) could have answered so."""
    after, possible = state, True
    match one.outcome:
        case Outcome.RECORDED:
            after = ASSIGNED_STATE if state is None else state
        case Outcome.UNKNOWN if one.kind is Kind.RECORD:
            after = ASSIGNED_STATE if state is None else state
        case Outcome.UNKNOWN:
            after = one.value if state == ASSIGNED_STATE else state
        case Outcome.ACCEPTED:
            after, possible = one.value, state == ASSIGNED_STATE and one.seen == one.value
        case Outcome.DUPLICATE:
            possible = bool(state) and one.seen == state
        case Outcome.UNASSIGNED:
            possible = state is None
    return [after] if possible else []


ASSIGNED_STATE = ""
_VALUES = st.sampled_from(["one", "two"])


@st.composite
def operations(draw: st.DrawFn) -> Operation:
    outcome = draw(st.sampled_from(Outcome))
    only_records = outcome is Outcome.RECORDED
    either = outcome in (Outcome.UNKNOWN, Outcome.REFUSED)
    kind = Kind.RECORD if only_records or (either and draw(st.booleans())) else Kind.REPORT
    begun = draw(st.integers(0, 12))
    length = inf if outcome is Outcome.UNKNOWN else draw(st.integers(0, 6))
    value = draw(_VALUES) if kind is Kind.REPORT else ""
    seen = ""
    if outcome is Outcome.ACCEPTED:
        seen = value
    elif outcome is Outcome.DUPLICATE:
        seen = draw(_VALUES)
    return Operation(
        key="a",
        kind=kind,
        outcome=outcome,
        invoked=begun,
        returned=begun + length,
        value=value,
        seen=seen,
    )


@settings(max_examples=200, deadline=None)
@given(st.lists(operations(), max_size=7))
def test_the_judgement_is_that_of_an_exhaustive_search(history: list[Operation]) -> None:
    assert linearizable(history) == search(history)


def test_only_the_assignments_at_fault_are_named_with_all_their_calls() -> None:
    other = Operation(key="b", kind=Kind.RECORD, outcome=Outcome.RECORDED, invoked=0, returned=1)
    (found,) = violations([other, ASSIGNED, ONE, report("two", 4, 5, Outcome.ACCEPTED)])
    assert found.key == "a"
    assert len(found.operations) == 3
    assert "report two: accepted" in str(found)


def test_acknowledged_are_the_reports_that_receipts_name() -> None:
    lost = report("lost", 2, inf, Outcome.UNKNOWN)
    assert acknowledged([ASSIGNED, lost]) == {}
    told = report("two", 4, 5, Outcome.DUPLICATE, "lost")
    assert acknowledged([ASSIGNED, lost, told]) == {"a": {"lost"}}
    assert acknowledged([ASSIGNED, ONE, told]) == {"a": {"one", "lost"}}


def test_failover_is_measured_from_the_moment_to_the_next_fresh_acknowledgement() -> None:
    history = [ASSIGNED, ONE]
    assert next_acknowledged(history, 1.5) == pytest.approx(1.5)
    assert next_acknowledged(history, 2.5) is None
