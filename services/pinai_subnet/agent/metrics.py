"""What an agent counts."""

from pinai_subnet.runtime.metrics import Metrics

_BIDS = ("accepted", "refused", "failed", "dropped", "no_room")
_TASKS = ("accepted", "declined", "success", "failed", "partial")
_ANSWERS = ("accepted", "duplicate", "rejected", "failed")
_STREAMS = ("intents", "tasks")


class AgentMetrics:
    """Bids, tasks and reports by outcome; tasks held; reports without a receipt."""

    def __init__(self, metrics: Metrics) -> None:
        """Create the metrics in a process's registry."""
        self._bids = metrics.counter(
            "bids", "Bids by outcome.", labels=["outcome"], values={"outcome": _BIDS}
        )
        self._tasks = metrics.counter(
            "tasks", "Tasks by outcome.", labels=["outcome"], values={"outcome": _TASKS}
        )
        self._reports = metrics.counter(
            "reports", "Report attempts by answer.", labels=["answer"], values={"answer": _ANSWERS}
        )
        self._waiting = metrics.gauge("bids_waiting", "count", "Bids on their way to the matcher.")
        self._held = metrics.gauge("tasks_held", "count", "Tasks running or waiting for a place.")
        self._outbox = metrics.gauge("outbox", "count", "Reports without a receipt.")
        self._reconnects = metrics.counter(
            "stream_reconnects",
            "Streams opened again.",
            labels=["stream"],
            values={"stream": _STREAMS},
        )

    def bid(self, outcome: str, count: int) -> None:
        """Count bids: accepted, refused, failed, dropped or no_room."""
        self._bids.add(count, outcome=outcome)

    def task(self, outcome: str) -> None:
        """Count a task: accepted, declined, success, failed or partial."""
        self._tasks.add(outcome=outcome)

    def report(self, answer: str, count: int) -> None:
        """Count attempts to report: a receipt's status, or failed."""
        self._reports.add(count, answer=answer)

    def held(self, count: int) -> None:
        """Publish how many tasks are running or waiting."""
        self._held.set(count)

    def waiting(self, count: int) -> None:
        """Publish how many bids wait to be sent."""
        self._waiting.set(count)

    def outbox(self, count: int) -> None:
        """Publish how many reports wait for a receipt."""
        self._outbox.set(count)

    def reconnect(self, stream: str) -> None:
        """Count one more opening of a stream."""
        self._reconnects.add(stream=stream.partition("_")[0])
