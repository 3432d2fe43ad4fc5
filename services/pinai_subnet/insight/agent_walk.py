"""One intent as a walk through one agent: each stage with what was seen and how long it took. Pure, from its story."""

from collections.abc import Iterator
from dataclasses import dataclass

from pinai_subnet.insight.intent_story import AttemptTold, IntentStory


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One stage. `passed` is None where it was not reached or nothing can be said."""

    name: str
    passed: bool | None
    at_ms: int | None
    seen: str


def walk(story: IntentStory) -> tuple[Step, ...]:
    """Return the stages of a directed intent: who else could bid does not matter, for nobody else may."""
    attempt = story.attempts[0] if story.attempts else None
    return (_bid(story), *_task(attempt), *_result(attempt), _settled(story, attempt))


def passed(steps: tuple[Step, ...]) -> bool:
    """Say whether the agent did all that counts: bid, took the task, reported, and was found right and paid."""
    return all(step.passed is not False for step in steps) and steps[-1].passed is True


def _bid(story: IntentStory) -> Step:
    if story.offers:
        offer = story.offers[0]
        return Step(
            name="bid", passed=True, at_ms=offer.received_at_ms, seen=f"price {offer.price}"
        )
    if story.refused_bids:
        refused = story.refused_bids[-1]
        seen = f"refused: {refused.why.code} {refused.why.reason}"
        return Step(name="bid", passed=False, at_ms=refused.at_ms, seen=seen)
    declined = next((one for one in story.no_bid if one.declined), None)
    if declined is not None:
        return Step(
            name="bid", passed=False, at_ms=declined.at_ms, seen=f"declined: {declined.declined}"
        )
    if story.ending.status == "OPEN":
        return Step(name="bid", passed=None, at_ms=None, seen="the window is open")
    return Step(name="bid", passed=False, at_ms=None, seen="no bid came before the deadline")


def _task(attempt: AttemptTold | None) -> Iterator[Step]:
    if attempt is None:
        for name in ("assigned", "task delivered", "task acknowledged"):
            yield Step(name=name, passed=None, at_ms=None, seen="not reached")
        return
    yield Step(
        name="assigned",
        passed=True,
        at_ms=attempt.created_at_ms,
        seen=f"assignment {attempt.assignment_id[:12]}…",
    )
    times = attempt.delivered_at_ms
    yield Step(
        name="task delivered",
        passed=bool(times),
        at_ms=times[0] if times else None,
        seen=f"{len(times)} times" if len(times) > 1 else "once" if times else "no task stream",
    )
    acknowledged = attempt.acknowledged_at_ms
    silent = "no answer; the report counts as one" if attempt.report else "no answer"
    yield Step(
        name="task acknowledged",
        passed=True if acknowledged else None if attempt.report else False,
        at_ms=acknowledged,
        seen="accepted" if acknowledged else silent,
    )


def _result(attempt: AttemptTold | None) -> Iterator[Step]:
    report = attempt.report if attempt else None
    if attempt is None or report is None:
        why = (
            f"{attempt.failure.code} {attempt.failure.reason}"
            if attempt and attempt.failure
            else ""
        )
        yield Step(
            name="reported",
            passed=False if why else None,
            at_ms=attempt.ended_at_ms if attempt else None,
            seen=why or "not reached",
        )
        yield Step(name="validated", passed=None, at_ms=None, seen="not reached")
        return
    error = f", {report.error.code} {report.error.reason}" if report.error else ""
    yield Step(
        name="reported",
        passed=True,
        at_ms=report.at_ms,
        seen=f"{report.status}, {report.result_bytes} bytes, to {report.received_by}{error}",
    )
    given = [verdict for verdict in attempt.verdicts if verdict.passed is not None]
    refused = [verdict for verdict in given if not verdict.passed]
    if refused and refused[0].why is not None:
        why = f"{refused[0].why.code} {refused[0].why.reason}"
        seen = f"{len(refused)} of {len(given)} refuse it: {why}"
    else:
        seen = f"{len(given)} of {len(attempt.verdicts)} validators find it right"
    yield Step(
        name="validated",
        passed=not refused if given else None,
        at_ms=given[0].at_ms if given else None,
        seen=seen,
    )


def _settled(story: IntentStory, attempt: AttemptTold | None) -> Step:
    done = story.ending.status == "COMPLETED"
    settlement = attempt.settlement if attempt else None
    if done:
        receipt = f"receipt {settlement.receipt}" if settlement and settlement.receipt else "done"
        return Step(
            name="settled",
            passed=True,
            at_ms=settlement.at_ms if settlement else None,
            seen=receipt,
        )
    over = story.ending.status != "OPEN"
    why = story.ending.why
    seen = f"{why.code} {why.reason}" if why else "not reached"
    return Step(name="settled", passed=False if over else None, at_ms=None, seen=seen)
