"""What is due when: one moment per key, earliest first. Not a scheduler: somebody else waits and asks."""

import heapq
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Timers(Generic[K]):
    """Due times in unix milliseconds. Setting a key again replaces its moment; stale heap entries are skipped."""

    def __init__(self) -> None:
        """Start with nothing due."""
        self._due: dict[K, int] = {}
        self._heap: list[tuple[int, int, K]] = []
        self._order = 0

    def __len__(self) -> int:
        return len(self._due)

    def set(self, key: K, due_ms: int) -> None:
        """Make the key due at this moment, and only then."""
        if self._due.get(key) == due_ms:
            return
        self._due[key] = due_ms
        self._order += 1
        heapq.heappush(self._heap, (due_ms, self._order, key))
        if len(self._heap) > 4 * len(self._due) + 64:
            self._compact()

    def clear(self, key: K) -> None:
        """Forget the key."""
        self._due.pop(key, None)

    def next_due_ms(self) -> int | None:
        """Return the earliest moment, or None if nothing is due ever."""
        while self._heap:
            due, _, key = self._heap[0]
            if self._due.get(key) == due:
                return due
            heapq.heappop(self._heap)
        return None

    def pop_due(self, now_ms: int) -> K | None:
        """Return and forget the earliest key that is due, or None."""
        due = self.next_due_ms()
        if due is None or due > now_ms:
            return None
        key = heapq.heappop(self._heap)[2]
        del self._due[key]
        return key

    def _compact(self) -> None:
        self._heap = [(due, order, key) for order, (key, due) in enumerate(self._due.items())]
        self._order = len(self._heap)
        heapq.heapify(self._heap)
