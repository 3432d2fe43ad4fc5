"""Section 3: from the close of the bid window to settlement, at a rate that queues nothing."""

import time
from collections.abc import Callable
from typing import Any

import httpx
from tests.bench import ceilings
from tests.bench.figures import Bound, Figure, Result, Spread
from tests.bench.plan import AIM_P50_SECONDS, AIM_P99_SECONDS, Plan
from tests.bench.subject import Network

from pinai_subnet.cli.canary import ENDED
from pinai_subnet.cli.requester import Order, deadline_in, signed_intent

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
_CALL_SECONDS = 10.0
_GRACE_SECONDS = 20.0
_POLL_SECONDS = 0.05

Say = Callable[[str], None]


def measure(result: Result, network: Network, plan: Plan, say: Say) -> None:
    """Submit intents at a steady rate, read their stories, add the spread."""
    # One connection for everything: a new one per call would cost the machine more than the intents do.
    with httpx.Client(timeout=_CALL_SECONDS) as client:
        ids = _submit(client, network, plan, say)
        ends: dict[str, int] = {}
        stories = []
        for intent_id in ids:
            status, story = _story(client, network, intent_id)
            ends[status] = ends.get(status, 0) + 1
            if story:
                stories.append(story)
    if not stories:
        raise RuntimeError(f"no intent was completed: {ends}; see {network.session.home.logs}")
    _add(result, stories, ends, plan)


def _submit(client: httpx.Client, network: Network, plan: Plan, say: Say) -> list[str]:
    session = network.session
    parameters, signer = session.network.parameters, session.requester()
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
        body = signed_intent(
            order, signer=signer, subnet_id=parameters.subnet_id, domain=parameters.domain
        )
        url = f"http://{session.network.endpoints.rootlayer_http}/api/v1/intents/submit"
        client.post(url, json=body).raise_for_status()
        ids.append(str(body["intentId"]))
        if number % 20 == 19:
            say(f"  {number + 1} of {plan.latency_intents} submitted")
    return ids


def _story(
    client: httpx.Client, network: Network, intent_id: str
) -> tuple[str, dict[str, Any] | None]:
    """Wait for the end; return it and, of a completed intent, its moments in unix milliseconds."""
    endpoints = network.session.network.endpoints
    until = time.monotonic() + _DEADLINE_SECONDS + _GRACE_SECONDS
    while True:
        answer = client.get(f"http://{endpoints.rootlayer_http}/api/v1/intents/{intent_id}/history")
        history = answer.raise_for_status().json()["history"]
        status = str(history[-1]["newStatus"]).removeprefix("INTENT_STATUS_") if history else "NONE"
        if status in ENDED or time.monotonic() > until:
            break
        time.sleep(_POLL_SECONDS)
    answer = client.get(f"http://{endpoints.matcher_http}/api/v1/intents/{intent_id}")
    windows = [w for w in answer.raise_for_status().json()["windows"] if w["closed_at_ms"]]
    if status != "COMPLETED" or not windows:
        return status, None
    return status, {
        "intent_id": intent_id,
        "submitted_ms": history[0]["atMs"],
        "opened_ms": windows[-1]["opened_at_ms"],
        "closed_ms": windows[-1]["closed_at_ms"],
        "settled_ms": history[-1]["atMs"],
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
