"""Section 2: from nothing to a network that has proven itself with one settled intent; memory at that moment."""

import time
from collections.abc import Callable

from tests.bench import ceilings
from tests.bench.figures import Bound, Figure, Result
from tests.bench.plan import AIM_READY_SECONDS, AIM_RSS_MB
from tests.bench.processes import Sample
from tests.bench.subject import Network

from pinai_subnet.cli.canary import prove_ready

SECTION = "start to ready"
MEMORY = "memory"

Say = Callable[[str], None]


def measure(result: Result, network: Network, cores: int, say: Say) -> None:
    """Start the network and add how long that took and what it occupies."""
    begun = time.monotonic()
    ready_after: dict[str, float] = {}

    def heard(line: str) -> None:
        words = line.split()
        if "ready" in words:
            ready_after[words[0]] = time.monotonic() - begun
        say(line)

    network.start(heard)
    ready = time.monotonic() - begun
    proof = prove_ready(network.session, say)
    settled = time.monotonic() - begun
    floor = _start_floor(result, len(network.processes), cores)
    slowest = max(ready_after, key=lambda name: ready_after[name]) if ready_after else ""
    result.figures += [
        Figure(
            section=SECTION,
            name="every member answers ready",
            value=ready,
            unit="s",
            more_is_better=False,
            aim=AIM_READY_SECONDS,
            bound=floor,
            note=f"{len(network.processes)} processes, last: {slowest}",
        ),
        Figure(
            section=SECTION,
            name="first intent settled",
            value=settled,
            unit="s",
            more_is_better=False,
            bound=floor,
            note=f"canary took {proof.seconds:.2f} s",
        ),
    ]
    result.details[SECTION] = {"ready_after_seconds": ready_after, "canary_seconds": proof.seconds}
    memory(result, network, "at ready")


def memory(result: Result, network: Network, moment: str) -> None:
    """Add the RSS of every process."""
    bare = result.find(ceilings.SECTION, ceilings.BARE_RSS)
    bound = Bound(name="bare grpc.aio server", value=bare) if bare else None
    for name, usage in Sample.take(network.pids).usage.items():
        result.figures.append(
            Figure(
                section=f"{MEMORY} {moment}",
                name=name,
                value=usage.rss_mb,
                unit="MB",
                more_is_better=False,
                aim=AIM_RSS_MB,
                bound=bound,
            )
        )


def _start_floor(result: Result, processes: int, cores: int) -> Bound | None:
    bare = result.find(ceilings.SECTION, ceilings.BARE_START)
    if bare is None:
        return None
    return Bound(
        name=f"{processes} bare grpc.aio servers on {cores} cores", value=bare * processes / cores
    )
