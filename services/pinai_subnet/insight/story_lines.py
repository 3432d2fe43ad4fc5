"""The story as an operator reads it in a terminal. Pure text; what it says is decided in `story_telling`."""

from collections.abc import Iterator
from datetime import UTC, datetime

from pinai_subnet.insight.intent_story import IntentStory, Moment, Needed, Offer
from pinai_subnet.wire.catalogue import CATALOGUE


def lines(story: IntentStory) -> list[str]:
    """Return all lines: how it ended, what happened, why, and what to do."""
    return [*_head(story), *timeline(story.moments), *_notes(story), *_tail(story)]


def timeline(happened: tuple[Moment, ...], *, begun_at_ms: int | None = None) -> list[str]:
    """Return one line per moment: seconds since the beginning, what, detail."""
    if not happened:
        return []
    begun = happened[0].at_ms if begun_at_ms is None else begun_at_ms
    return [
        f"  {(moment.at_ms - begun) / 1000:8.3f} s  {moment.what}"
        + (f"   {moment.detail}" if moment.detail else "")
        for moment in happened
    ]


def _head(story: IntentStory) -> Iterator[str]:
    end = story.ending
    yield f"intent {story.intent_id}  {end.status}"
    took = f" after {end.seconds:.3f} s" if end.seconds is not None else ""
    if end.status in ("FAILED", "EXPIRED"):
        why = f"   reason {end.why.code} {end.why.reason}" if end.why else ""
        fault = f"   (at fault: {end.at_fault})" if end.at_fault else ""
        yield f"{end.status} at {end.stage}{took}{why}{fault}"
    elif story.moments:
        started = datetime.fromtimestamp(story.moments[0].at_ms / 1000, tz=UTC)
        where = "" if end.status == "COMPLETED" else f", now at {end.stage}"
        yield f"  started {started.isoformat(timespec='milliseconds')}, took {end.seconds:.3f} s{where}"


def _notes(story: IntentStory) -> Iterator[str]:
    for absent in story.no_bid:
        said = f'declined: "{absent.declined}"' if absent.declined else "said nothing"
        yield f"  no bid from {absent.agent_id}   {said}"
    if story.sealed:
        yield "  the window is open: bids are sealed until it closes"
    for offer in story.offers:
        if offer.needed is not None:
            yield f"  {_needed(offer, offer.needed)}"
    for attempt in story.attempts:
        silent = [v.validator_id for v in attempt.verdicts if v.passed is None]
        if silent:
            yield f"  no verdict from {', '.join(silent)} on attempt {attempt.number}"
        if attempt.batch is not None and attempt.batch.missing:
            have = len(attempt.batch.signatures)
            yield (
                f"  no signature from {', '.join(attempt.batch.missing)}"
                f" ({have} given, {attempt.batch.required_signatures} needed)"
            )
    took = [f"{s.name} {s.seconds:.3f}" for s in story.stages if s.seconds is not None]
    if took:
        yield f"  seconds: {' · '.join(took)}"


def _needed(offer: Offer, needed: Needed) -> str:
    ways = [
        text
        for value, text in (
            (needed.price, f"a price of at most {needed.price}"),
            (needed.reputation, f"a reputation of at least {needed.reputation}"),
            (needed.capability, f"a capability fit of at least {needed.capability}"),
            (
                needed.latency_seconds,
                f"an average of at most {needed.latency_seconds} s to the report",
            ),
        )
        if value is not None
    ]
    if not ways:
        return f"{offer.agent_id} could not have won by any single change"
    return f"{offer.agent_id} would have won with {', or '.join(ways)}"


def _tail(story: IntentStory) -> Iterator[str]:
    for missing in story.missing:
        yield f"  no answer from {missing.source} ({missing.reason}): the story may be incomplete"
    end = story.ending
    entry = CATALOGUE.get(end.why.code) if end.why else None
    if entry is not None:
        yield f"do:   {entry.remedy}"
    for number, command in enumerate(end.try_next):
        yield f"try:  {command}" if number == 0 else f"      {command}"
    if end.docs:
        yield f"docs: {end.docs}"
