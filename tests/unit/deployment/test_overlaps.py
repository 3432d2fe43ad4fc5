"""`deploy.sh status` warns of validators that were down at the same time: also when that was for less than a second."""

import subprocess
import time
from pathlib import Path

import pytest

DEPLOY = Path(__file__).resolve().parents[3] / "deployment/scripts/deploy.sh"
NOW = time.time_ns() // 1_000_000
PROGRAM = r"""
set -euo pipefail
containers() { printf '%s\n' rootlayer registry matcher validator-1 validator-2 validator-3; }
source <(sed -n '/^warn_of_overlaps() {/,/^}/p' "$1")
warn_of_overlaps "$2"
"""


def warned(*times: tuple[str, int, int]) -> str:
    """What is said of these: validator, and how many milliseconds ago it went down and was up again."""
    lines = "\n".join(f"{name} {NOW - down} {NOW - up}" for name, down, up in times)
    done = subprocess.run(
        ["bash", "-c", PROGRAM, "bash", DEPLOY, lines], capture_output=True, text=True, check=True
    )
    return done.stderr


@pytest.mark.parametrize("milliseconds", [1, 400, 60_000])
def test_two_of_three_down_at_once_are_named(milliseconds: int) -> None:
    said = warned(("validator-3", 90_000, 0), ("validator-2", 70_000, 70_000 - milliseconds))
    assert "SN-H080 warning: validator-3 validator-2 of 3 validators" in said


@pytest.mark.parametrize(
    "times",
    [
        [("validator-2", 70_000, 60_000)],
        [("validator-1", 70_000, 60_001), ("validator-2", 60_000, 50_000)],
        [(f"validator-{number}", 70_000, 60_000) for number in (1, 2, 3)],
        [("validator-1", 90_000_000, 0), ("validator-2", 89_000_000, 88_000_000)],
    ],
    ids=["one", "one after the other", "all: it was stopped", "a day ago"],
)
def test_nothing_is_said_of_what_cost_no_majority(times: list[tuple[str, int, int]]) -> None:
    assert warned(*times) == ""
