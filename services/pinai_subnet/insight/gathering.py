"""Asks everybody about one intent: RootLayer, the matcher and every validator, side by side. Silent ones are named."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from pinai_subnet.insight.intent_story import Missing
from pinai_subnet.insight.readers import JsonApi, at_once, connected
from pinai_subnet.ports.errors import DependencyError, Refused
from pinai_subnet.protocol.errors import NotFound
from pinai_subnet.protocol.ids import parse_bytes32

Document = dict[str, Any]
ANSWER_SECONDS = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Whom to ask."""

    rootlayer: JsonApi
    matcher: JsonApi
    validators: Sequence[JsonApi]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """What they told, as they told it."""

    intent_id: str
    intent: Document | None
    """RootLayer's record."""
    history: Sequence[Document]
    matching: Document | None
    attempts: Sequence[Document]
    """The validators' record of every assignment, from whichever validator knows most."""
    epochs: dict[int, Document]
    validators: Sequence[str]
    missing: Sequence[Missing]


def gather(sources: Sources, intent_id: str) -> Gathered:
    """Ask everybody; raise `InvalidInput` for a malformed id and `NotFound` SN-N405 where nobody knows the intent."""
    wanted = parse_bytes32(intent_id, "intent id")
    asked = (sources.rootlayer, sources.matcher, *sources.validators)
    with connected(*(replace(api, timeout_seconds=ANSWER_SECONDS) for api in asked)) as reached:
        return _gathered(reached, wanted)


def _gathered(reached: Sequence[JsonApi], wanted: str) -> Gathered:
    rootlayer, matcher, *validators = reached
    missing: dict[str, Missing] = {}
    path = f"/api/v1/intents/{wanted}"
    intent, history, matching, *judged = at_once(
        [
            _question(rootlayer, f"/api/v1/intents/query/{wanted}", missing),
            _question(rootlayer, f"{path}/history", missing),
            _question(matcher, path, missing),
            *(_question(validator, path, missing) for validator in validators),
        ]
    )
    if intent is None and matching is None and not any(judged):
        heard = f"; no answer from {', '.join(sorted(missing))}" if missing else ""
        raise NotFound("SN-N405", f"nobody knows intent {wanted}{heard}")
    # A follower may be a moment behind: whoever tells most has the newest state.
    best = max(judged, key=_progress, default=None) or {}
    attempts = best.get("attempts", [])
    numbers = sorted({a["epoch"] for a in attempts if a["epoch"] is not None})
    found = {number: _epoch(validators, judged, number, missing) for number in numbers}
    return Gathered(
        intent_id=wanted,
        intent=intent,
        history=(history or {}).get("history", []),
        matching=matching,
        attempts=attempts,
        epochs={number: epoch for number, epoch in found.items() if epoch is not None},
        validators=[validator.name for validator in validators],
        missing=[missing[name] for name in sorted(missing)],
    )


def _epoch(
    validators: Sequence[JsonApi],
    judged: Sequence[Document | None],
    number: int,
    missing: dict[str, Missing],
) -> Document | None:
    """Return an epoch from the validator that told most signatures of it; from the next one where that fails."""
    known = sorted(
        zip(validators, judged, strict=True), key=lambda pair: -_signatures(pair[1], number)
    )
    # An epoch is by far the largest answer: everybody's would cost more than all the rest together.
    told = (_ask(api, f"/api/v1/epochs/{number}", missing) for api, _ in known)
    return next((epoch for epoch in told if epoch is not None), None)


def _signatures(judged: Document | None, number: int) -> int:
    """Return how many signatures of an epoch a validator's answer shows, -1 where it shows none of the epoch."""
    parts = [attempt.get("settlement") for attempt in (judged or {}).get("attempts", [])]
    return max((len(p["signatures"]) for p in parts if p and p["epoch"] == number), default=-1)


def _question(
    api: JsonApi, path: str, missing: dict[str, Missing]
) -> Callable[[], Document | None]:
    return partial(_ask, api, path, missing)


def _ask(api: JsonApi, path: str, missing: dict[str, Missing]) -> Document | None:
    try:
        answer = api.find(path)
    except Refused as error:
        missing[api.name] = Missing(source=api.name, reason=f"{error.code} {error.message}")
        return None
    except DependencyError as error:
        missing[api.name] = Missing(source=api.name, reason=f"{error.code} no answer")
        return None
    return answer if isinstance(answer, dict) else None


def _progress(judged: Document | None) -> tuple[int, int, int]:
    attempts = (judged or {}).get("attempts", [])
    return (
        len(attempts),
        sum(len(attempt["times_ms"]) for attempt in attempts),
        sum(len(attempt["verdicts"]) for attempt in attempts),
    )
