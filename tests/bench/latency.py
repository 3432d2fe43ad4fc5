"""Section 3: from the close of the bid window to settlement, at a rate that queues nothing."""

import time
from collections.abc import Callable
from typing import Any

from tests.bench import ceilings
from tests.bench.figures import Bound, Figure, Result, Spread
from tests.bench.plan import AIM_P50_SECONDS, AIM_P99_SECONDS, Plan
from tests.bench.subject import Network

from pinai_subnet.cli.canary import submit, wait_ended
from pinai_subnet.cli.requester import Order, deadline_in

SECTION = "latency, bid window close to settled"
SEQUENTIAL_FSYNCS = 8
"""On the shortest path, none of them beside another: the assignment, the report, verdicts, seal, own signature and the
signatures' entry in the replicated log of a majority; settlement at RootLayer; its answer in the log is not waited for,
the agent's journal is."""
SEQUENTIAL_CALLS = 12
"""Messages there and back on the same path: assignment to validators, task to agent, its answer, report, five entries
replicated, signatures handed to the leader, settlement."""

_DEADLINE_SECONDS = 60
_BUDGET = 10**15

Say = Callable[[str], None]


def measure(result: Result, network: Network, plan: Plan, say: Say) -> None:
    """Submit intents at a steady rate, read their stories, add the spread."""
    ids = []
    begun = time.monotonic()
    for number in range(plan.latency_intents):
        time.sleep(max(0.0, begun + number / plan.latency_per_second - time.monotonic()))
        order = Order(
            intent_type="echo",
            payload=b"benchmark",
            budget=_BUDGET,
            deadline=deadline_in(_DEADLINE_SECONDS),
        )
        ids.append(submit(network.session, order))
        if number % 20 == 19:
            say(f"  {number + 1} of {plan.latency_intents} submitted")
    ends: dict[str, int] = {}
    for intent_id in ids:
        status = wait_ended(network.session, intent_id, timeout_seconds=_DEADLINE_SECONDS + 20)
        ends[status] = ends.get(status, 0) + 1
    stories = [story for intent_id in ids if (story := _story(network, intent_id))]
    if not stories:
        raise RuntimeError(f"no intent was completed: {ends}; see {network.session.home.logs}")
    _add(result, stories, ends, plan)


def _story(network: Network, intent_id: str) -> dict[str, Any] | None:
    """Return the moments of one intent in unix milliseconds; None unless it was completed."""
    history = network.session.rootlayer.get(f"/api/v1/intents/{intent_id}/history")["history"]
    completed = [h["atMs"] for h in history if h["newStatus"].endswith("COMPLETED")]
    matching = network.session.matcher.get(f"/api/v1/intents/{intent_id}")
    windows = [window for window in matching["windows"] if window["closed_at_ms"]]
    if not completed or not windows:
        return None
    return {
        "intent_id": intent_id,
        "submitted_ms": history[0]["atMs"],
        "opened_ms": windows[-1]["opened_at_ms"],
        "closed_ms": windows[-1]["closed_at_ms"],
        "settled_ms": completed[0],
        "early": windows[-1]["early"],
    }


def _add(result: Result, stories: list[dict[str, Any]], ends: dict[str, int], plan: Plan) -> None:
    spread = Spread.of([(s["settled_ms"] - s["closed_ms"]) / 1000 for s in stories])
    total = Spread.of([(s["settled_ms"] - s["submitted_ms"]) / 1000 for s in stories])
    bound = _floor(result)
    early = sum(bool(story["early"]) for story in stories)
    notes = {
        "p50": f"{spread.count} intents at {plan.latency_per_second:g}/s, {early} closed early",
        "p99": f"ends: {', '.join(f'{n} {status}' for status, n in ends.items())}",
        "max": "",
    }
    for name, value, aim in (
        ("p50", spread.p50, AIM_P50_SECONDS),
        ("p99", spread.p99, AIM_P99_SECONDS),
        ("max", spread.highest, None),
    ):
        result.figures.append(
            Figure(
                section=SECTION,
                name=name,
                value=value,
                unit="s",
                more_is_better=False,
                aim=aim,
                bound=bound,
                note=notes[name],
            )
        )
    for name, value in (
        ("submitted to settled, p50", total.p50),
        ("submitted to settled, p99", total.p99),
    ):
        result.figures.append(
            Figure(section=SECTION, name=name, value=value, unit="s", more_is_better=False)
        )
    result.details[SECTION] = {"ends": ends, "intents": stories}


def _floor(result: Result) -> Bound | None:
    fsyncs = result.find(ceilings.SECTION, ceilings.FSYNC)
    call = result.find(ceilings.SECTION, ceilings.ECHO_LATENCY)
    if not fsyncs or not call:
        return None
    return Bound(
        name=f"{SEQUENTIAL_FSYNCS} fdatasync and {SEQUENTIAL_CALLS} echo in a row",
        value=SEQUENTIAL_FSYNCS / fsyncs + SEQUENTIAL_CALLS * call / 1000,
    )
