"""What the matcher counts and measures. Names follow `subnet_matcher_<what>_<unit>`; labels are bounded."""

from pinai_subnet.matcher.admission import Answer
from pinai_subnet.matcher.case import Case, Round
from pinai_subnet.matcher.window import Phase, Window
from pinai_subnet.runtime.metrics import Metrics
from pinai_subnet.wire.catalogue import CATALOGUE

_QUICK = (0.0001, 0.0005, 0.001, 0.005, 0.025, 0.1, 0.5)


class MatcherMetrics:
    """The matcher's own metrics."""

    def __init__(self, metrics: Metrics) -> None:
        """Register them with the process's registry."""
        self.intents = metrics.counter("intents", "Intents taken from RootLayer.")
        self.deferred = metrics.counter(
            "intents_deferred",
            "Intents left at RootLayer because too many are in memory, each time they are offered.",
        )
        self.phases = metrics.counter(
            "intent_phases",
            "Intents that came into a phase; again after an assignment failed.",
            labels=("phase",),
            values={"phase": {phase.value for phase in Phase}},
        )
        self.ended = metrics.counter(
            "intents_ended",
            "Intents ended, by code; `completed` is success.",
            labels=("code",),
            values={"code": {*CATALOGUE, "completed"}},
        )
        self._add_bids(metrics)
        self.windows = metrics.counter(
            "windows_closed",
            "Windows closed, by how.",
            labels=("how",),
            values={"how": ("early", "time")},
        )
        self.attempts = metrics.counter("assignments", "Assignments made.")
        self.failed = metrics.counter(
            "assignments_failed",
            "Assignments failed, by code.",
            labels=("code",),
            values={"code": CATALOGUE},
        )
        self.resyncs = metrics.counter("stream_resyncs", "Listeners that fell behind.")
        self._add_canaries(metrics)
        self.open = metrics.gauge("intents_in_memory", "count", "Intents in memory.")
        self.streams = metrics.gauge(
            "streams",
            "count",
            "Open streams; each agent that can be given work has one for tasks.",
            labels=("kind",),
            values={"kind": ("intents", "tasks")},
        )
        self.root_layer = metrics.gauge(
            "rootlayer_connected", "bool", "1 while RootLayer lists its intents."
        )
        self.validators = metrics.gauge(
            "validators_connected", "bool", "1 while the validators take assignments."
        )
        self.outbox = metrics.gauge("outbox", "count", "Assignments RootLayer has not answered.")
        self.recording = metrics.gauge("recording", "count", "Assignments validators must take.")
        self._add_times(metrics)

    def _add_bids(self, metrics: Metrics) -> None:
        self.bids = metrics.counter(
            "bids",
            "Bids answered, by result.",
            labels=("result",),
            values={"result": {*(answer.value for answer in Answer), "refused"}},
        )
        self.refused = metrics.counter(
            "bids_refused", "Bids refused, by code.", labels=("code",), values={"code": CATALOGUE}
        )
        self.declines = metrics.counter("declines", "Agents' words that they do not bid.")
        self.silent = metrics.gauge(
            "silent_agents",
            "count",
            "Agents that could have bid in many windows in a row and never answered.",
        )

    def _add_canaries(self, metrics: Metrics) -> None:
        self.canaries = metrics.counter(
            "canaries",
            "Canary intents ended, by result.",
            labels=("result",),
            values={"result": ("finalised", "failed")},
        )
        self.canary_ok = metrics.gauge(
            "canary_ok", "bool", "1 while the last canary intent was finalised in time."
        )
        self.canary_seconds = metrics.histogram(
            "canary_to_final", "seconds", "From sending a canary intent to its final batch."
        )

    def _add_times(self, metrics: Metrics) -> None:
        self.window = metrics.histogram("window", "seconds", "How long windows were open.")
        self.auction = metrics.histogram(
            "auction", "seconds", "How long the ranking of a window's bids took.", buckets=_QUICK
        )
        self.close_to_task = metrics.histogram(
            "close_to_task", "seconds", "From the window's close to the task."
        )
        self.task_to_report = metrics.histogram(
            "task_to_report", "seconds", "From the task to the report."
        )
        self.close_to_settled = metrics.histogram(
            "close_to_settled", "seconds", "From the window's close to settlement."
        )

    def opened(self, case: Case) -> None:
        """An intent was taken. Canaries are nobody's, here and below."""
        self.intents.add(not case.canary)
        self.phases.add(not case.canary, phase=case.window.phase.value)

    def moved(self, case: Case, after: Window) -> None:
        """An intent is in another phase, or in the same."""
        if after.phase is not case.window.phase:
            self.phases.add(not case.canary, phase=after.phase.value)

    def window_closed(self, case: Case, ended: Round) -> None:
        """A window takes no more bids."""
        self.windows.add(not case.canary, how="early" if ended.early else "time")
        if not case.canary:
            self.window.observe(max(0, ended.closed_at_ms - ended.opened_at_ms) / 1000)

    def bid_refused(self, code: str) -> None:
        """A bid was answered with no."""
        self.bids.add(result="refused")
        self.refused.add(code=code)

    def completed(self, case: Case, seconds: float) -> None:
        """An intent is settled, so long after its window closed."""
        self.ended.add(not case.canary, code="completed")
        if not case.canary:
            self.close_to_settled.observe(seconds)
