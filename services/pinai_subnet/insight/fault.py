"""Where an intent stands, and for a failure: the code that counts, who is at fault, what to do now. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from pinai_subnet.insight.intent_story import AttemptTold, Ending, Stage, Why
from pinai_subnet.wire.catalogue import CATALOGUE

FINAL_STATUSES = frozenset({"COMPLETED", "EXPIRED", "FAILED"})
_AGENT = frozenset({"SN-M201", "SN-M202", "SN-M203", "SN-M204", "SN-M205", "SN-V015", "SN-V026"})
_NOBODY = frozenset({"SN-M207", "SN-M208"})
_VALIDATORS = frozenset({"SN-M206", "SN-M306", "SN-M310", "SN-V011", "SN-V016", "SN-V025"})
_OTHERS = {
    "SN-M301": "nobody made a bid that counts",
    "SN-M304": "RootLayer",
    "SN-M312": "RootLayer",
    "SN-V038": "RootLayer",
}
_PLACES = {
    "bidding": "MATCHING",
    "assignment": "ASSIGNMENT",
    "execution": "EXECUTION",
    "validation": "VALIDATION",
    "signing": "SIGNING",
    "settlement": "SETTLEMENT",
}


def ending(
    *,
    status: str,
    stages: Sequence[Stage],
    attempts: Sequence[AttemptTold],
    matching: Mapping[str, Any],
    seconds: float | None,
    intent_id: str,
) -> Ending:
    """Say how the story ends."""
    stage = _PLACES[stages[-1].name] if stages else "SUBMISSION"
    if status not in FINAL_STATUSES or status == "COMPLETED":
        done = status == "COMPLETED"
        return Ending(
            status=status,
            stage="SETTLEMENT" if done else stage,
            seconds=seconds,
            why=None,
            at_fault=None,
            try_next=() if done else (f"subnetctl intent watch {intent_id}",),
            docs=None,
        )
    last = attempts[-1] if attempts else None
    why = reason_of(attempts, matching)
    at_fault = blamed(why, last)
    return Ending(
        status=status,
        stage=stage,
        seconds=seconds,
        why=why,
        at_fault=at_fault,
        try_next=_try_next(intent_id, attempts, why),
        docs=f"subnetctl explain {why.code}" if why and why.code in CATALOGUE else None,
    )


def reason_of(attempts: Sequence[AttemptTold], matching: Mapping[str, Any]) -> Why | None:
    """Return the reason that counts: a verdict's, else the last assignment's, else the matcher's for the intent."""
    for attempt in reversed(attempts):
        refusals = [v.why for v in attempt.verdicts if v.passed is False and v.why]
        if refusals and (attempt.failure or attempt.state == "rejected"):
            return refusals[0]
    for attempt in reversed(attempts):
        if attempt.failure is not None and attempt.failure.code not in _NOBODY:
            return attempt.failure
    if matching.get("end_code"):
        return Why(code=matching["end_code"], reason=matching.get("end_reason") or "")
    if attempts and attempts[-1].failure is not None:
        return attempts[-1].failure
    return None


def blamed(why: Why | None, last: AttemptTold | None) -> str | None:
    """Say in a few words at whose door the reason lies; None where nothing says."""
    if why is None or why.code in _NOBODY:
        return None
    refused = last is not None and any(verdict.passed is False for verdict in last.verdicts)
    if last is not None and (refused or why.code in _AGENT):
        return f"agent {last.agent_id}"
    if why.code in _VALIDATORS:
        return "the validators"
    return _OTHERS.get(why.code)


def _try_next(intent_id: str, attempts: Sequence[AttemptTold], why: Why | None) -> tuple[str, ...]:
    guilty = dict.fromkeys(
        a.agent_id for a in attempts if a.failure is not None and a.failure.code not in _NOBODY
    )
    exclude = "".join(f" --exclude {agent}" for agent in guilty)
    commands = [f"subnetctl intent retry {intent_id}{exclude}"]
    if why is not None and why.code == "SN-M301":
        commands.insert(0, "subnetctl intent dry-run FILE --type TYPE")
    return tuple(commands)
