"""The matcher's part of an intent's trace, told when the intent has ended. Reads a case, returns spans."""

from collections.abc import Iterator

from pinai_subnet.matcher.case import Attempt, Case
from pinai_subnet.runtime.tracing import ROOT, Span


def spans_of(case: Case, *, now_ms: int) -> Iterator[Span]:
    """Yield the intent itself, its windows, and of each assignment how it was made, delivered and worked on."""
    intent_id = str(case.intent.intent_id)
    yield Span(
        name=ROOT,
        intent_id=intent_id,
        begin_ms=case.seen_at_ms,
        end_ms=now_ms,
        failure=case.window.end_code,
        facts={"intent_type": case.intent.intent_type, "attempts": len(case.attempts)},
    )
    for ended in case.rounds:
        yield Span(
            name="window",
            intent_id=intent_id,
            begin_ms=ended.opened_at_ms,
            end_ms=ended.closed_at_ms,
            facts={"round": ended.number, "bids": ended.bids},
        )
    if case.rounds:
        yield Span(
            name="auction",
            intent_id=intent_id,
            begin_ms=case.rounds[-1].closed_at_ms,
            end_ms=case.attempts[-1].created_at_ms
            if case.attempts
            else case.rounds[-1].closed_at_ms,
            facts={"ranked": len(case.ranking)},
        )
    for attempt in case.attempts:
        yield from _attempt(intent_id, attempt, now_ms)


def _attempt(intent_id: str, attempt: Attempt, now_ms: int) -> Iterator[Span]:
    facts: dict[str, str | int] = {
        "assignment_id": str(attempt.assignment_id),
        "agent_id": str(attempt.agent_id),
    }
    ended_ms = attempt.ended_at_ms or now_ms
    reported_ms = attempt.reported_at_ms
    delivered_ms = attempt.delivered_at_ms[0] if attempt.delivered_at_ms else 0
    stages = (
        ("assignment", attempt.created_at_ms, attempt.recorded_at_ms),
        ("delivery", attempt.recorded_at_ms, delivered_ms or attempt.acknowledged_at_ms),
        ("execution", attempt.acknowledged_at_ms or delivered_ms, reported_ms),
        ("outcome", reported_ms, ended_ms),
    )
    for place, (name, begin_ms, end_ms) in enumerate(stages):
        if not begin_ms:
            continue
        last = place == len(stages) - 1 or not stages[place + 1][1]
        yield Span(
            name=name,
            intent_id=intent_id,
            begin_ms=begin_ms,
            end_ms=end_ms or ended_ms,
            failure=attempt.code if last else "",
            facts=facts,
        )
