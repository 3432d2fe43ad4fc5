"""Who watches the bids of an intent: its own bids at once, everybody's after the close (known defects A11, V9)."""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from enum import IntEnum

from pinai_subnet.protocol.bids import Bid, BidStatus
from pinai_subnet.protocol.ids import Address, IntentId


class BidEventType(IntEnum):
    """What happened to a bid, numbered as on the wire."""

    SUBMITTED = 1
    ACCEPTED = 2
    REJECTED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class BidEvent:
    """One event. `timestamp` is unix seconds."""

    type: BidEventType
    bid: Bid
    status: BidStatus
    timestamp: int


@dataclass(slots=True, kw_only=True, eq=False)
class Watcher:
    """One StreamBids call. Only the proven signer counts as owner of a bid."""

    intent_id: IntentId
    agent_id: str
    """Hear only this agent's bids; empty for all."""
    signer: Address | None
    queue: deque[BidEvent] = field(default_factory=deque)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    ended: bool = False

    def hears(self, event: BidEvent, *, sealed: bool) -> bool:
        """Say whether the event may and should reach this watcher."""
        if self.agent_id and self.agent_id != event.bid.agent_id:
            return False
        return not sealed or (self.signer is not None and self.signer == event.bid.agent_address)


class BidStreams:
    """All watchers, by intent. A full queue forgets its oldest event: later ones carry a bid's latest state."""

    def __init__(self, *, queue_size: int) -> None:
        """Bound every watcher's queue."""
        self._queue_size = queue_size
        self._watchers: dict[IntentId, set[Watcher]] = {}
        self._closing = False

    def connect(self, watcher: Watcher) -> None:
        """Start watching."""
        watcher.ended = self._closing
        self._watchers.setdefault(watcher.intent_id, set()).add(watcher)

    def disconnect(self, watcher: Watcher) -> None:
        """Stop watching; safe to call twice."""
        watchers = self._watchers.get(watcher.intent_id, set())
        watchers.discard(watcher)
        if not watchers:
            self._watchers.pop(watcher.intent_id, None)

    def tell_of(
        self, bid: Bid, kind: BidEventType, status: BidStatus, *, now_ms: int, sealed: bool
    ) -> None:
        """Tell what happened to a bid; never waits."""
        event = BidEvent(type=kind, bid=bid, status=status, timestamp=now_ms // 1000)
        self.publish(event, sealed=sealed)

    def publish(self, event: BidEvent, *, sealed: bool) -> None:
        """Tell those who may hear it; never waits."""
        for watcher in self._watchers.get(event.bid.intent_id, ()):
            self.tell(watcher, event, sealed=sealed)

    def tell(self, watcher: Watcher, event: BidEvent, *, sealed: bool) -> None:
        """Tell one watcher, if it may hear it."""
        if not watcher.hears(event, sealed=sealed):
            return
        if len(watcher.queue) >= self._queue_size:
            watcher.queue.popleft()
        watcher.queue.append(event)
        watcher.wake.set()

    async def next(self, watcher: Watcher) -> BidEvent | None:
        """Wait for the next event; None once the stream has to end."""
        while not watcher.ended:
            if watcher.queue:
                return watcher.queue.popleft()
            watcher.wake.clear()
            await watcher.wake.wait()
        return None

    def end_all(self) -> None:
        """End every stream politely: the process is stopping."""
        self._closing = True
        for watchers in self._watchers.values():
            for watcher in watchers:
                watcher.ended = True
                watcher.wake.set()
