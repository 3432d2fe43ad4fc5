"""`make simulate`: many seeds of the simulated network, with progress; a failing seed says how to replay it.

Every fourth seed plays whole validators with their ledgers, the others engines alone; `SEED=k` replays either.
"""

import argparse
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from typing import Protocol

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from tests.simulation.seeds import is_ledger, play, play_all

_CHUNK = 8
_LINE_EVERY_SECONDS = 10.0


class Advance(Protocol):
    def __call__(self, done: int, failed: int) -> None: ...


@contextmanager
def progress(total: int) -> Iterator[Advance]:
    """Show how far it is: a bar on a terminal, a line now and then elsewhere."""
    if sys.stdout.isatty():
        columns = (TextColumn("seeds"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, TextColumn("{task.fields[failed]} failed")) as bar:
            task = bar.add_task("seeds", total=total, failed=0)
            yield lambda done, failed: bar.update(task, completed=done, failed=failed)
        return
    begun = shown = time.monotonic()

    def say(done: int, failed: int) -> None:
        nonlocal shown
        now = time.monotonic()
        if done < total and now - shown < _LINE_EVERY_SECONDS:
            return
        shown = now
        print(f"{done}/{total} seeds, {failed} failed, {now - begun:.0f} s", flush=True)

    yield say


def replay(seed: int) -> int:
    """Play one seed and print its schedule and the digest of its history."""
    kind = "whole validators" if is_ledger(seed) else "engines alone"
    print(f"seed {seed}: {kind}")
    try:
        schedule = play(seed)
    except AssertionError as error:
        print(error)
        return 1
    print("\n".join(schedule.steps))
    print(f"history {schedule.trace}")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="make simulate", description=__doc__)
    parser.add_argument("--seeds", type=int, default=2000, help="how many seeds, from --first on")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, help="replay this one and print its schedule")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 2)
    options = parser.parse_args()
    if options.seed is not None:
        return replay(options.seed)
    begun = time.monotonic()
    seeds = range(options.first, options.first + options.seeds)
    chunks = [seeds[start : start + _CHUNK] for start in range(0, len(seeds), _CHUNK)]
    failures: list[tuple[int, str]] = []
    done = 0
    spawn = multiprocessing.get_context("spawn")
    with (
        ProcessPoolExecutor(options.workers, mp_context=spawn) as pool,
        progress(len(seeds)) as advance,
    ):
        running = {pool.submit(play_all, chunk): len(chunk) for chunk in chunks}
        for future in as_completed(running):
            failures += future.result()
            done += running[future]
            advance(done, len(failures))
    for seed, failure in sorted(failures):
        print(f"{failure}\nreplay: make simulate SEED={seed}\n")
    whole = sum(map(is_ledger, seeds))
    print(
        f"{len(seeds)} seeds ({whole} of whole validators, {len(seeds) - whole} of engines),"
        f" {len(failures)} failed, {time.monotonic() - begun:.0f} s on {options.workers} processes"
    )
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
