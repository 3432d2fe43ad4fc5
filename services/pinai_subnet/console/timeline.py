"""An intent's story as a picture: a bar per stage, and every event in the lane of who did it. Pure.

Positions are percentages of the width, so that one picture fits a phone and a wide screen.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

from pinai_subnet.insight.intent_story import AttemptTold, IntentStory

LONG_PAUSE_MS = 1000
"""From here on a pause between two events is said."""
_LEAST_WIDTH = 0.4
MAX_EVENTS = 400


class Lane(IntEnum):
    """Who acts."""

    ROOT_LAYER = 0
    MATCHER = 1
    AGENT = 2
    VALIDATOR = 3

    @property
    def title(self) -> str:
        """Its heading."""
        return ("RootLayer", "Matcher", "Agents", "Validators")[self]

    @property
    def percent(self) -> float:
        """Where its line is in the picture."""
        return 12.5 + 25.0 * self


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One stage on the common scale; `open` while it lasts."""

    name: str
    start: float
    width: float
    seconds: float | None
    open: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One row of the picture."""

    at_ms: int
    lane: Lane
    what: str
    detail: str = ""
    tone: str = ""
    """`good`, `bad` or neither."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """An event in its place: seconds since the first one, and the pause before it where that was long."""

    event: Event
    seconds: float
    pause: float | None
    first: bool
    last: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A mark of the common scale."""

    percent: float
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """Everything that is drawn."""

    bars: tuple[Bar, ...]
    ticks: tuple[Tick, ...]
    rows: tuple[Row, ...]
    omitted: int


def draw(story: IntentStory) -> Picture:
    """Return the picture of a story."""
    events = sorted(_events(story), key=lambda event: event.at_ms)
    bars, ticks = _bars(story)
    return Picture(
        bars=bars,
        ticks=ticks,
        rows=tuple(_rows(events[:MAX_EVENTS])),
        omitted=max(0, len(events) - MAX_EVENTS),
    )


def _bars(story: IntentStory) -> tuple[tuple[Bar, ...], tuple[Tick, ...]]:
    if not story.stages:
        return (), ()
    begun = min(stage.begun_at_ms for stage in story.stages)
    known = [at for stage in story.stages for at in (stage.begun_at_ms, stage.ended_at_ms) if at]
    last = max([*known, *(moment.at_ms for moment in story.moments)])
    whole = max(1, last - begun)
    bars = []
    for stage in story.stages:
        start = 100 * (stage.begun_at_ms - begun) / whole
        end = last if stage.ended_at_ms is None else stage.ended_at_ms
        width = max(_LEAST_WIDTH, 100 * (end - stage.begun_at_ms) / whole)
        bars.append(
            Bar(
                name=stage.name,
                start=round(min(start, 100 - width), 2),
                width=round(width, 2),
                seconds=stage.seconds,
                open=stage.ended_at_ms is None,
            )
        )
    return tuple(bars), tuple(_ticks(whole))


def _ticks(whole_ms: int) -> Iterator[Tick]:
    """Yield three to six marks at round numbers."""
    step = 1.0
    while step * 6 < whole_ms:
        step *= 2.5 if f"{step:.0f}"[0] == "2" else 2
    at = 0.0
    while at <= whole_ms:
        yield Tick(percent=round(100 * at / whole_ms, 2), seconds=at / 1000)
        at += step


def _rows(events: Sequence[Event]) -> Iterator[Row]:
    before = None
    for place, event in enumerate(events):
        gap = 0 if before is None else event.at_ms - before
        yield Row(
            event=event,
            seconds=(event.at_ms - events[0].at_ms) / 1000,
            pause=gap / 1000 if gap >= LONG_PAUSE_MS else None,
            first=place == 0,
            last=place == len(events) - 1,
        )
        before = event.at_ms


