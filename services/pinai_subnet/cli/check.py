"""`subnetctl check` and `subnetctl doctor`: everything that can be checked, in one pass, and what can be put right.

First what needs no network; only when the configuration is right, the others are asked.
"""

import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from pinai_subnet.cli.home import Home
from pinai_subnet.cli.host_checks import configuration_checks, host_checks
from pinai_subnet.cli.mending import mend, undo, wanted_mends
from pinai_subnet.cli.network_checks import network_checks, skipped
from pinai_subnet.cli.screen import Screen
from pinai_subnet.cli.session import HOME, HomeOption, JsonOption, open_session
from pinai_subnet.insight.checks import Check, document, failed, score
from pinai_subnet.runtime.errors import EXIT_CONFIG
from pinai_subnet.runtime.files import write_private

ReportOption = Annotated[
    Path | None, typer.Option("--report", help="write the report here (default: HOME/logs)")
]
_COLUMNS = ("category", "test", "verdict", "measured", "suggestion", "code")


def check(
    home: HomeOption = HOME, report: ReportOption = None, as_json: JsonOption = False
) -> None:
    """Check configuration, keys, host, RootLayer and peers, all at once; exit status 78 if something fails."""
    _report(Home(home), report, Screen(as_json=as_json))


def doctor(
    home: HomeOption = HOME,
    fix: Annotated[
        bool, typer.Option("--fix", help="put right what is safe: modes, directories, stale notes")
    ] = False,
    take_back: Annotated[
        bool, typer.Option("--undo", help="take back what --fix did last")
    ] = False,
    report: ReportOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check everything; with --fix put right first what can be put right without a question."""
    if fix and take_back:
        raise typer.BadParameter("--fix or --undo, not both")
    place, screen = Home(home), Screen(as_json=as_json)
    place.require()
    if take_back:
        for step in reversed(undo(place)):
            screen.say(f"taken back: {step.words} {step.path}")
    if fix and (steps := wanted_mends(place)):
        mend(place, steps)
        for step in steps:
            screen.say(f"fixed: {step.words} {step.path} ({step.reason})")
    _report(place, report, screen)


def all_checks(home: Home) -> list[Check]:
    """Return every line: local first, the network only where the configuration is right."""
    home.require()
    configuration = configuration_checks(home)
    configured = not failed(configuration)
    found = [*configuration, *host_checks(home, configured=configured)]
    if not configured:
        return [*found, skipped("the configuration has to be right first")]
    return [*found, *network_checks(open_session(home.root))]


def _report(home: Home, report: Path | None, screen: Screen) -> None:
    found = all_checks(home)
    told = document(found, at_ms=int(time.time() * 1000))
    written = _written(home, report, told)
    if screen.as_json:
        screen.result(told, "")
    else:
        rows = [{name: str(getattr(line, name)) for name in _COLUMNS} for line in found]
        screen.table(rows, _COLUMNS, empty="nothing was checked")
        screen.result({}, _summary(found, written))
    if failed(found):
        raise typer.Exit(EXIT_CONFIG)


def _summary(found: Sequence[Check], written: Path | None) -> str:
    failures = sum(line.verdict.value == "FAIL" for line in found)
    words = f"score: {score(found)} ({failures} failures)"
    return words if written is None else f"{words}   report: {written}"


def _written(home: Home, report: Path | None, told: dict[str, object]) -> Path | None:
    """Write the report where it was asked for, else beside the logs where there is such a directory."""
    if report is None:
        if not home.logs.is_dir():
            return None
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
        report = home.logs / f"check-{stamp}.json"
    write_private(report, json.dumps(told, indent=2).encode())
    return report
