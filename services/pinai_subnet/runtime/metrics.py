"""One process's metrics: own registry, one naming rule, bounded labels. Not where they are served."""

from collections.abc import Sequence

import prometheus_client
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.gc_collector import GCCollector

CONTENT_TYPE = CONTENT_TYPE_LATEST
OTHER = "other"
DEFAULT_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class _Series:
    """Bounds the label sets of one metric: past the limit, new ones are counted under `other`."""

    def __init__(self, labels: Sequence[str], max_series: int) -> None:
        self._labels = tuple(labels)
        self._max = max_series
        self._seen: set[tuple[str, ...]] = set()

    def bounded(self, given: dict[str, str]) -> dict[str, str]:
        values = tuple(given[name] for name in self._labels)
        if values not in self._seen:
            if len(self._seen) >= self._max:
                return dict.fromkeys(self._labels, OTHER)
            self._seen.add(values)
        return given


class Counter:
    """A number that only grows."""

    def __init__(self, metric: prometheus_client.Counter, series: _Series) -> None:
        """Wrap a registered counter."""
        self._metric = metric
        self._series = series

    def add(self, amount: float = 1, **labels: str) -> None:
        """Add to the counter."""
        (self._metric.labels(**self._series.bounded(labels)) if labels else self._metric).inc(
            amount
        )


class Gauge:
    """A number that goes up and down."""

    def __init__(self, metric: prometheus_client.Gauge, series: _Series) -> None:
        """Wrap a registered gauge."""
        self._metric = metric
        self._series = series

    def set(self, value: float, **labels: str) -> None:
        """Set the current value."""
        (self._metric.labels(**self._series.bounded(labels)) if labels else self._metric).set(value)


class Histogram:
    """The distribution of a measured quantity."""

    def __init__(self, metric: prometheus_client.Histogram, series: _Series) -> None:
        """Wrap a registered histogram."""
        self._metric = metric
        self._series = series

    def observe(self, value: float, **labels: str) -> None:
        """Record one measurement."""
        metric = self._metric.labels(**self._series.bounded(labels)) if labels else self._metric
        metric.observe(value)


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
        return Counter(metric, _Series(labels, self._max_series))

    def gauge(self, what: str, unit: str, about: str, *, labels: Sequence[str] = ()) -> Gauge:
        """Make a gauge; `unit` ends its name (seconds, bytes, count, ratio)."""
        name = f"{self._prefix}_{what}_{unit}"
        metric = prometheus_client.Gauge(name, about, labels, registry=self.registry)
        return Gauge(metric, _Series(labels, self._max_series))

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
        return Histogram(metric, _Series(labels, self._max_series))

    def render(self) -> bytes:
        """Return everything in the Prometheus text format."""
        return generate_latest(self.registry)
