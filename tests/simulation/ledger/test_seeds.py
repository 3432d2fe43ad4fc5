"""Whole validators under seeded faults: what holds for one report, one epoch and one signature holds in every history.

`make simulate SEEDS=100000` is the long run, `make simulate SEED=19` replays one; a failing seed prints its schedule.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.simulation.ledger.schedule import run_ledger_seed
from tests.simulation.seeds import is_ledger

SEEDS = int(os.environ.get("SEEDS", "12"))
ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("seed", [seed for seed in range(4 * SEEDS) if is_ledger(seed)])
def test_every_acknowledged_report_reaches_one_end(seed: int, tmp_path: Path) -> None:
    schedule = run_ledger_seed(seed, tmp_path)
    assert schedule.trace


@pytest.mark.parametrize("seed", [10, 19])
def test_a_seed_is_one_history_in_every_process(seed: int) -> None:
    """Two processes whose sets and dictionaries of names are ordered differently play the same history."""
    outputs = []
    for hash_seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-m", "tests.simulation", "--seed", str(seed)],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        outputs.append(done.stdout)
    assert "history " in outputs[0]
    assert outputs[0] == outputs[1]


def test_a_run_shows_how_far_it_is_and_how_long_it_took() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.simulation", "--seeds", "8", "--workers", "2"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "8/8 seeds, 0 failed" in done.stdout
    assert "8 seeds (2 of whole validators, 6 of engines), 0 failed," in done.stdout
