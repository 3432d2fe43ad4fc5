"""Clocks of the validators beside this host's: what is too far apart, said with both times. Rules only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

WARN_SECONDS = 0.2
FAIL_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockFinding:
    """One clock that is off, with both times and what to do."""

    code: str
    verdict: str
    """`warn` or `fail`."""
    validator: str
    offset_seconds: float
    its_clock: str
    this_clock: str
    fix: str


def clock_findings(clocks: Mapping[str, tuple[float, float]]) -> tuple[ClockFinding, ...]:
    """Return a finding for each validator whose clock is off, worst first.

    `clocks` has its time and this host's at the same moment, unix seconds.
    """
    found = [
        ClockFinding(
            code="SN-H051" if abs(theirs - ours) >= FAIL_SECONDS else "SN-H050",
            verdict="fail" if abs(theirs - ours) >= FAIL_SECONDS else "warn",
            validator=name,
            offset_seconds=round(theirs - ours, 3),
            its_clock=_text(theirs),
            this_clock=_text(ours),
            fix=f"set the clock of {name}'s host by NTP, e.g. `timedatectl set-ntp true`",
        )
        for name, (theirs, ours) in clocks.items()
        if abs(theirs - ours) >= WARN_SECONDS
    ]
    return tuple(sorted(found, key=lambda finding: -abs(finding.offset_seconds)))


def clock_lines(findings: Sequence[ClockFinding]) -> list[str]:
    """Return findings as an operator reads them."""
    return [
        f"  {found.code} {found.validator}'s clock says {found.its_clock}, this host's "
        f"{found.this_clock}: {found.offset_seconds:+.3f} s (fix: {found.fix})"
        for found in findings
    ]


def _text(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
