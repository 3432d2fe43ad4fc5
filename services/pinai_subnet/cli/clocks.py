"""Clocks of the validators beside this host's: what is too far apart, said with both times. Rules only."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

WARN_SECONDS = 0.2
FAIL_SECONDS = 2.0


def clock_findings(clocks: Mapping[str, tuple[float, float]]) -> list[dict[str, Any]]:
    """Return a finding for each validator whose clock is off, worst first.

    `clocks` has its time and this host's at the same moment, unix seconds.
    """
    found = [
        {
            "code": "SN-H051" if abs(theirs - ours) >= FAIL_SECONDS else "SN-H050",
            "verdict": "fail" if abs(theirs - ours) >= FAIL_SECONDS else "warn",
            "validator": name,
            "offset_seconds": round(theirs - ours, 3),
            "its_clock": _text(theirs),
            "this_clock": _text(ours),
            "fix": f"set the clock of {name}'s host by NTP, e.g. `timedatectl set-ntp true`",
        }
        for name, (theirs, ours) in clocks.items()
        if abs(theirs - ours) >= WARN_SECONDS
    ]
    return sorted(found, key=lambda finding: -abs(float(finding["offset_seconds"])))


def clock_lines(findings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return findings as an operator reads them."""
    return [
        f"  {finding['code']} {finding['validator']}'s clock says {finding['its_clock']}, this host's "
        f"{finding['this_clock']}: {finding['offset_seconds']:+.3f} s (fix: {finding['fix']})"
        for finding in findings
    ]


def _text(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
