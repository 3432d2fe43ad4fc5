"""A new, empty member joins a group that holds much: how long until it holds everything and has a vote."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.bench.figures import Figure, Result
from tests.bench.group import group
from tests.bench.plan import Plan
from tests.free_ports import free_ports

SECTION = "catch-up of a new member"
_ENTRY_BYTES = 2048
_NEVER = 1 << 40
_REACH_SECONDS = 150.0
FORMS: Mapping[str, Mapping[str, Any]] = {
    "from the log": {"compact_after_entries": _NEVER, "compact_after_bytes": _NEVER},
    "from a snapshot": {"keep_entries": 0, "keep_bytes": 0},
}
"""How the log is kept -> options of the engine; everything else is as in the product."""

Say = Callable[[str], None]


def measure(result: Result, plan: Plan, directory: Path, say: Say) -> None:
    """Measure both ways in which a member can be brought up to date."""
    for form, options in FORMS.items():
        entries = plan.catch_up_entries if form == "from the log" else plan.catch_up_state_entries
        say(f"  {form}: {entries} entries of {_ENTRY_BYTES} B")
        _join(result, directory / form.replace(" ", "-"), form, options, entries)


def _join(
    result: Result, directory: Path, form: str, options: Mapping[str, Any], entries: int
) -> None:
    with group(directory, options=options) as members:
        leader = members.leader()
        term = leader.order(do="status")["term"]
        filled = leader.order(do="fill", entries=entries, size=_ENTRY_BYTES)
        leader = members.leader()
        elections = leader.order(do="status")["term"] - term
        snapshot = directory / f"v{leader.number}" / "snapshot"
        state_mb = snapshot.stat().st_size / 1e6 if snapshot.exists() else 0.0
        number, (port,) = len(members.members), free_ports(1)
        learner = members.start(number, port)
        begun = time.perf_counter()
        index = members.change("add", number=number, port=port)["index"]
        reached = learner.order(do="reach", index=index, seconds=_REACH_SECONDS)
        seconds = time.perf_counter() - begun
        members.change("promote", number=number)
        voting = time.perf_counter() - begun
    megabytes = entries * _ENTRY_BYTES / 1e6
    result.figures += [
        Figure(
            section=SECTION,
            name=f"{form}, {entries} entries of {_ENTRY_BYTES} B: holds everything",
            value=seconds,
            unit="s",
            more_is_better=False,
            note=f"{megabytes / seconds:.0f} MB/s; snapshot {state_mb:.0f} MB;"
            f" the new member occupies {reached['rss_mb']:.0f} MB; a voter after {voting:.2f} s",
        ),
        Figure(
            section=SECTION,
            name=f"{form}: rate",
            value=entries / seconds,
            unit="entries/s",
            note=f"the group itself took them in at {entries / filled['seconds']:.0f}/s,"
            f" with {elections} terms more at the end",
        ),
    ]
