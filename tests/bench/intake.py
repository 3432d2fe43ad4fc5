"""Section 4: accepted reports per second at leader and follower, while verification and settlement go on."""

from collections.abc import Callable, Mapping
from typing import Any

from tests.bench import ceilings
from tests.bench.child import run_child
from tests.bench.figures import Bound, Figure, Result, Spread
from tests.bench.network_facts import facts_document
from tests.bench.plan import Plan
from tests.bench.subject import Network

SECTION = "accepted reports"
BATCH = 100
BATCHES_OUTSTANDING = 4
SHAPES = ((1, 16), (1, 64), (BATCH, BATCHES_OUTSTANDING))
"""Reports per call, calls outstanding."""
_CHILD_SECONDS = 180.0

Say = Callable[[str], None]


def measure(result: Result, network: Network, plan: Plan, say: Say) -> None:
    """Stop matcher and agents, report in their place to leader and follower, add the rates."""
    network.stop([name for name in network.processes if name.startswith(("matcher", "agent-"))])
    details = result.details.setdefault(SECTION, [])
    for role in ("leader", "follower"):
        for per_call, outstanding in SHAPES:
            leader, followers = network.validators()
            target = leader if role == "leader" or not followers else followers[0]
            what = f"batches of {per_call}" if per_call > 1 else "unary"
            say(f"  {role}, {what}, {outstanding} outstanding: preparing {plan.reports}")
            task = facts_document(network.session) | {
                "matcher_key": network.environment["MATCHER_PRIVATE_KEY"],
                "leader": leader,
                "target": target,
                "reports": plan.reports,
                "per_call": per_call,
                "outstanding": outstanding,
                "seconds": plan.report_seconds,
            }
            found = run_child(
                "reports",
                task,
                log=network.session.home.logs / "bench-reports.log",
                timeout_seconds=plan.report_seconds + _CHILD_SECONDS,
            )
            name = f"{role}, {what}, {outstanding} outstanding"
            _add(result, name, found, per_call, outstanding)
            details.append({"name": name} | {k: v for k, v in found.items() if k != "samples"})


def _add(
    result: Result, name: str, found: Mapping[str, Any], per_call: int, outstanding: int
) -> None:
    notes = []
    if found["samples"]:
        spread = Spread.of(found["samples"])
        notes.append(f"receipt p50 {spread.p50 * 1000:.0f} ms, p99 {spread.p99 * 1000:.0f} ms")
    notes.append(f"settled {found['settled'] / found['settled_seconds']:.0f}/s")
    others = {status: n for status, n in found["statuses"].items() if status != "accepted"}
    notes += [f"{n} {status}" for status, n in others.items()]
    result.figures.append(
        Figure(
            section=SECTION,
            name=name,
            value=found["accepted"] / found["seconds"],
            unit="/s",
            bound=_ceiling(result, per_call, outstanding),
            note="; ".join(notes),
        )
    )


def _ceiling(result: Result, per_call: int, outstanding: int) -> Bound | None:
    """A unary report is one call; a batch is one replicated command, which is one write to the disk at least."""
    if per_call == 1:
        name = ceilings.ECHO.format(outstanding)
        echo = result.find(ceilings.SECTION, name)
        return None if echo is None else Bound(name=name, value=echo)
    fsyncs = result.find(ceilings.SECTION, ceilings.FSYNC)
    if fsyncs is None:
        return None
    return Bound(name=f"{per_call} reports per fdatasync", value=per_call * fsyncs)
