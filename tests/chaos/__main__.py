"""`python -m tests.chaos`: so many rounds over all scenarios, progress line by line, `build/chaos/result.json`."""

import argparse
import json
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from tests.chaos import private_network
from tests.chaos.round import DEFAULT_SECONDS, Finding, Size, run
from tests.chaos.scenarios import SCENARIOS

ROOT = Path(__file__).resolve().parents[2]
OUTPUT = ROOT / "build" / "chaos"


def main(argv: Sequence[str] | None = None) -> int:
    """Break the network so many times; return 1 when something did not hold."""
    options = _options(argv)
    unable = private_network.why_not_inside()
    # Ended by a signal as by an interrupt: the processes that were started are stopped on the way out.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    output = options.output.resolve()
    output.mkdir(parents=True, exist_ok=True)
    names = options.scenario or list(SCENARIOS)
    progress = Console(stderr=True, highlight=False)
    begun = time.monotonic()

    def say(line: str) -> None:
        progress.print(line, soft_wrap=True, markup=False)

    if unable is None:
        private_network.light_up()
        say("partitions are made by the kernel: this run and its hosts are network namespaces")
    else:
        say(f"partitions are made by relays only; by the kernel they cannot be: {unable}")
    findings: list[Finding] = []
    size = Size(seconds=options.seconds)
    try:
        for number in range(options.rounds):
            scenario, seed = SCENARIOS[names[number % len(names)]], options.seed + number
            say(
                f"[{time.monotonic() - begun:6.0f} s] round {number + 1}/{options.rounds}: "
                f"{scenario.name} ({scenario.about}), seed {seed}"
            )
            root = Path(tempfile.mkdtemp(prefix=f"{scenario.name}-", dir=output))
            finding = run(
                scenario,
                seed=seed,
                size=size,
                root=root / "home",
                say=lambda line: say(f"    {line}"),
            )
            findings.append(finding)
            say(f"  {_line(finding)}")
            for problem in finding.problems:
                say(f"  PROBLEM {problem}")
            if finding.problems:
                say(f"  logs and data are in {root}")
                say(
                    f"  the same again: python -m tests.chaos --rounds 1 --seed {seed} "
                    f"--scenario {scenario.name}"
                )
            elif options.keep:
                say(f"  logs and data are kept in {root}")
            else:
                shutil.rmtree(root)
    finally:
        document = _document(findings, options, time.monotonic() - begun)
        path = output / "result.json"
        path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    say(f"{_total(document)}; written to {path}")
    return 1 if document["failed"] else 0


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--rounds", type=int, default=len(SCENARIOS), help="one network each")
    parser.add_argument(
        "--seed", type=int, default=1, help="of the first round; each further one has the next"
    )
    parser.add_argument(
        "--scenario",
        action="append",
        choices=list(SCENARIOS),
        default=[],
        help="only this one; may be repeated. Without it all take turns",
    )
    parser.add_argument(
        "--seconds", type=float, default=DEFAULT_SECONDS, help="of faults in one round"
    )
    parser.add_argument("--keep", action="store_true", help="keep logs and data of every round")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="directory of result and data")
    return parser.parse_args(argv)


def _line(finding: Finding) -> str:
    if finding.skipped is not None:
        return f"SKIPPED: {finding.skipped}"
    shown = ", ".join(
        f"{name.replace('_', ' ')} {value}"
        for name, value in finding.facts.items()
        if not isinstance(value, dict)
    )
    times = {"failover": finding.failovers, "failover after a cut": finding.cut_failovers}
    for name, values in times.items():
        if values:
            shown += f", {name} {', '.join(f'{one:.2f}' for one in values)} s"
    return f"{'FAILED' if finding.problems else 'ok'}: {shown}"


def _document(
    findings: Sequence[Finding], options: argparse.Namespace, seconds: float
) -> dict[str, Any]:
    ran = [one for one in findings if one.skipped is None]
    totals = {
        name: sum(int(one.facts.get(name, 0)) for one in ran)
        for name in ("operations", "acknowledged", "lost", "duplicated", "not_linearizable")
    }
    return {
        "rounds": len(ran),
        "skipped": {one.scenario: one.skipped for one in findings if one.skipped is not None},
        "failed": sum(bool(one.problems) for one in ran),
        "seed": options.seed,
        "seconds": round(seconds, 1),
        **totals,
        "failover_seconds": _spread([value for one in ran for value in one.failovers]),
        "cut_failover_seconds": _spread([value for one in ran for value in one.cut_failovers]),
        "findings": [one.document for one in findings],
    }


def _spread(seconds: Sequence[float]) -> dict[str, Any]:
    return {
        "count": len(seconds),
        "median": round(statistics.median(seconds), 3) if seconds else None,
        "worst": round(max(seconds), 3) if seconds else None,
    }


def _total(document: dict[str, Any]) -> str:
    failover, cut = document["failover_seconds"], document["cut_failover_seconds"]
    return (
        f"{document['rounds']} rounds in {document['seconds']:.0f} s, {document['failed']} failed, "
        f"{len(document['skipped'])} skipped: {document['acknowledged']} reports acknowledged, "
        f"{document['lost']} lost, {document['duplicated']} duplicated, "
        f"{document['not_linearizable']} not linearizable; "
        f"failover median {failover['median']} s, worst {failover['worst']} s of {failover['count']}; "
        f"after a cut median {cut['median']} s, worst {cut['worst']} s of {cut['count']}"
    )


if __name__ == "__main__":
    if not private_network.inside() and private_network.why_not() is None:
        private_network.enter("tests.chaos", sys.argv[1:])
    sys.exit(main())
