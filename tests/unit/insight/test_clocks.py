"""Whose clock is off: warned of from 0.2 s on, a failure from 2 s on, always with both times."""

import pytest

from pinai_subnet.insight.clocks import clock_findings, clock_lines

NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("ahead", "code"),
    [
        (0.0, None),
        (0.199, None),
        (-0.199, None),
        (0.201, "SN-H050"),
        (-1.99, "SN-H050"),
        (2.001, "SN-H051"),
        (-90.0, "SN-H051"),
    ],
)
def test_bounds_are_those_operators_know(ahead: float, code: str | None) -> None:
    """Operators row 9."""
    found = clock_findings({"validator-2": (NOW + ahead, NOW)})
    assert [finding.code for finding in found] == ([] if code is None else [code])
    assert all((f.verdict == "fail") == (code == "SN-H051") for f in found)


def test_line_has_both_clocks_the_difference_and_the_fix() -> None:
    clocks = {"validator-1": (NOW + 0.5, NOW), "validator-2": (NOW - 3.25, NOW)}
    worst, other = clock_lines(clock_findings(clocks))
    assert worst == (
        "  SN-H051 validator-2's clock says 2023-11-14T22:13:16.750+00:00, this host's "
        "2023-11-14T22:13:20.000+00:00: -3.250 s "
        "(fix: set the clock of validator-2's host by NTP, e.g. `timedatectl set-ntp true`)"
    )
    assert "SN-H050 validator-1" in other