def _events(story: IntentStory) -> Iterator[Event]:
    asked = story.submission
    if asked is not None and asked.at_ms:
        yield Event(
            at_ms=asked.at_ms,
            lane=Lane.ROOT_LAYER,
            what="submitted",
            detail=f"type {asked.intent_type}, by {asked.by}",
        )
    for window in story.windows:
        if window.opened_at_ms:
            yield Event(
                at_ms=window.opened_at_ms,
                lane=Lane.MATCHER,
                what=f"window {window.round} opened",
                detail=f"{len(story.eligible)} eligible, {len(story.shut)} not"
                if window.round == 1
                else "",
            )
        if window.closed_at_ms:
            yield Event(
                at_ms=window.closed_at_ms,
                lane=Lane.MATCHER,
                what=f"window {window.round} closed",
                detail=f"{window.bids} bids"
                + (", early: everybody had bid" if window.early else ""),
            )
    for offer in story.offers:
        yield Event(
            at_ms=offer.received_at_ms,
            lane=Lane.AGENT,
            what=f"{offer.agent_id} bids",
            detail="" if offer.score is None else f"score {offer.score:.3f}",
        )
    for silent in story.no_bid:
        if silent.at_ms:
            detail = silent.declined or ""
            yield Event(
                at_ms=silent.at_ms,
                lane=Lane.AGENT,
                what=f"{silent.agent_id} declines",
                detail=detail,
            )
    for refused in story.refused_bids:
        yield Event(
            at_ms=refused.at_ms,
            lane=Lane.MATCHER,
            what=f"bid of {refused.agent_id} refused",
            detail=f"{refused.why.code} {refused.why.reason}",
            tone="bad",
        )
    for attempt in story.attempts:
        yield from _attempt(attempt)
        yield from _judged(attempt)
        yield from _agreed(attempt)


def _attempt(attempt: AttemptTold) -> Iterator[Event]:
    agent = attempt.agent_id
    if attempt.created_at_ms:
        yield Event(at_ms=attempt.created_at_ms, lane=Lane.MATCHER, what=f"assigned to {agent}")
    if attempt.recorded_at_ms:
        yield Event(at_ms=attempt.recorded_at_ms, lane=Lane.VALIDATOR, what="assignment recorded")
    for at_ms in attempt.delivered_at_ms:
        yield Event(at_ms=at_ms, lane=Lane.AGENT, what=f"task delivered to {agent}")
    if attempt.acknowledged_at_ms:
        yield Event(
            at_ms=attempt.acknowledged_at_ms, lane=Lane.AGENT, what=f"{agent} accepts the task"
        )
    if attempt.failure is not None and attempt.ended_at_ms:
        yield Event(
            at_ms=attempt.ended_at_ms,
            lane=Lane.MATCHER,
            what=f"attempt of {agent} failed",
            detail=f"{attempt.failure.code} {attempt.failure.reason}",
            tone="bad",
        )


def _judged(attempt: AttemptTold) -> Iterator[Event]:
    report = attempt.report
    if report is not None and report.at_ms:
        yield Event(
            at_ms=report.at_ms,
            lane=Lane.VALIDATOR,
            what=f"report received by {report.received_by}",
            detail=f"{report.status}, {report.result_bytes} bytes"
            if report.result_bytes is not None
            else report.status,
        )
    for verdict in attempt.verdicts:
        if verdict.at_ms and verdict.passed is not None:
            why = f"{verdict.why.code} {verdict.why.reason}" if verdict.why else ""
            yield Event(
                at_ms=verdict.at_ms,
                lane=Lane.VALIDATOR,
                what=f"{verdict.validator_id}: {'pass' if verdict.passed else 'reject'}",
                detail=why or f"{len(verdict.rules)} rules",
                tone="good" if verdict.passed else "bad",
            )


def _agreed(attempt: AttemptTold) -> Iterator[Event]:
    batch, paid = attempt.batch, attempt.settlement
    if batch is not None:
        if batch.sealed_at_ms:
            yield Event(
                at_ms=batch.sealed_at_ms,
                lane=Lane.VALIDATOR,
                what=f"sealed by {batch.sealed_by}",
                detail=f"epoch {batch.epoch}, {batch.items} items",
            )
        for signature in batch.signatures:
            if signature.at_ms:
                yield Event(
                    at_ms=signature.at_ms,
                    lane=Lane.VALIDATOR,
                    what=f"signed by {signature.validator_id}",
                )
        if batch.final_at_ms:
            yield Event(
                at_ms=batch.final_at_ms,
                lane=Lane.VALIDATOR,
                what=f"epoch {batch.epoch} final",
                detail=f"{batch.required_signatures} signatures needed",
                tone="good",
            )
    if paid is not None and paid.at_ms:
        yield Event(
            at_ms=paid.at_ms,
            lane=Lane.ROOT_LAYER,
            what="settled" if paid.ok else "settlement refused",
            detail=paid.message,
            tone="good" if paid.ok else "bad",
        )
