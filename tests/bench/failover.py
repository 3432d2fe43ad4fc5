"""The leader is killed while reports flow: seconds until the next one is acknowledged, over and over."""

import os
import signal
import statistics
import time
from collections.abc import Callable

from tests.bench.child import Child
from tests.bench.figures import Figure, Result
from tests.bench.network_facts import facts_document
from tests.bench.plan import AIM_FAILOVER_SECONDS, Plan
from tests.bench.subject import Network

SECTION = "failover on SIGKILL of the leader"
_ROUND_SECONDS = 60.0
_HEALTHY_SECONDS = 30.0

Say = Callable[[str], None]


def measure(result: Result, network: Network, plan: Plan, say: Say) -> None:
    """Kill so many leaders, one after the other, each once the last one is back and well."""
    times = []
    for number in range(1, plan.failovers + 1):
        times.append(_round(network))
        say(f"  {number} of {plan.failovers}: {times[-1]:.3f} s")
    result.details[SECTION] = {"seconds": times}
    for name, value in (("median", statistics.median(times)), ("worst", max(times))):
        result.figures.append(
            Figure(
                section=SECTION,
                name=f"to the next acknowledged report, {name}",
                value=value,
                unit="s",
                more_is_better=False,
                aim=AIM_FAILOVER_SECONDS if name == "median" else None,
                note=f"of {len(times)}; reported through the survivors, the election included"
                if name == "median"
                else "",
            )
        )


def _round(network: Network) -> float:
    leader, survivors = network.validators()
    validators = network.session.network.parameters.validators
    name = next(str(one.id) for one in validators if one.grpc_endpoint == leader)
    task = facts_document(network.session) | {
        "matcher_key": network.environment["MATCHER_PRIVATE_KEY"],
        "leader": leader,
        "survivors": survivors,
    }
    log = network.session.home.logs / "bench-failover.log"
    with Child("failover", task, log=log) as child:
        event = child.read(timeout_seconds=_ROUND_SECONDS)
        if event.get("event") != "flowing":
            raise RuntimeError(f"reports do not flow: {event}")
        # The clock of the machine: the same in both processes.
        killed_at = time.monotonic()
        os.kill(network.processes[name].pid, signal.SIGKILL)
        child.send({"killed_at": killed_at})
        seconds = float(child.result(timeout_seconds=_ROUND_SECONDS)["seconds"])
    network.restart(name, timeout_seconds=_HEALTHY_SECONDS)
    return seconds
