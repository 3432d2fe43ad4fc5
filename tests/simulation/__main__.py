"""`make simulate`: many seeds of the simulated group, with progress; a failing seed is printed with its schedule."""

import argparse
import logging
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import structlog
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from tests.simulation.consensus.schedule import run_seed

CHUNK = 20


def run_seeds(seeds: range) -> list[str]:
    """Play some seeds; return the report of each that failed."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    failures = []
    for seed in seeds:
        with tempfile.TemporaryDirectory() as directory:
            try:
                run_seed(seed, Path(directory))
            except AssertionError as error:
                failures.append(str(error))
    return failures


def main() -> int:
    parser = argparse.ArgumentParser(prog="make simulate", description=__doc__)
    parser.add_argument("--seeds", type=int, default=2000, help="how many seeds, from --first on")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, help="replay this one and print its schedule")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    if options.seed is not None:
        with tempfile.TemporaryDirectory() as directory:
            print("\n".join(run_seed(options.seed, Path(directory)).steps))
        return 0
    begun = time.monotonic()
    last = options.first + options.seeds
    chunks = [range(start, min(start + CHUNK, last)) for start in range(options.first, last, CHUNK)]
    failures: list[str] = []
    columns = (TextColumn("seeds"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with ProcessPoolExecutor(options.workers) as pool, Progress(*columns) as progress:
        task = progress.add_task("seeds", total=options.seeds)
        running = {pool.submit(run_seeds, chunk): len(chunk) for chunk in chunks}
        for future in as_completed(running):
            failures += future.result()
            progress.advance(task, running[future])
    for failure in failures:
        print(failure)
    print(f"{options.seeds} seeds, {len(failures)} failed, {time.monotonic() - begun:.0f} s")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
