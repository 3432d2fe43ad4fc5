"""What the validators say of a candidate policy, gathered: totals, reasons, examples, and whether it is proven."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from pinai_subnet.cli.session import Session
from pinai_subnet.insight.readers import JsonApi, at_once
from pinai_subnet.ports.errors import DependencyError
from pinai_subnet.protocol.errors import Conflict, NotFound
from pinai_subnet.validator.api_shadow import SHADOW_PATH

SHOWN = 20
_DIFFERENT = ("would_pass", "would_fail", "other_code")

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One validator's answer, or why there is none."""

    validator_id: str
    document: Document = field(default_factory=dict)
    error: str = ""

    def digest(self, which: str) -> str | None:
        """Return the digest of its `active` or `shadow` policies."""
        found = self.document.get(which)
        return None if found is None else str(found["digest"])

    def promoted(self, candidate: str) -> bool:
        """Say whether it judges by the candidate already: another host promoted before."""
        return self.digest("active") == candidate

    @property
    def differed(self) -> int:
        """How many verdicts were not the same."""
        return sum(int(self.document["counts"][kind]) for kind in _DIFFERENT)


def ask_validators(session: Session) -> list[Told]:
    """Ask every validator of the network at once."""
    return at_once([partial(_ask, api) for api in session.validators()])


def _ask(api: JsonApi) -> Told:
    try:
        return Told(validator_id=api.name, document=api.get(SHADOW_PATH))
    except DependencyError as error:
        return Told(validator_id=api.name, error=str(error))


def require_shadow(told: Sequence[Told]) -> None:
    """Raise `NotFound` SN-V123 where every validator answers and none has read a candidate."""
    if not any(one.error or one.document["shadow"] or one.document["problems"] for one in told):
        raise NotFound("SN-V123", "no validator has read a candidate since it was started")


def require_proven(told: Sequence[Told], candidate: str) -> None:
    """Raise `Conflict` SN-V124 with everything that keeps a candidate of this digest from being promoted."""
    problems = []
    for one in told:
        if one.error:
            problems.append(f"{one.validator_id} does not tell ({one.error})")
        elif one.promoted(candidate):
            continue
        elif one.document["problems"]:
            problems.append(f"{one.validator_id} refuses it: {one.document['problems'][0]}")
        elif one.digest("shadow") is None:
            problems.append(f"{one.validator_id} has not read it")
        elif one.digest("shadow") != candidate:
            problems.append(f"{one.validator_id} runs another candidate")
        elif one.document["counts"]["failed"]:
            problems.append(
                f"{one.validator_id} failed to judge {one.document['counts']['failed']} reports with it"
            )
        elif not one.document["judged"]:
            problems.append(f"{one.validator_id} has judged no report with it")
    actives = {
        one.digest("active") for one in told if not one.error and not one.promoted(candidate)
    }
    if len(actives) > 1:
        problems.append("the validators' active policies differ")
    if problems:
        raise Conflict("SN-V124", "; ".join(problems))


def gathered(told: Sequence[Told]) -> dict[str, Any]:
    """Return all answers as one report; a report that several validators judged differently is one example."""
    answered = [one for one in told if not one.error]
    reasons: Counter[tuple[str, str]] = Counter()
    examples: dict[tuple[str, str, str], dict[str, Any]] = {}
    for one in answered:
        for row in one.document["reasons"]:
            reasons[row["active_code"], row["shadow_code"]] += row["count"]
        for row in one.document["differences"]:
            key = (row["assignment_id"], row["agent_id"], row["kind"])
            example = examples.setdefault(key, {**row, "validators": []})
            example["validators"].append(one.validator_id)
    return {
        "judged": sum(one.document["judged"] for one in answered),
        "agreed": sum(one.document["counts"]["agreed"] for one in answered),
        "differed": sum(one.differed for one in answered),
        "failed": sum(one.document["counts"]["failed"] for one in answered),
        "skipped": sum(one.document["counts"]["skipped"] for one in answered),
        "same_active": len({one.digest("active") for one in answered}) <= 1,
        "same_shadow": len({one.digest("shadow") for one in answered}) <= 1,
        "validators": [_row(one) for one in told],
        "reasons": [
            {"active_code": was, "shadow_code": now, "count": count}
            for (was, now), count in reasons.most_common()
        ],
        "differences": sorted(examples.values(), key=lambda row: row["at_ms"], reverse=True),
    }


def _row(one: Told) -> dict[str, Any]:
    if one.error:
        return {"id": one.validator_id, "error": one.error}
    kept = ("since_ms", "active", "shadow", "problems", "judged", "counts", "waiting")
    return {"id": one.validator_id, **{name: one.document[name] for name in kept}}


def lines(facts: Document) -> list[str]:
    """Return the report as text."""
    totals = (
        f"{facts['judged']} verdicts compared: {facts['agreed']} agreed, {facts['differed']} differ; "
        f"{facts['failed']} failed, {facts['skipped']} skipped"
    )
    told = [totals, *(f"  {_state(row)}" for row in facts["validators"])]
    if not facts["same_active"]:
        told.append("the validators' active policies differ: see `subnetctl status`")
    if not facts["same_shadow"]:
        told.append("the validators do not run the same candidate: restart them one at a time")
    for row in facts["reasons"]:
        was, now = row["active_code"] or "passed", row["shadow_code"] or "passed"
        told.append(f"{was} -> {now}: {row['count']}")
    for row in facts["differences"][:SHOWN]:
        why = row["shadow"]["reason"] or row["active"]["reason"]
        told.append(
            f"  {row['intent_id']}  {row['intent_type']}  {row['agent_id']}  report {row['report_id']}"
            f"  {row['kind']}: {why}  ({', '.join(row['validators'])})"
        )
    if len(facts["differences"]) > SHOWN:
        told.append(f"  and {len(facts['differences']) - SHOWN} more; --json has them all")
    return told


def _state(row: Document) -> str:
    if "error" in row:
        return f"{row['id']}: no answer: {row['error']}"
    if row["problems"]:
        return f"{row['id']}: refuses its candidate: {'; '.join(row['problems'])}"
    if row["shadow"] is None:
        return f"{row['id']}: no candidate"
    shadow = row["shadow"]
    return f"{row['id']}: {row['judged']} judged by {shadow['policy_id']} {shadow['version']}"
