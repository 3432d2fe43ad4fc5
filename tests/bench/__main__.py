"""`python -m tests.bench`: run the sections, print one table, write `build/bench/result.json`."""

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psutil
from rich.console import Console
from tests.bench import (
    catch_up,
    ceilings,
    consensus,
    explain,
    failover,
    intake,
    latency,
    levelling,
    snapshot,
    start,
    throughput,
)
from tests.bench.child import ROOT, ChildFailure
from tests.bench.figures import Result
from tests.bench.plan import ALONE, FULL, QUICK, SECTIONS, Plan
from tests.bench.subject import Network, network
from tests.bench.table import render

from pinai_subnet.ports.errors import DependencyError
from pinai_subnet.runtime.errors import StartupError

OUTPUT = ROOT / "build" / "bench"
FAILURES = (
    StartupError,
    DependencyError,
    ChildFailure,
    httpx.HTTPError,
    RuntimeError,
    TimeoutError,
    OSError,
)

Say = Callable[[str], None]


def main(argv: Sequence[str] | None = None) -> int:
    """Measure what the arguments ask for; return 1 when a section could not be measured."""
    options = _options(argv)
    plan = QUICK if options.quick else FULL
    # Progress belongs to stderr, so that the table alone can be piped.
    progress = Console(stderr=True, highlight=False)
    begun = time.monotonic()

    def say(line: str) -> None:
        progress.print(f"{time.monotonic() - begun:6.1f} s  {line}", soft_wrap=True, markup=False)

    wanted = tuple(options.only) or SECTIONS
    # Absolute: the network's processes work in another directory.
    output = options.output.resolve()
    output.mkdir(parents=True, exist_ok=True)
    root = Path(tempfile.mkdtemp(prefix="run-", dir=output))
    result = Result(machine=_machine(), quick=options.quick)
    try:
        _run(result, plan, root, say, wanted=wanted, profile=options.profile)
    finally:
        _report(result, output, root, say)
    return 1 if result.failures else 0


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="small sizes: shows that it works, not how fast"
    )
    parser.add_argument(
        "--only",
        action="append",
        choices=SECTIONS,
        default=[],
        metavar="SECTION",
        help=f"one of {', '.join(SECTIONS)}; may be repeated. A network is started where one is needed",
    )
    parser.add_argument(
        "--output", type=Path, default=OUTPUT, help="directory of result.json and of the run's data"
    )
    parser.add_argument(
        "--profile",
        action="append",
        default=[],
        metavar="MEMBER",
        help="run this process (e.g. validator-1) under cProfile, may be repeated; the figures are then not comparable",
    )
    return parser.parse_args(argv)


def _run(
    result: Result,
    plan: Plan,
    root: Path,
    say: Say,
    *,
    wanted: Sequence[str],
    profile: Sequence[str],
) -> None:
    def attempt(section: str, measure: Callable[[], None]) -> bool:
        """Measure one section; a failure is part of the result and says where the logs are."""
        say(section)
        try:
            measure()
        except FAILURES as error:
            result.failures[section] = f"{error}; logs are in {root}"
            say(f"  failed: {error}")
            return False
        return True

    for name, section in (
        ("ceilings", ceilings),
        ("consensus", consensus),
        ("catch-up", catch_up),
        ("snapshot", snapshot),
        ("explain", explain),
        ("levelling", levelling),
    ):
        if name in wanted:
            attempt(name, partial(section.measure, result, plan, root / name, say))
    if not set(wanted) - set(ALONE):
        return
    cores = psutil.cpu_count() or 1
    with network(root / "network", validators=plan.validators, agents=plan.agents) as subject:
        if not attempt("start", lambda: start.measure(result, subject, cores, say)):
            return
        for name in profile:
            subject.profile(name, root.parent / f"{name}.pstats")
        if "latency" in wanted:
            attempt("latency", lambda: latency.measure(result, subject, plan, say))
        if "throughput" in wanted:
            attempt("throughput", lambda: throughput.measure(result, subject, plan, cores, say))
        if "failover" in wanted:
            attempt("failover", lambda: failover.measure(result, subject, plan, say))
        # Last, because matcher and agents are stopped for it.
        if "intake" in wanted:
            attempt("intake", lambda: intake.measure(result, subject, plan, say))
        _note_ended(result, subject, root)


def _note_ended(result: Result, subject: Network, root: Path) -> None:
    """A process that ended by itself spoils the figures: say so."""
    ended = [name for name, process in subject.processes.items() if not process.alive]
    if ended:
        result.failures["processes"] = f"{', '.join(ended)} ended unasked; logs are in {root}"


def _machine() -> dict[str, Any]:
    return {
        "cores": psutil.cpu_count(),
        "memory_mb": round(psutil.virtual_memory().total / 1e6),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "load_average_before": os.getloadavg()[0],
        "measured_at": int(time.time()),
    }


def _report(result: Result, output: Path, root: Path, say: Say) -> None:
    document = output / "result.json"
    document.write_text(json.dumps(result.document(), indent=2) + "\n", encoding="utf-8")
    console = Console(width=None if sys.stdout.isatty() else 200, highlight=False)
    console.print(render(result))
    busy = result.machine["load_average_before"]
    console.print(
        f"{result.machine['cores']} cores shared by the client and all processes; "
        f"load average before: {busy:.1f}; written to {document}"
    )
    if result.failures:
        say(f"FAILED: data and logs are kept in {root}")
    else:
        shutil.rmtree(root)


if __name__ == "__main__":
    sys.exit(main())
