"""What RootLayer counts."""

from collections.abc import Iterable, Mapping

from pinai_subnet.protocol.intents import IntentStatus
from pinai_subnet.runtime.metrics import Metrics

_OUTCOMES = {"outcome": ("accepted", "refused")}
_STATUSES = {"status": {status.name.lower() for status in IntentStatus}}


class RootLayerMetrics:
    """Outcomes of requests, intents by status, open streams."""

    def __init__(self, metrics: Metrics) -> None:
        """Create the metrics in a process's registry."""
        self._intents = metrics.counter(
            "submitted_intents",
            "Submitted intents by outcome.",
            labels=["outcome"],
            values=_OUTCOMES,
        )
        self._assignments = metrics.counter(
            "posted_assignments",
            "Posted assignments by outcome.",
            labels=["outcome"],
            values=_OUTCOMES,
        )
        self._items = metrics.counter(
            "settled_items",
            "Items of validation batches by outcome.",
            labels=["outcome"],
            values=_OUTCOMES,
        )
        self._expired = metrics.counter("expired_intents", "Intents whose deadline passed.")
        self._statuses = metrics.gauge(
            "intents", "count", "Stored intents by status.", labels=["status"], values=_STATUSES
        )
        self._streams = metrics.gauge("streams", "count", "Open subscriptions.")
        self._dropped = metrics.gauge(
            "dropped_streams", "count", "Subscriptions ended for being too slow, since the start."
        )

    def submitted(self, outcomes: Iterable[bool]) -> None:
        """Count submitted intents, True for accepted."""
        for ok in outcomes:
            self._intents.add(outcome=_word(ok))

    def posted(self, outcomes: Iterable[bool]) -> None:
        """Count posted assignments, True for accepted."""
        for ok in outcomes:
            self._assignments.add(outcome=_word(ok))

    def settled(self, outcomes: Iterable[bool]) -> None:
        """Count items of batches, True for settled."""
        for ok in outcomes:
            self._items.add(outcome=_word(ok))

    def expired(self, count: int) -> None:
        """Count expired intents."""
        self._expired.add(count)

    def publish(self, statuses: Mapping[IntentStatus, int], *, streams: int, dropped: int) -> None:
        """Publish the stored intents by status and the subscriptions."""
        for status in IntentStatus:
            if status is not IntentStatus.UNSPECIFIED:
                self._statuses.set(statuses.get(status, 0), status=status.name.lower())
        self._streams.set(streams)
        self._dropped.set(dropped)


def _word(ok: bool) -> str:
    return "accepted" if ok else "refused"
