"""The whole network under a steady load for long enough to reach every bound: memory must level off."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml
from tests.bench.child import run_child
from tests.bench.figures import Figure, Result
from tests.bench.network_facts import facts_document
from tests.bench.plan import Plan
from tests.bench.processes import Sample
from tests.bench.subject import Network, network

SECTION = "memory under load, with lowered bounds"
LIMITS = {
    "max_ended": 300,
    "retained_epochs": 50,
    "max_sealed_intents": 800,
    "max_request_ids": 128,
    "max_kept_replies": 512,
}
"""A thirtieth of the product's, so that all are reached within a thousand intents."""
_COMPACT_AFTER = 1_000
_DEADLINE_SECONDS = 15
_EVERY_SECONDS = 2
_CHILD_SECONDS = 120.0

Say = Callable[[str], None]
Curve = list[tuple[int, dict[str, float]]]
"""Intents that ended, and every process's memory in MB then."""


def measure(result: Result, plan: Plan, directory: Path, say: Say) -> None:
    """Start a network of its own, load it, add each process's memory at the quarters of the run."""
    script = str(Path(__file__).with_name("limited.py"))
    with network(directory, validators=plan.validators, agents=plan.agents) as subject:
        _compact_often(directory / "config" / "validator.yaml")
        subject.start(say)
        for name in [name for name in subject.processes if name.startswith("validator-")]:
            subject.wrap(name, (script, json.dumps(LIMITS)))
        curve = _load(subject, plan, say)
    _add(result, curve)
    result.details[SECTION] = {
        "limits": LIMITS,
        "curve": [{"intents": intents, "rss_mb": rss} for intents, rss in curve],
    }


def _compact_often(path: Path) -> None:
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    document["replication"] |= {"compact_after_entries": _COMPACT_AFTER, "keep_entries": 100}
    path.write_text(yaml.safe_dump(document), encoding="utf-8")


def _load(subject: Network, plan: Plan, say: Say) -> Curve:
    curve: Curve = []

    def heard(event: Mapping[str, Any]) -> None:
        if event["event"] == "second" and event["second"] % _EVERY_SECONDS == 0:
            usage = Sample.take(subject.pids).usage
            curve.append((event["ended"], {name: one.rss_mb for name, one in usage.items()}))
            if event["second"] % 10 == 0:
                highest = max(usage, key=lambda name: usage[name].rss_mb)
                say(f"  {event['ended']} ended; most: {highest} {usage[highest].rss_mb:.0f} MB")

    seconds = plan.levelling_seconds
    found = run_child(
        "intents",
        facts_document(subject.session)
        | {
            "requester_key": subject.environment["TEST_PRIVATE_KEY"],
            "intent_type": "echo",
            "offered_per_second": plan.levelling_per_second,
            "max_open": plan.max_open,
            "warm_up_seconds": 0.0,
            "seconds": seconds,
            "deadline_seconds": _DEADLINE_SECONDS,
        },
        log=subject.session.home.logs / "bench-levelling.log",
        timeout_seconds=seconds + _CHILD_SECONDS,
        on_event=heard,
    )
    if found["failures"]:
        say(f"  not completed: {found['failures']}")
    return curve


def _add(result: Result, curve: Curve) -> None:
    quarters = [curve[max(0, len(curve) * part // 4 - 1)] for part in (1, 2, 3, 4)]
    half_intents = quarters[3][0] - quarters[1][0]
    for name in quarters[3][1]:
        memory = [rss[name] for _, rss in quarters]
        growth = (memory[3] - memory[1]) * 1000 / half_intents if half_intents else 0.0
        result.figures.append(
            Figure(
                section=SECTION,
                name=name,
                value=memory[3],
                unit="MB",
                more_is_better=False,
                note=", ".join(
                    f"{rss[name]:.0f} MB after {intents}" for intents, rss in quarters[:3]
                )
                + f"; second half of the run: {growth:+.1f} KB per intent",
            )
        )
