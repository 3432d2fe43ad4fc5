"""What the registry counts."""

from pinai_subnet.registry.roster import Kind
from pinai_subnet.runtime.metrics import Metrics


class RegistryMetrics:
    """Members by kind, registrations by kind."""

    def __init__(self, metrics: Metrics) -> None:
        """Create the metrics in a process's registry."""
        self._visible = metrics.gauge(
            "members",
            "count",
            "Members that lists show.",
            labels=["kind"],
            values={"kind": {kind.value for kind in Kind}},
        )
        self._registered = metrics.counter(
            "registrations",
            "Accepted registrations, repeated ones included.",
            labels=["kind"],
            values={"kind": {kind.value for kind in Kind}},
        )

    def visible(self, kind: Kind, count: int) -> None:
        """Publish how many members of a kind lists show."""
        self._visible.set(count, kind=kind.value)

    def registered(self, kind: Kind) -> None:
        """Count one accepted registration."""
        self._registered.add(kind=kind.value)
