"""Which world a seed plays in: three of four are engines alone (quick), one is whole validators with their ledgers."""

import logging
import tempfile
from collections.abc import Iterable
from pathlib import Path

import structlog
from tests.simulation.consensus.schedule import Schedule, run_seed
from tests.simulation.ledger.schedule import run_ledger_seed

_EVERY = 4
_MEMORY = Path("/dev/shm")  # a directory in memory, where there is one


def is_ledger(seed: int) -> bool:
    """Say whether whole validators play this seed."""
    return seed % _EVERY == _EVERY - 1


def play(seed: int) -> Schedule:
    """Play one seed of either kind; raise `AssertionError`, with the schedule in it, where an invariant is broken."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    place = _MEMORY if _MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(dir=place) as directory:
        return (run_ledger_seed if is_ledger(seed) else run_seed)(seed, Path(directory))


def play_all(seeds: Iterable[int]) -> list[tuple[int, str]]:
    """Play some seeds; return those that failed, each with its report."""
    failures: list[tuple[int, str]] = []
    for seed in seeds:
        try:
            play(seed)
        except AssertionError as error:
            failures.append((seed, str(error)))
    return failures
