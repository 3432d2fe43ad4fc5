"""What the matcher counts and measures. Names follow `subnet_matcher_<what>_<unit>`; labels are bounded."""

from pinai_subnet.runtime.metrics import Metrics


class MatcherMetrics:
    """The matcher's own metrics."""

    def __init__(self, metrics: Metrics) -> None:
        """Register them with the process's registry."""
        self.intents = metrics.counter("intents", "Intents taken from RootLayer.")
        self.deferred = metrics.counter(
            "intents_deferred",
            "Intents left at RootLayer because too many are in memory, each time they are offered.",
        )
        self.ended = metrics.counter("intents_ended", "Intents ended, by code.", labels=("code",))
        self.bids = metrics.counter("bids", "Bids answered, by result.", labels=("result",))
        self.refused = metrics.counter("bids_refused", "Bids refused, by code.", labels=("code",))
        self.declines = metrics.counter("declines", "Agents' words that they do not bid.")
        self.silent = metrics.gauge(
            "silent_agents",
            "count",
            "Agents that could have bid in many windows in a row and never answered.",
        )
        self.windows = metrics.counter("windows_closed", "Windows closed.", labels=("how",))
        self.attempts = metrics.counter("assignments", "Assignments made.")
        self.failed = metrics.counter(
            "assignments_failed", "Assignments failed, by code.", labels=("code",)
        )
        self.resyncs = metrics.counter("stream_resyncs", "Listeners that fell behind.")
        self.canaries = metrics.counter(
            "canaries", "Canary intents ended, by result.", labels=("result",)
        )
        self.canary_ok = metrics.gauge(
            "canary_ok", "bool", "1 while the last canary intent was finalised in time."
        )
        self.canary_seconds = metrics.histogram(
            "canary_to_final", "seconds", "From sending a canary intent to its final batch."
        )
        self.open = metrics.gauge("intents_in_memory", "count", "Intents in memory.")
        self.streams = metrics.gauge("streams", "count", "Open streams.", labels=("kind",))
        self.outbox = metrics.gauge("outbox", "count", "Assignments RootLayer has not answered.")
        self.recording = metrics.gauge("recording", "count", "Assignments validators must take.")
        self.close_to_task = metrics.histogram(
            "close_to_task", "seconds", "From the window's close to the task."
        )
        self.task_to_report = metrics.histogram(
            "task_to_report", "seconds", "From the task to the report."
        )
        self.close_to_settled = metrics.histogram(
            "close_to_settled", "seconds", "From the window's close to settlement."
        )
