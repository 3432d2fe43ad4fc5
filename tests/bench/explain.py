"""How long the whole story of an intent takes among very many, and a page of them; and `subnetctl`'s own start.

The processor time of an answer is given too: unlike its duration it does not depend on what else the machine does.
"""

import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psutil
from tests.bench.child import ROOT, Child, run_child
from tests.bench.figures import Figure, Result, Spread
from tests.bench.plan import AIM_STORY_SECONDS, Plan

SECTION = "explain"
_FILL_SECONDS = 480.0
_ASK_SECONDS = 240.0
_STARTS = 3
_COMMAND = ("-m", "pinai_subnet", "subnetctl", "intent", "explain", "--help")

Say = Callable[[str], None]


def measure(result: Result, plan: Plan, directory: Path, say: Say) -> None:
    """Fill and serve in one process, ask from another."""
    logs, data = directory / "logs", directory / "data"
    data.mkdir(parents=True)
    task = {
        "directory": str(data),
        "intents": plan.story_intents,
        "asked": plan.stories,
    }
    details: dict[str, Any] = {}
    with Child("story-members", task, log=logs / "bench-story-members.log") as members:
        served = _filled(members, say)
        process = psutil.Process(members.pid)
        for do in ("stories", "pages"):
            before = _processor_seconds(process)
            say(f"  {plan.stories} {do}")
            found = run_child(
                "stories",
                {**served, "do": do, "intents": plan.story_intents},
                log=logs / "bench-stories.log",
                timeout_seconds=_ASK_SECONDS,
            )
            details[do] = {**found, "members_seconds": _processor_seconds(process) - before}
    section = f"{SECTION}: {plan.story_intents} settled intents"
    for do, name in (("stories", "story"), ("pages", "page of 50 intents")):
        result.figures += _figures(section, name, details[do])
    result.figures.append(_start(section))
    result.details[SECTION] = details


def _filled(members: Child, say: Say) -> Mapping[str, Any]:
    """Return where everybody answers, as soon as everything is stored."""
    deadline = time.monotonic() + _FILL_SECONDS
    while "matcher" not in (told := members.read(timeout_seconds=deadline - time.monotonic())):
        if told["intents"] % 20_000 == 0:
            say(f"  {told['intents']} intents stored")
    return told


def _processor_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _figures(section: str, name: str, found: Mapping[str, Any]) -> list[Figure]:
    spread = Spread.of(found["samples"])
    own = found["own_seconds"] / spread.count * 1000
    members = found["members_seconds"] / spread.count * 1000
    return [
        Figure(
            section=section,
            name=f"{name}, p99",
            value=spread.p99 * 1000,
            unit="ms",
            more_is_better=False,
            aim=AIM_STORY_SECONDS * 1000,
            note=f"p50 {spread.p50 * 1000:.1f} ms, slowest {spread.highest * 1000:.1f} ms of {spread.count}",
        ),
        Figure(
            section=section,
            name=f"{name}, processor time",
            value=own + members,
            unit="ms",
            more_is_better=False,
            note=f"{own:.1f} ms of who asks, {members:.1f} ms of all who answer",
        ),
    ]


def _start(section: str) -> Figure:
    """Measure what every command pays before it asks anybody."""
    samples = []
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for _ in range(_STARTS):
        begun = time.perf_counter()
        subprocess.run(
            [sys.executable, *_COMMAND],
            cwd=ROOT,
            env={**os.environ, "COLUMNS": "100"},
            check=True,
            stdout=subprocess.DEVNULL,
        )
        samples.append(time.perf_counter() - begun)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    worked = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Figure(
        section=section,
        name="start of subnetctl, before the answer",
        value=statistics.median(samples),
        unit="s",
        more_is_better=False,
        note=f"from source; {worked / _STARTS:.2f} s of processor time",
    )
