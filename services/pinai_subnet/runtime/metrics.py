"""One process's metrics: own registry, one naming rule, bounded labels. Not where they are served."""

from collections.abc import Sequence
from typing import Generic, TypeVar

import prometheus_client
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.metrics import MetricWrapperBase

CONTENT_TYPE = CONTENT_TYPE_LATEST
M = TypeVar("M", bound=MetricWrapperBase)

OTHER = "other"
DEFAULT_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class _Series(Generic[M]):
    """Bounds the label sets of one metric: past the limit, new ones are counted under `other`."""

    def __init__(self, metric: M, labels: Sequence[str], max_series: int) -> None:
        self._metric = metric
        self._labels = tuple(labels)
        self._max = max_series
        self._children: dict[tuple[str, ...], M] = {}

    def child(self, given: dict[str, str]) -> M:
        """Return what counts under these labels; the metric itself where it has none."""
        if not given:
            return self._metric
        values = tuple(given[name] for name in self._labels)
        child = self._children.get(values)
        if child is None:
            full = len(self._children) >= self._max
            child = self._metric.labels(**(dict.fromkeys(self._labels, OTHER) if full else given))
            if not full:
                self._children[values] = child
        return child


class Counter:
    """A number that only grows."""

    def __init__(self, series: _Series[prometheus_client.Counter]) -> None:
        """Wrap a registered counter."""
        self._series = series

    def add(self, amount: float = 1, **labels: str) -> None:
        """Add to the counter."""
        self._series.child(labels).inc(amount)


class Gauge:
    """A number that goes up and down."""

    def __init__(self, series: _Series[prometheus_client.Gauge]) -> None:
        """Wrap a registered gauge."""
        self._series = series

    def set(self, value: float, **labels: str) -> None:
        """Set the current value."""
        self._series.child(labels).set(value)


class Histogram:
    """The distribution of a measured quantity."""

    def __init__(self, series: _Series[prometheus_client.Histogram]) -> None:
        """Wrap a registered histogram."""
        self._series = series

    def observe(self, value: float, **labels: str) -> None:
        """Record one measurement."""
        self._series.child(labels).observe(value)


class Metrics:
    """Makes metrics named `subnet_<process>_<what>_<unit>` in a registry of its own."""

    def __init__(self, process: str, *, max_series: int = 200) -> None:
        """Prefix every name with this process; keep at most `max_series` label sets per metric."""
        self._prefix = f"subnet_{process.replace('-', '_')}"
        self._max_series = max_series
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)

    def counter(self, what: str, about: str, *, labels: Sequence[str] = ()) -> Counter:
        """Make a counter; its name ends in `_total`."""
        name = f"{self._prefix}_{what}"
        metric = prometheus_client.Counter(name, about, labels, registry=self.registry)
        return Counter(_Series(metric, labels, self._max_series))

    def gauge(self, what: str, unit: str, about: str, *, labels: Sequence[str] = ()) -> Gauge:
        """Make a gauge; `unit` ends its name (seconds, bytes, count, ratio)."""
        name = f"{self._prefix}_{what}_{unit}"
        metric = prometheus_client.Gauge(name, about, labels, registry=self.registry)
        return Gauge(_Series(metric, labels, self._max_series))

    def histogram(
        self,
        what: str,
        unit: str,
        about: str,
        *,
        labels: Sequence[str] = (),
        buckets: Sequence[float] = DEFAULT_BUCKETS,
    ) -> Histogram:
        """Make a histogram; `unit` ends its name."""
        name = f"{self._prefix}_{what}_{unit}"
        metric = prometheus_client.Histogram(
            name, about, labels, registry=self.registry, buckets=tuple(buckets)
        )
        return Histogram(_Series(metric, labels, self._max_series))

    def render(self) -> bytes:
        """Return everything in the Prometheus text format."""
        return generate_latest(self.registry)
