"""Judging one report against its assignment and policy: how the rules add up to a verdict. Pure.

Every validator judges from the replicated record alone, so honest validators with the same policy reach the same
verdict. Not the counting of verdicts: that is the ledger's.
"""

import re
from dataclasses import dataclass

from pinai_subnet.validator.policy import Policy
from pinai_subnet.validator.rules import RULES, Case, Rule

_CONFIDENCE = re.compile(r"confidence=([01]\.\d{2})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The outcome of the rules. `rules` names those that were checked, in order."""

    passed: bool
    code: str
    reason: str
    rules: tuple[str, ...]
    confidence: float


CONFIDENCE_TOO_LOW = "SN-V072"


def rules_of(policy: Policy) -> tuple[Rule, ...]:
    """Return the rules that a policy asks for, in order."""
    switched_on = {
        "identity": True,
        "outcome": True,
        "lease": policy.check_lease,
        "evidence": policy.check_evidence,
        "output": policy.check_output,
    }
    return tuple(rule for rule in RULES if switched_on[rule.group] and rule.applies(policy))


def judge(case: Case) -> Judgement:
    """Check a report against its policy.

    Without scoring every rule must hold. With `weighted_scoring`, identity and outcome rules must still hold; broken
    lease, evidence and output rules lower the confidence by their group's weight, and `min_confidence` decides.
    """
    policy = case.policy
    checked: list[Rule] = []
    broken: list[tuple[Rule, str]] = []
    for rule in rules_of(policy):
        checked.append(rule)
        why = rule.check(case)
        if why is None:
            continue
        broken.append((rule, why))
        if policy.fail_fast and not _scored(rule, policy):
            break
    names = tuple(rule.name for rule in checked)
    confidence = _confidence(checked, broken, policy)
    hard = [(rule, why) for rule, why in broken if not _scored(rule, policy)]
    if hard:
        reason = "; ".join(f"{rule.name}: {why}" for rule, why in broken)
        return Judgement(
            passed=False, code=hard[0][0].code, reason=reason, rules=names, confidence=0.0
        )
    if not broken:
        return Judgement(passed=True, code="", reason="", rules=names, confidence=1.0)
    reason = f"confidence={confidence:.2f}; " + "; ".join(f"{r.name}: {why}" for r, why in broken)
    passed = confidence + 1e-9 >= policy.min_confidence
    return Judgement(
        passed=passed,
        code="" if passed else CONFIDENCE_TOO_LOW,
        reason=reason,
        rules=names,
        confidence=confidence,
    )


def confidence_of(*, passed: bool, reason: str) -> float:
    """Return the confidence that a recorded verdict states in its reason; 1 or 0 where it states none."""
    found = _CONFIDENCE.match(reason)
    if found is None:
        return 1.0 if passed else 0.0
    return float(found[1])


def _scored(rule: Rule, policy: Policy) -> bool:
    return policy.weighted_scoring and rule.group in ("lease", "evidence", "output")


def _confidence(checked: list[Rule], broken: list[tuple[Rule, str]], policy: Policy) -> float:
    """Weigh the share of rules that held per group; groups without a checked rule have no say."""
    weights = {
        "lease": policy.weights.lease,
        "evidence": policy.weights.evidence,
        "output": policy.weights.output,
    }
    failed = {rule.name for rule, _ in broken}
    total = held = 0.0
    for group, weight in weights.items():
        names = [rule.name for rule in checked if rule.group == group]
        if not names or weight <= 0:
            continue
        total += weight
        held += weight * sum(name not in failed for name in names) / len(names)
    return held / total if total else 1.0
