"""One process's metrics: own registry, one naming rule, bounded labels. Not where they are served."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Generic, TypeVar

import prometheus_client
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.metrics import MetricWrapperBase

CONTENT_TYPE = CONTENT_TYPE_LATEST
M = TypeVar("M", bound=MetricWrapperBase)

OTHER = "other"
EVERY_PROCESS = "process"
"""Stands for the process's name in the names of the metrics that every process has, so that one query reads all."""
_MANY = 20
"""Fewer values than this of an only label are there from the start: what has not happened yet is zero, not missing."""
Values = Mapping[str, Collection[str]]
"""Label -> the only values it may take; what is not among them is counted as `other`."""
DEFAULT_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class _Series(Generic[M]):
    """Bounds the label sets of one metric: past the limit, new ones are counted under `other`."""

    def __init__(self, metric: M, labels: Sequence[str], values: Values, max_series: int) -> None:
        self._metric = metric
        self._labels = tuple(labels)
        self._values = values
        self._max = max_series
        self._children: dict[tuple[str, ...], M] = {}
        if len(self._labels) == 1 and len(values.get(labels[0], range(_MANY))) < _MANY:
            for value in values[labels[0]]:
                self._add((value,))

    def child(self, given: dict[str, str]) -> M:
        """Return what counts under these labels; the metric itself where it has none."""
        if not given:
            return self._metric
        values = tuple(given[name] for name in self._labels)
        child = self._children.get(values)
        return self._add(values) if child is None else child

    def _add(self, given: tuple[str, ...]) -> M:
        values = tuple(
            value if name not in self._values or value in self._values[name] else OTHER
            for name, value in zip(self._labels, given, strict=True)
        )
        if values not in self._children and len(self._children) >= self._max:
            return self._metric.labels(*(OTHER for _ in self._labels))
        return self._children.setdefault(values, self._metric.labels(*values))

    def forget(self, label: str, keep: Collection[str]) -> None:
        """Drop the children whose value of this label is none of these: what has gone must not stand for ever."""
        place = self._labels.index(label)
        for values in [values for values in self._children if values[place] not in keep]:
            del self._children[values]
            self._metric.remove(*values)


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

    def keep(self, label: str, values: Collection[str]) -> None:
        """Forget every value of this label that is none of these."""
        self._series.forget(label, values)


class Histogram:
    """The distribution of a measured quantity."""

    def __init__(self, series: _Series[prometheus_client.Histogram]) -> None:
        """Wrap a registered histogram."""
        self._series = series

    def observe(self, value: float, **labels: str) -> None:
        """Record one measurement."""
        self._series.child(labels).observe(value)


class Metrics:
    """Makes metrics named `subnet_<process>_<what>_<unit>` in a registry of its own.

    `everywhere` makes one that every process has: `subnet_process_<what>_<unit>`. A label is bounded by its `values`,
    or where it has none (names of members, methods) by `max_series`.
    """

    def __init__(self, process: str, *, max_series: int = 200) -> None:
        """Prefix every name with this process; keep at most `max_series` label sets per metric."""
        self._process = process.replace("-", "_")
        self._max_series = max_series
        self._refreshers: list[Callable[[], None]] = []
        self.labels: dict[str, tuple[str, ...]] = {}
        """Name of each metric made here -> its labels."""
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)

    def counter(
        self,
        what: str,
        about: str,
        *,
        labels: Sequence[str] = (),
        values: Values | None = None,
        everywhere: bool = False,
    ) -> Counter:
        """Make a counter; its name ends in `_total`."""
        name = self._name(what, "total", labels, everywhere=everywhere)
        metric = prometheus_client.Counter(name, about, labels, registry=self.registry)
        return Counter(_Series(metric, labels, values or {}, self._max_series))

    def gauge(
        self,
        what: str,
        unit: str,
        about: str,
        *,
        labels: Sequence[str] = (),
        values: Values | None = None,
        everywhere: bool = False,
    ) -> Gauge:
        """Make a gauge; `unit` ends its name (seconds, bytes, count, ratio)."""
        name = self._name(what, unit, labels, everywhere=everywhere)
        metric = prometheus_client.Gauge(name, about, labels, registry=self.registry)
        return Gauge(_Series(metric, labels, values or {}, self._max_series))

    def histogram(
        self,
        what: str,
        unit: str,
        about: str,
        *,
        labels: Sequence[str] = (),
        values: Values | None = None,
        buckets: Sequence[float] = DEFAULT_BUCKETS,
        everywhere: bool = False,
    ) -> Histogram:
        """Make a histogram; `unit` ends its name."""
        name = self._name(what, unit, labels, everywhere=everywhere)
        metric = prometheus_client.Histogram(
            name, about, labels, registry=self.registry, buckets=tuple(buckets)
        )
        return Histogram(_Series(metric, labels, values or {}, self._max_series))

    def refresh(self, measure: Callable[[], None]) -> None:
        """Call this at every look: gauges of what costs nothing to look at are never out of date."""
        self._refreshers.append(measure)

    def look(self) -> None:
        """Bring the gauges up to date."""
        for measure in self._refreshers:
            measure()

    def text(self) -> bytes:
        """Return everything in the Prometheus text format; takes milliseconds, and any thread may do it."""
        return generate_latest(self.registry)

    def _name(self, what: str, unit: str, labels: Sequence[str], *, everywhere: bool) -> str:
        name = f"subnet_{EVERY_PROCESS if everywhere else self._process}_{what}_{unit}"
        self.labels[name] = tuple(labels)
        return name
