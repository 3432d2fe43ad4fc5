"""Keeps one cause from filling the logs: the first line of each kind, then a count. Bounded memory. Knows no event.

Only warnings and errors are held back, because nothing outside decides how often the others are written. Two lines are
of one kind when they have the same event and fields, free texts and numbers left out, hosts without their ports. So
that a caller who varies a field gains nothing, an event also has a limit of lines in all.
"""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from threading import Lock
from typing import Any

import structlog
from structlog.typing import EventDict

_HELD_BACK = frozenset({"warning", "error", "critical"})
_LEFT_OUT = frozenset(
    {"timestamp", "process", "level", "event", "reason", "error", "exception", "exc_info", "stack"}
)
_IDENTIFYING_NUMBERS = frozenset({"epoch", "index", "intent", "number"})
_PORT = re.compile(r"(?<=[\w.\]]):\d{1,5}\b")
_MAX_KINDS = 2000
_MAX_VALUE = 200

Kind = tuple[str, ...]


@dataclass(slots=True)
class _Told:
    """One kind that has been told in this interval."""

    at: float
    held_back: int = 0


class HoldBackRepeats:
    """A processor: raises `DropEvent` for what is held back. Counts are on the first line after an interval."""

    def __init__(
        self,
        *,
        interval_seconds: float,
        lines_per_event: int = 100,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Tell each kind once in an interval, and at most so many kinds of one event; 0 seconds hold nothing back."""
        self._interval = interval_seconds
        self._lines_per_event = lines_per_event
        self._monotonic = monotonic
        self._kinds: dict[Kind, _Told] = {}
        self._events: dict[str, int] = {}
        self._begun = monotonic()
        self._ended: list[tuple[str, int]] = []
        self._lock = Lock()

    def __call__(self, _: Any, __: str, event: EventDict) -> EventDict:
        """Let a line pass, with what was held back since the last one, or hold it back."""
        name, level = str(event.get("event", "")), str(event.get("level", ""))
        passes, held_back = self.admit(name, level, _kind(name, event))
        if not passes:
            raise structlog.DropEvent
        if held_back:
            event["held_back"] = held_back
        return event

    def admit(self, name: str, level: str, kind: Kind) -> tuple[bool, dict[str, int]]:
        """Say whether a line passes and, if so, how many lines of each event were held back in intervals that ended."""
        if self._interval <= 0:
            return True, {}
        now = self._monotonic()
        with self._lock:
            if now - self._begun >= self._interval:
                self._end_interval(now)
            if level in _HELD_BACK and not self._first(name, kind, now):
                return False, {}
            ended, self._ended = self._ended, []
        counts: dict[str, int] = {}
        for event, count in ended:
            counts[event] = counts.get(event, 0) + count
        return True, counts

    def _first(self, name: str, kind: Kind, now: float) -> bool:
        told = self._kinds.get(kind)
        if told is not None:
            told.held_back += 1
            return False
        count = self._events.get(name, 0)
        full = len(self._kinds) >= _MAX_KINDS
        if count >= self._lines_per_event or full:
            rest = self._kinds.setdefault(("further", "" if full else name), _Told(now))
            rest.held_back += 1
            return False
        self._events[name] = count + 1
        self._kinds[kind] = _Told(now)
        return True

    def _end_interval(self, now: float) -> None:
        for kind, told in self._kinds.items():
            if told.held_back:
                name = kind[1] or "others" if kind[0] == "further" else kind[0]
                self._ended.append((name, told.held_back))
        self._kinds.clear()
        self._events.clear()
        self._begun = now


def _kind(name: str, event: EventDict) -> Kind:
    return (name, *_parts(event))


def _parts(event: EventDict) -> Iterator[str]:
    for field in sorted(event):
        value = event[field]
        if field in _LEFT_OUT:
            continue
        if isinstance(value, str):
            yield f"{field}={_PORT.sub('', value[:_MAX_VALUE])}"
        elif isinstance(value, bool) or field in _IDENTIFYING_NUMBERS:
            yield f"{field}={value}"
