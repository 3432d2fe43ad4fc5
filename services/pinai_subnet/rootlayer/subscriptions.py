"""Bounded queues between what happens and who listens. A listener that falls behind is told so and let go."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from pinai_subnet.protocol.errors import Exhausted, NotReady, SubnetError
from pinai_subnet.rootlayer.events import StatusChange

Wanted = Callable[[StatusChange], bool]


class Subscription:
    """One listener's queue. Nothing is lost silently: after an overflow `next` raises instead of skipping."""

    def __init__(self, *, wanted: Wanted, capacity: int) -> None:
        """Made by `Hub.subscription`."""
        self._wanted = wanted
        self._capacity = capacity
        self._queue: asyncio.Queue[StatusChange | None] = asyncio.Queue(capacity + 1)
        self._end: SubnetError | None = None

    def offer(self, change: StatusChange) -> bool:
        """Queue the change if it is wanted; return False when the listener has fallen too far behind."""
        if self._end is not None or not self._wanted(change):
            return self._end is None
        if self._queue.qsize() >= self._capacity:
            self.end(
                Exhausted(
                    "SN-S060",
                    f"{self._capacity} events wait unread; reconnect and list what was missed",
                )
            )
            return False
        self._queue.put_nowait(change)
        return True

    def end(self, error: SubnetError) -> None:
        """Make `next` raise this, also for a listener that waits now; the first reason stays."""
        if self._end is None:
            self._end = error
            self._queue.put_nowait(None)

    async def next(self) -> StatusChange:
        """Return the next change; raise `Exhausted` SN-S060 after an overflow, `NotReady` SN-S062 at the end."""
        if self._end is not None:
            raise self._end
        change = await self._queue.get()
        if self._end is not None:
            raise self._end
        if change is None:  # pragma: no cover - the marker is only queued together with a reason
            raise AssertionError("a subscription ended without a reason")
        return change


class Hub:
    """Hands every change to every subscription that wants it; never waits for anybody."""

    def __init__(self, *, max_subscribers: int, queue_events: int) -> None:
        """Allow so many subscriptions, each with so many unread events."""
        self._max_subscribers = max_subscribers
        self._queue_events = queue_events
        self._subscriptions: set[Subscription] = set()
        self._closed = False
        self.dropped = 0
        """How many listeners were let go for being too slow."""

    def __len__(self) -> int:
        return len(self._subscriptions)

    @contextmanager
    def subscription(self, wanted: Wanted) -> Iterator[Subscription]:
        """Listen from now on; raise `Exhausted` SN-S061 when there are too many listeners."""
        if self._closed:
            raise _stopping()
        if len(self._subscriptions) >= self._max_subscribers:
            raise Exhausted("SN-S061", f"{self._max_subscribers} streams are open already")
        subscription = Subscription(wanted=wanted, capacity=self._queue_events)
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)

    def publish(self, changes: Iterable[StatusChange]) -> None:
        """Hand on committed changes, in commit order."""
        for change in changes:
            for subscription in list(self._subscriptions):
                if not subscription.offer(change):
                    self._subscriptions.discard(subscription)
                    self.dropped += 1

    def close(self) -> None:
        """End every stream; its reader gets `NotReady` SN-S062."""
        self._closed = True
        for subscription in self._subscriptions:
            subscription.end(_stopping())


def _stopping() -> NotReady:
    return NotReady("SN-S062", "RootLayer is stopping; reconnect when it is back")
