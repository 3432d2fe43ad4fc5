"""How much is measured: the full run, or a quick one that only shows that everything still works."""

from dataclasses import dataclass

SECTIONS = (
    "ceilings",
    "consensus",
    "catch-up",
    "snapshot",
    "explain",
    "levelling",
    "start",
    "latency",
    "throughput",
    "failover",
    "intake",
)
ALONE = ("ceilings", "consensus", "catch-up", "snapshot", "explain", "levelling")
"""Sections that do without the common network."""
"""In the order in which they run. Memory and processor time belong to start and throughput."""

AIM_READY_SECONDS = 10.0
AIM_P50_SECONDS = 0.5
AIM_P99_SECONDS = 2.0
AIM_INTENTS_PER_SECOND = 300.0
AIM_RSS_MB = 100.0
AIM_FAILOVER_SECONDS = 1.0
AIM_SNAPSHOT_SAVED_SECONDS = 5.0
AIM_SNAPSHOT_RESTORED_SECONDS = 20.0
AIM_STORY_SECONDS = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Sizes of one run."""

    validators: int = 3
    agents: int = 5
    ceiling_seconds: float
    """Of each ceiling's measurement."""
    latency_intents: int
    latency_per_second: float
    throughput_seconds: float
    warm_up_seconds: float
    max_open: int
    """Intents that are open at once in the throughput section: below what the agents' backlogs hold."""
    offered_per_second: float
    reports: int
    """Per unary measurement; batches get as many as well."""
    report_seconds: float
    """Longest a measurement of reports lasts."""
    consensus_seconds: float
    """Of each load on the replicated log."""
    catch_up_entries: int
    """In the log that a new member receives."""
    catch_up_state_entries: int
    """In the state whose snapshot a new member receives."""
    snapshot_intents: int
    story_intents: int
    """Among which one is explained."""
    stories: int
    failovers: int
    levelling_seconds: float
    levelling_per_second: float


FULL = Plan(
    ceiling_seconds=3.0,
    latency_intents=120,
    latency_per_second=4.0,
    throughput_seconds=30.0,
    warm_up_seconds=4.0,
    max_open=128,
    offered_per_second=450.0,
    reports=2000,
    report_seconds=15.0,
    consensus_seconds=3.0,
    catch_up_entries=20_000,
    catch_up_state_entries=50_000,
    snapshot_intents=100_000,
    story_intents=100_000,
    stories=200,
    failovers=20,
    levelling_seconds=80.0,
    levelling_per_second=50.0,
)
QUICK = Plan(
    ceiling_seconds=0.3,
    latency_intents=8,
    latency_per_second=4.0,
    throughput_seconds=4.0,
    warm_up_seconds=1.0,
    max_open=64,
    offered_per_second=150.0,
    reports=200,
    report_seconds=3.0,
    consensus_seconds=0.4,
    catch_up_entries=500,
    catch_up_state_entries=9_000,
    snapshot_intents=500,
    story_intents=1_000,
    stories=20,
    failovers=1,
    levelling_seconds=6.0,
    levelling_per_second=20.0,
)
