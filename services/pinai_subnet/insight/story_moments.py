"""Everything that happened to an intent in order of time, one line each. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pinai_subnet.insight.intent_story import AttemptTold, IntentStory, Moment, Offer, Why


def moments(
    story: IntentStory, history: Sequence[Mapping[str, Any]], matching: Mapping[str, Any]
) -> tuple[Moment, ...]:
    """Return every moment that has a time."""
    found = [
        *_submitted(story, history),
        *_bidding(story),
        *(moment for attempt in story.attempts for moment in _attempt(attempt)),
        *_matching_ended(matching),
    ]
    return tuple(sorted(moment for moment in found if moment.at_ms))


def _at(at_ms: int | None, what: str, detail: str = "") -> Moment:
    return Moment(at_ms=at_ms or 0, what=what, detail=detail)


def _submitted(story: IntentStory, history: Iterable[Mapping[str, Any]]) -> Iterator[Moment]:
    asked = story.submission
    if asked is not None:
        deadline = ""
        if asked.deadline_at_ms and asked.at_ms:
            deadline = f", deadline +{(asked.deadline_at_ms - asked.at_ms) / 1000:.0f} s"
        yield _at(
            asked.at_ms,
            "submitted",
            f"by {asked.by}, budget {asked.budget}, type {asked.intent_type}{deadline}",
        )
    for change in history:
        if change["oldStatus"] != "UNSPECIFIED":
            yield _at(change["atMs"], f"RootLayer: {change['newStatus'].lower()}", change["reason"])


def _bidding(story: IntentStory) -> Iterator[Moment]:
    for window in story.windows:
        detail = eligible_line(story) if window.round == story.windows[-1].round else ""
        yield _at(window.opened_at_ms, f"window {window.round} opened", detail)
        early = ", early: everybody awaited has answered" if window.early else ""
        yield _at(
            window.closed_at_ms, f"window {window.round} closed", f"{window.bids} bids{early}"
        )
    for offer in story.offers:
        yield _at(offer.received_at_ms, f"bid of {offer.agent_id}", offer_line(offer))
    for refused in story.refused_bids:
        yield _at(refused.at_ms, f"bid of {refused.agent_id} refused", why_line(refused.why))
    for absent in story.no_bid:
        yield _at(absent.at_ms, f"{absent.agent_id} declined", absent.declined or "")


def _attempt(attempt: AttemptTold) -> Iterator[Moment]:
    agent = attempt.agent_id
    yield _at(
        attempt.created_at_ms, f"assigned to {agent}", f"assignment {attempt.assignment_id[:12]}…"
    )
    yield _at(attempt.recorded_at_ms, "assignment recorded by the validators")
    for at_ms in attempt.delivered_at_ms:
        yield _at(at_ms, f"task delivered to {agent}")
    yield _at(attempt.acknowledged_at_ms, f"task acknowledged by {agent}")
    report = attempt.report
    if report is not None:
        error = f", {why_line(report.error)}" if report.error else ""
        detail = f"{report.status}, {report.result_bytes} bytes, by {agent}{error}"
        yield _at(report.at_ms, f"report received by {report.received_by}", detail)
    for verdict in attempt.verdicts:
        if verdict.passed is None:
            continue
        word = "PASS" if verdict.passed else f"REJECT {why_line(verdict.why)}"
        detail = f"{word} ({len(verdict.rules)} rules, policy {verdict.policy_id})"
        yield _at(verdict.at_ms, f"verdict of {verdict.validator_id}", detail)
    yield from _sealed(attempt)
    if attempt.failure is not None:
        yield _at(attempt.ended_at_ms, f"attempt of {agent} failed", why_line(attempt.failure))


def _sealed(attempt: AttemptTold) -> Iterator[Moment]:
    batch, settlement = attempt.batch, attempt.settlement
    if batch is None:
        return
    digest = f"epoch {batch.epoch}, {batch.items} items, digest {batch.batch_digest[:14]}…"
    yield _at(batch.sealed_at_ms, f"sealed by {batch.sealed_by}", digest)
    for signature in batch.signatures:
        yield _at(signature.at_ms, f"signed by {signature.validator_id}", signature.address)
    missing = f", missing {', '.join(batch.missing)}" if batch.missing else ""
    yield _at(
        batch.final_at_ms,
        f"epoch {batch.epoch} final",
        f"{batch.required_signatures} signatures needed{missing}",
    )
    if settlement is not None and settlement.ok is not None:
        word = "settled" if settlement.ok else "settlement refused"
        receipt = f"receipt {settlement.receipt}" if settlement.receipt else settlement.message
        yield _at(settlement.at_ms, word, receipt)


def _matching_ended(matching: Mapping[str, Any]) -> Iterator[Moment]:
    if matching.get("end_code"):
        detail = f"{matching['end_code']} {matching['end_reason']}"
        yield _at(matching.get("finished_at_ms"), "matching ended", detail)


def why_line(why: Why | None) -> str:
    """Return code and reason."""
    return "" if why is None else f"{why.code} {why.reason}".strip()


def eligible_line(story: IntentStory) -> str:
    """Return who could bid and who could not."""
    names = ", ".join(story.eligible) or "nobody"
    # Who was shut out later, because its assignment failed, could bid at the time.
    never = [one for one in story.shut if one.agent_id not in story.eligible]
    shut = " · ".join(f"{one.agent_id} {one.why.code} {one.why.reason}" for one in never)
    known = len(story.eligible) + len(never)
    return f"eligible {len(story.eligible)} of {known} agents: {names}" + (
        f"   excluded: {shut}" if shut else ""
    )


def offer_line(offer: Offer) -> str:
    """Return a bid's price, score by component and place."""
    parts = " ".join(f"{part.name} {part.points:.3f}" for part in offer.parts)
    score = f", score {offer.score:.3f} ({parts})" if offer.score is not None else ""
    place = f", rank {offer.rank}" if offer.rank else ""
    if offer.won:
        return f"price {offer.price}{score}{place}  ← winner"
    if offer.lost_by is None:
        return f"price {offer.price}{score}{place}"
    by = f" ({offer.lost_mostly_by})" if offer.lost_mostly_by else " (a tie)"
    return f"price {offer.price}{score}{place}, lost by {offer.lost_by:.3f}{by}"
