"""A simulator that finds nothing proves nothing: each thing that is wrong on purpose is found, within so many seeds."""

from pathlib import Path

import pytest
from tests.simulation.broken import ENGINE, LEDGER, SIGNING, broken
from tests.simulation.consensus.schedule import run_seed
from tests.simulation.consensus.simulator import World
from tests.simulation.ledger.rollback import run_rollback_seed
from tests.simulation.ledger.schedule import run_ledger_seed
from tests.simulation.ledger.world import LedgerWorld

BOUND = 100


def first_found(tmp_path: Path, name: str, run: object, world: type[World]) -> str:
    """Return what the first seed that fails says; every seed is a new directory."""
    with broken(name, world) as wrong:
        for seed in range(BOUND):
            directory = tmp_path / str(seed)
            directory.mkdir()
            try:
                run(seed, directory, wrong)  # type: ignore[operator]
            except AssertionError as error:
                return str(error)
    pytest.fail(f"{BOUND} seeds found nothing wrong with a simulation that {name!r}")


@pytest.mark.parametrize("name", ENGINE)
def test_engine_fault_is_found(name: str, tmp_path: Path) -> None:
    """Findings A to D: switched back on, each loses acknowledged work, and the simulator sees it."""
    found = first_found(tmp_path, name, run_seed, World)
    assert "schedule:" in found


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("seals twice", "is final in"),
        ("counts anybody's signature", "a stranger's signature counts"),
        ("replaces a report", "a duplicate of"),
    ],
)
def test_ledger_fault_is_found(name: str, says: str, tmp_path: Path) -> None:
    assert name in LEDGER
    assert says in first_found(tmp_path, name, run_ledger_seed, LedgerWorld)


@pytest.mark.parametrize("name", SIGNING)
def test_signing_fault_is_found_when_the_log_goes_back(name: str, tmp_path: Path) -> None:
    found = first_found(tmp_path, name, run_rollback_seed, LedgerWorld)
    assert "signed two digests" in found


@pytest.mark.parametrize("seed", range(6))
def test_nobody_signs_twice_when_the_whole_log_goes_back(seed: int, tmp_path: Path) -> None:
    """C1, claim 3: all validators are put back to an older copy of the log; what they signed stays signed."""
    schedule = run_rollback_seed(seed, tmp_path)
    assert any("goes back" in step for step in schedule.steps)
