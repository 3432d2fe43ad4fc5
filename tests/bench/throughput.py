"""Section 5: finalised intents per second, sustained; memory after it and the processor seconds of every process."""

from collections.abc import Callable, Mapping
from typing import Any

from tests.bench import ceilings
from tests.bench.child import run_child
from tests.bench.figures import Bound, Figure, Result, Spread
from tests.bench.network_facts import facts_document
from tests.bench.plan import AIM_INTENTS_PER_SECOND, Plan
from tests.bench.processes import Sample
from tests.bench.start import memory
from tests.bench.subject import Network

SECTION = "throughput, finalised intents"
CPU = "processor time during throughput"
CLIENT = "the client of this benchmark"
RECOVERIES_PER_INTENT = 14
"""Signature recoveries nobody can leave out: the intent at RootLayer and at the matcher (2), the bids of five agents
(counted as one, they travel in batches), the assignment and its record at each of three validators (6), the assignment
at RootLayer (1), the agent's headers on answer and report (2), room for the signed batches (2)."""
SIGNATURES_PER_INTENT = 5
"""Assignment and record by the matcher, the agents' headers on bid, answer and report."""
_CHILD_SECONDS = 120.0

Say = Callable[[str], None]


def measure(result: Result, network: Network, plan: Plan, cores: int, say: Say) -> None:
    """Run the load in its own process and add rates, latencies, memory and processor time."""
    samples: dict[str, Sample] = {}

    def heard(event: Mapping[str, Any]) -> None:
        if event["event"] in {"measuring", "measured"}:
            samples[event["event"]] = Sample.take(network.pids | {CLIENT: event["pid"]})
        elif event["second"] % 5 == 0:
            say(f"  {event['second']} s: {event['ended']} ended, {event['open']} open")

    task = facts_document(network.session) | {
        "requester_key": network.environment["TEST_PRIVATE_KEY"],
        "intent_type": "echo",
        "offered_per_second": plan.offered_per_second,
        "max_open": plan.max_open,
        "warm_up_seconds": plan.warm_up_seconds,
        "seconds": plan.throughput_seconds,
    }
    found = run_child(
        "intents",
        task,
        log=network.session.home.logs / "bench-intents.log",
        timeout_seconds=plan.throughput_seconds + plan.warm_up_seconds + _CHILD_SECONDS,
        on_event=heard,
    )
    _add_rates(result, found, plan, cores)
    memory(result, network, "after throughput")
    _add_processor(result, samples, found, cores)
    result.details[SECTION] = {k: v for k, v in found.items() if k != "latencies"}


def _add_rates(result: Result, found: Mapping[str, Any], plan: Plan, cores: int) -> None:
    achieved = found["completed_inside"] / found["seconds"]
    failures = sum(found["failures"].values())
    worst = min(found["per_second"], default=0)
    result.figures += [
        Figure(
            section=SECTION,
            name="achieved",
            value=achieved,
            unit="/s",
            aim=AIM_INTENTS_PER_SECOND,
            bound=_ceiling(result, cores),
            note=f"over {found['seconds']:g} s, worst second {worst}",
        ),
        Figure(
            section=SECTION,
            name="offered",
            value=plan.offered_per_second,
            unit="/s",
            note=f"at most {plan.max_open} open; {found['held_back']} held back at the end",
        ),
        Figure(
            section=SECTION,
            name="failures",
            value=failures,
            unit="intents",
            more_is_better=False,
            note="; ".join(f"{n} {why}" for why, n in found["failures"].items())
            or f"{found['completed']} of {found['submitted']} completed",
        ),
    ]
    if not found["latencies"]:
        return
    spread = Spread.of(found["latencies"])
    for name, value in (("p50", spread.p50), ("p99", spread.p99), ("max", spread.highest)):
        result.figures.append(
            Figure(
                section=SECTION,
                name=f"submitted to settled, {name}",
                value=value,
                unit="s",
                more_is_better=False,
                note="at this load, bid window included" if name == "p50" else "",
            )
        )


def _ceiling(result: Result, cores: int) -> Bound | None:
    recover = result.find(ceilings.SECTION, ceilings.RECOVER)
    sign = result.find(ceilings.SECTION, ceilings.SIGN)
    if not recover or not sign:
        return None
    seconds = RECOVERIES_PER_INTENT / recover + SIGNATURES_PER_INTENT / sign
    return Bound(
        name=f"{RECOVERIES_PER_INTENT} recover and {SIGNATURES_PER_INTENT} sign on {cores} cores",
        value=cores / seconds,
    )


def _add_processor(
    result: Result, samples: Mapping[str, Sample], found: Mapping[str, Any], cores: int
) -> None:
    if "measuring" not in samples or "measured" not in samples:
        return
    before, after = samples["measuring"], samples["measured"]
    used = after.cpu_since(before)
    intents = found["completed_inside"]
    for name, seconds in sorted(used.items(), key=lambda pair: -pair[1]):
        per_intent = f"{seconds * 1000 / intents:.2f} ms per intent" if intents else ""
        result.figures.append(
            Figure(
                section=CPU,
                name=name,
                value=seconds,
                unit="s",
                more_is_better=False,
                bound=Bound(name="one core", value=found["seconds"]),
                note=per_intent,
            )
        )
    total = sum(seconds for name, seconds in used.items() if name != CLIENT)
    others = after.busy_since(before) - sum(used.values()) / (found["seconds"] * cores)
    result.figures.append(
        Figure(
            section=CPU,
            name="all of the network",
            value=total,
            unit="s",
            more_is_better=False,
            bound=Bound(name=f"{cores} cores", value=found["seconds"] * cores),
            note=(f"{total * 1000 / intents:.2f} ms per intent; " if intents else "")
            + f"machine {after.busy_since(before):.0%} busy, {max(0.0, others):.0%} with other work",
        )
    )
