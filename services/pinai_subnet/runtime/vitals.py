"""What every process measures of itself: build, health, queues, fsync, calls, spans. Not the event loop's lag."""

from collections.abc import Callable
from typing import NamedTuple

from pinai_subnet.runtime.health import Health
from pinai_subnet.runtime.metrics import Metrics
from pinai_subnet.runtime.rpc_times import RpcTimes
from pinai_subnet.runtime.tracing import MAX_WAITING, Tracer

_SYNC_BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)


class _Queue(NamedTuple):
    name: str
    length: Callable[[], int]
    limit: int


class Vitals:
    """The metrics `subnet_process_...` of one process. Gauges are looked at when they are read."""

    def __init__(self, metrics: Metrics, health: Health) -> None:
        """Register them; tell this health."""
        self._health = health
        self._queues: list[_Queue] = []
        self.rpc = RpcTimes(metrics)
        self.tracer = Tracer(metrics)
        self._build = metrics.gauge(
            "build",
            "info",
            "1; the labels say which build runs",
            labels=("version", "commit"),
            everywhere=True,
        )
        self._fact = metrics.gauge(
            "health",
            "bool",
            "1 while the fact of /health holds",
            labels=("fact",),
            everywhere=True,
        )
        self._length = metrics.gauge(
            "queue", "items", "What waits in a bounded queue", labels=("queue",), everywhere=True
        )
        self._limit = metrics.gauge(
            "queue_limit",
            "items",
            "How much may wait in a bounded queue",
            labels=("queue",),
            everywhere=True,
        )
        self._sync = metrics.histogram(
            "fsync",
            "seconds",
            "How long it took to write a group of changes and make it durable, by file",
            labels=("file",),
            buckets=_SYNC_BUCKETS,
            everywhere=True,
        )
        self.watch_queue("spans", self.tracer.__len__, MAX_WAITING)
        metrics.refresh(self._look)

    def tell_build(self, version: str, commit: str) -> None:
        """Say which build this is."""
        self._build.set(1, version=version, commit=commit)

    def watch_queue(self, name: str, length: Callable[[], int], limit: int) -> None:
        """Publish the length of a bounded queue; a name of ours, never of a caller's."""
        self._queues.append(_Queue(name, length, limit))

    def synced(self, file: str) -> Callable[[float], None]:
        """Return what takes the seconds of every fsync of this file; any thread may call it."""
        return lambda seconds: self._sync.observe(seconds, file=file)

    def _look(self) -> None:
        report = self._health.report()
        for fact in ("alive", "ready", "able_to_finalise"):
            self._fact.set(report[fact]["ok"], fact=fact)
        for queue in self._queues:
            self._length.set(queue.length(), queue=queue.name)
            self._limit.set(queue.limit, queue=queue.name)
