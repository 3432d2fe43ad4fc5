"""Claim 9: memory stays flat over 100,000 intents. A child process takes them through one ledger and reports sizes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
_MEGABYTE = 1_000_000
Sizes = dict[str, int]


def lives(*arguments: str) -> dict[int, Sizes]:
    """Return the sizes that a child process reports, by how many intents it had finished."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.integration.validator.many_intents", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=280,
        check=True,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {line["intents"]: line for line in lines}


def growth(before: Sizes, after: Sizes) -> list[str]:
    """Return what is larger than a ledger that is full may become: a tenth and 8 MB of memory, a tenth of a table."""
    grown = [
        f"{name} from {before[name]} to {after[name]}"
        for name in before.keys() - {"intents", "rss"}
        if after[name] > before[name] * 1.1
    ]
    if after["rss"] > before["rss"] * 1.1 + 8 * _MEGABYTE:
        grown.append(f"resident memory from {before['rss']} to {after['rss']}")
    return grown


def test_memory_stays_flat_over_100000_intents() -> None:
    """M2, M3, claim 9: at 100,000 intents nothing is larger than it was at 30,000, when everything was full."""
    seen = lives("100000")
    full, last = seen[30_000], seen[100_000]
    assert growth(full, last) == []
    assert 0 < last["assignments"] <= 4_000
    assert 0 < last["epochs"] <= 100
    assert last["sealed_intents"] <= 8_000


def test_a_ledger_that_forgets_nothing_is_seen_to_grow() -> None:
    """The same look at the same work finds growth where there is some."""
    seen = lives("6000", "--look-every", "2000", "--endless")
    grown = growth(seen[2_000], seen[6_000])
    assert any("assignments" in one for one in grown)
    assert any("resident memory" in one for one in grown)


@pytest.mark.parametrize("name", ["snapshot", "assignments", "requests"])
def test_what_is_measured_is_there(name: str) -> None:
    (only,) = lives("500", "--look-every", "500").values()
    assert only[name] > 0
