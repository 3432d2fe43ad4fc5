"""One check with its verdict, measured value and suggestion, and what many of them add up to. Values and rules only."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    """What a check found."""

    OK = "OK"
    GOOD = "Good"
    """Measured, and clearly better than needed."""
    WARN = "Warn"
    FAIL = "FAIL"
    SKIP = "Skip"
    """Could not be looked at; the measured value says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One line of the report."""

    category: str
    test: str
    verdict: Verdict
    measured: str = ""
    suggestion: str = ""
    code: str = ""


def graded(
    value: float, *, good: float, warn: float, fail: float, more_is_better: bool = False
) -> Verdict:
    """Return the verdict on a measured value by its three bounds; a bound itself still counts as the better side."""
    sign = -1 if more_is_better else 1
    if sign * value <= sign * good:
        return Verdict.GOOD
    if sign * value <= sign * warn:
        return Verdict.OK
    return Verdict.WARN if sign * value <= sign * fail else Verdict.FAIL


def score(checks: Sequence[Check]) -> str:
    """Return A (nothing to do) to F (many failures)."""
    failures = sum(check.verdict is Verdict.FAIL for check in checks)
    if failures:
        return "C" if failures <= 2 else "D" if failures <= 5 else "F"
    return "B" if any(check.verdict is Verdict.WARN for check in checks) else "A"


def failed(checks: Sequence[Check]) -> bool:
    """Say whether something has to be corrected before the network can be relied on."""
    return any(check.verdict is Verdict.FAIL for check in checks)


def document(checks: Sequence[Check], *, at_ms: int) -> dict[str, Any]:
    """Return the report as JSON has it."""
    counts = {v.value: sum(check.verdict is v for check in checks) for v in Verdict}
    return {
        "at_ms": at_ms,
        "score": score(checks),
        "ok": not failed(checks),
        "counts": counts,
        "checks": [{**asdict(check), "verdict": check.verdict.value} for check in checks],
    }
