"""What a process did for one intent, as spans of one trace: the trace's id is the beginning of the intent's id.

Spans are told once they have ended, from times that the process keeps anyway, so tracing costs nothing while work is
done. Whoever knows the intent knows trace and root span; no context travels between processes. Exports nothing.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256

from pinai_subnet.runtime.metrics import Counter, Metrics

MAX_WAITING = 5000
"""Spans that wait for the exporter; more are dropped and counted."""
ROOT = "intent"
"""The name of the span that all others of a trace are under."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One stage of one intent; times are unix milliseconds."""

    name: str
    intent_id: str
    """0x and 64 hexadecimal digits."""
    begin_ms: int
    end_ms: int
    failure: str = ""
    """The code of what went wrong, empty where nothing did."""
    facts: Mapping[str, str | int] = field(default_factory=dict)

    @property
    def trace_id(self) -> str:
        """32 hexadecimal digits, the same in every process."""
        return self.intent_id.removeprefix("0x")[:32].lower()

    @property
    def parent_id(self) -> str:
        """The root span's id, empty for the root itself."""
        return "" if self.name == ROOT else _digits(self.intent_id, ROOT)

    def span_id(self, process: str) -> str:
        """16 hexadecimal digits; the same span told twice is one span."""
        if self.name == ROOT:
            return _digits(self.intent_id, ROOT)
        return _digits(self.intent_id, process, self.name, str(self.begin_ms))


class Tracer:
    """Takes spans and keeps them, bounded, for whoever exports them; does nothing while nobody does."""

    def __init__(self, metrics: Metrics) -> None:
        """Count what became of spans."""
        self.enabled = False
        self._waiting: deque[Span] = deque()
        self._count: Counter = metrics.counter(
            "spans",
            "Spans of traces, by what became of them",
            labels=("result",),
            values={"result": ("exported", "dropped")},
            everywhere=True,
        )

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, spans: Iterable[Span]) -> None:
        """Keep these spans for the exporter; never waits."""
        if not self.enabled:
            return
        for span in spans:
            if len(self._waiting) >= MAX_WAITING:
                self._count.add(result="dropped")
            else:
                self._waiting.append(span)

    def take(self, most: int) -> list[Span]:
        """Return the oldest spans and forget them."""
        return [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]

    def exported(self, count: int) -> None:
        """So many were delivered."""
        self._count.add(count, result="exported")

    def dropped(self, count: int) -> None:
        """So many were given up."""
        self._count.add(count, result="dropped")


def _digits(*parts: str) -> str:
    return sha256("\n".join(parts).encode()).hexdigest()[:16]
