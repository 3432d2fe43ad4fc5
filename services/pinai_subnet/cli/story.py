"""The whole story of one intent, put together from RootLayer, matcher and validators: as one document, and as lines."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pinai_subnet.cli.session import Session
from pinai_subnet.insight.readers import JsonApi
from pinai_subnet.ports.errors import DependencyError, Refused
from pinai_subnet.protocol.errors import NotFound
from pinai_subnet.protocol.ids import parse_bytes32

Document = dict[str, Any]


@dataclass(frozen=True, slots=True, order=True)
class Moment:
    """One thing that happened."""

    at_ms: int
    what: str
    detail: str = ""


def collect(session: Session, intent_id: str) -> Document:
    """Ask everybody about an intent; raise `NotFound` SN-N405 if nobody knows it. Silent members are named."""
    intent_id = parse_bytes32(intent_id, "intent id")
    silent: list[str] = []
    intent = _ask(session.rootlayer, f"/api/v1/intents/query/{intent_id}", silent)
    history = _ask(session.rootlayer, f"/api/v1/intents/{intent_id}/history", silent)
    matching = _ask(session.matcher, f"/api/v1/intents/{intent_id}", silent)
    judged = None
    for validator in session.validators():
        judged = _ask(validator, f"/api/v1/intents/{intent_id}", silent)
        if judged is not None:
            break
    if intent is None and matching is None and judged is None:
        heard = f"; no answer from {', '.join(sorted(set(silent)))}" if silent else ""
        raise NotFound("SN-N405", f"nobody knows intent {intent_id}{heard}")
    attempts = (judged or {}).get("attempts", [])
    epochs = {
        attempt["epoch"]: epoch
        for attempt in attempts
        if attempt["epoch"] is not None and (epoch := _epoch(session, attempt["epoch"], silent))
    }
    return {
        "intent_id": intent_id,
        "intent": intent,
        "history": (history or {}).get("history", []),
        "matching": matching,
        "attempts": attempts,
        "epochs": epochs,
        "silent": sorted(set(silent)),
    }


def _ask(api: JsonApi, path: str, silent: list[str]) -> Any | None:
    try:
        return api.find(path)
    except Refused:
        return None
    except DependencyError:
        silent.append(api.name)
        return None


def _epoch(session: Session, number: int, silent: list[str]) -> Any | None:
    answers = (
        _ask(validator, f"/api/v1/epochs/{number}", silent) for validator in session.validators()
    )
    return next((answer for answer in answers if answer is not None), None)


def moments(story: Mapping[str, Any]) -> list[Moment]:
    """Return everything that happened, in order of time."""
    found = [*_of_rootlayer(story), *_of_matching(story["matching"] or {}), *_of_validators(story)]
    return sorted(moment for moment in found if moment.at_ms)


def _of_rootlayer(story: Mapping[str, Any]) -> Iterator[Moment]:
    intent = story["intent"] or {}
    for change in story["history"]:
        new = change["newStatus"].lower()
        if change["oldStatus"] == "UNSPECIFIED":
            detail = f"by {intent.get('requester')}, type {intent.get('intentType')}, budget {intent.get('budget')}"
            yield Moment(change["atMs"], "submitted", detail)
        else:
            yield Moment(change["atMs"], f"RootLayer: {new}", change["reason"])


def _of_matching(matching: Mapping[str, Any]) -> Iterator[Moment]:
    for window in matching.get("windows", []):
        number = window["round"]
        yield Moment(
            window["opened_at_ms"],
            f"window {number} opened",
            _eligible(matching) if number == 1 else "",
        )
        if window["closed_at_ms"]:
            early = ", early: every eligible agent has bid" if window["early"] else ""
            yield Moment(
                window["closed_at_ms"], f"window {number} closed", f"{window['bids']} bids{early}"
            )
    for offer in matching.get("offers", []):
        yield Moment(offer["received_at_ms"], f"bid of {offer['agent_id']}", _offer(offer))
    for refused in matching.get("refused_bids", []):
        detail = f"{refused['code']} {refused['reason']}"
        yield Moment(refused["at_ms"], f"bid of {refused['agent_id']} refused", detail)
    for attempt in matching.get("assignments", []):
        agent = attempt["agent_id"]
        yield Moment(
            attempt["created_at_ms"],
            f"assigned to {agent}",
            f"assignment {attempt['assignment_id'][:12]}…",
        )
        yield Moment(attempt["recorded_at_ms"] or 0, "assignment recorded by the validators")
        for at_ms in attempt["delivered_at_ms"]:
            yield Moment(at_ms, f"task delivered to {agent}")
        yield Moment(attempt["acknowledged_at_ms"] or 0, f"task acknowledged by {agent}")
        if attempt["code"]:
            yield Moment(attempt["ended_at_ms"] or 0, f"attempt of {agent} failed", _why(attempt))
    if matching.get("end_code"):
        detail = f"{matching['end_code']} {matching['end_reason']}"
        yield Moment(matching["finished_at_ms"] or 0, "matching ended", detail)


def _of_validators(story: Mapping[str, Any]) -> Iterator[Moment]:
    for attempt in story["attempts"]:
        times = attempt["times_ms"]
        report = attempt["report"]
        if report:
            detail = f"{report['status']}, {report['result_bytes']} bytes, by {attempt['agent_id']}"
            yield Moment(
                times.get("REPORTED", 0), f"report received by {attempt['received_by']}", detail
            )
        for verdict in attempt["verdicts"]:
            outcome = "PASS" if verdict["passed"] else f"FAIL {verdict['code']} {verdict['reason']}"
            detail = f"{outcome} ({len(verdict['rules'])} rules, policy {verdict['policy_id']})"
            yield Moment(verdict["at_ms"] or 0, f"verdict of {verdict['validator_id']}", detail)
        for stage in ("VERIFIED", "REJECTED", "EXPIRED", "SETTLED", "SETTLEMENT_REFUSED"):
            yield Moment(times.get(stage, 0), stage.lower().replace("_", " "), _why(attempt))
    for number, epoch in story["epochs"].items():
        detail = (
            f"epoch {number}, {len(epoch['items'])} items, digest {epoch['batch_digest'][:14]}…"
        )
        yield Moment(epoch["sealed_at_ms"], f"sealed by {epoch['sealed_by']}", detail)
        for signature in epoch["signatures"]:
            yield Moment(
                signature["at_ms"], f"signed by {signature['validator_id']}", signature["address"]
            )
        needed = f"{epoch['required_signatures']} signatures needed"
        yield Moment(epoch["final_at_ms"] or 0, f"epoch {number} final", needed)


def _eligible(matching: Mapping[str, Any]) -> str:
    names = ", ".join(matching.get("eligible", [])) or "nobody"
    excluded = "; ".join(
        f"{agent}: {why['reason']}" for agent, why in matching.get("ineligible", {}).items()
    )
    return f"eligible: {names}" + (f"; not: {excluded}" if excluded else "")


def _offer(offer: Mapping[str, Any]) -> str:
    parts = " ".join(f"{name} {part['points']:.3f}" for name, part in offer["score_parts"].items())
    score = f", score {offer['score']:.3f} ({parts})" if offer["score"] is not None else ""
    rank = f", rank {offer['rank']}" if offer["rank"] else ""
    return f"price {offer['price']}{score}{rank}"


def _why(attempt: Mapping[str, Any]) -> str:
    return " ".join(text for text in (attempt.get("code"), attempt.get("reason")) if text)


def lines(story: Mapping[str, Any]) -> list[str]:
    """Return the story as an operator reads it: one line per moment, seconds since the submission first."""
    intent = story["intent"] or {}
    status = str(intent.get("status", "unknown")).removeprefix("INTENT_STATUS_")
    happened = moments(story)
    result = [f"intent {story['intent_id']}  {status}"]
    if not happened:
        return result
    begun = happened[0].at_ms
    started = datetime.fromtimestamp(begun / 1000, tz=UTC).isoformat(timespec="milliseconds")
    result.append(f"  started {started}, took {(happened[-1].at_ms - begun) / 1000:.3f} s")
    for moment in happened:
        detail = f"   {moment.detail}" if moment.detail else ""
        result.append(f"  {(moment.at_ms - begun) / 1000:8.3f} s  {moment.what}{detail}")
    if story["silent"]:
        result.append(f"  no answer from {', '.join(story['silent'])}: the story may be incomplete")
    return result
