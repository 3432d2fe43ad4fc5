"""Who hears about intents: one bounded queue per StreamIntents call, with a resync instead of a loss (defect L22).

A listener whose queue is full gets its queue dropped and then hears EXISTING_INTENT for everything open, as on connect.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from pinai_subnet.protocol.canaries import CANARY_TYPE
from pinai_subnet.protocol.ids import Address, IntentId


class UpdateType(StrEnum):
    """The texts agents' strategies branch on (agent-interop row 16)."""

    NEW_INTENT = "NEW_INTENT"
    EXISTING_INTENT = "EXISTING_INTENT"
    MATCHED = "MATCHED"
    WINDOW_CLOSED = "WINDOW_CLOSED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """One thing that happened to an intent. `timestamp` is unix seconds."""

    intent_id: IntentId
    intent_type: str
    update_type: UpdateType
    timestamp: int


@dataclass(slots=True, kw_only=True, eq=False)
class Listener:
    """One StreamIntents call. Empty `intent_types` hears everything."""

    signer: Address | None
    intent_types: frozenset[str]
    subnet_matches: bool
    """Whether it asked for this network; one that asked for another hears nothing."""
    queue: deque[Update] = field(default_factory=deque)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    resync: bool = True
    """Whether everything open must be told first."""
    ended: bool = False

    def hears(self, intent_type: str) -> bool:
        """Say whether updates of this type reach the listener; canaries only reach who names their type."""
        named = intent_type in self.intent_types
        if intent_type == CANARY_TYPE:
            return self.subnet_matches and named
        return self.subnet_matches and (not self.intent_types or named)


class IntentStreams:
    """All listeners. `open_intents` gives what a newcomer or a resync must hear."""

    def __init__(
        self,
        *,
        open_intents: Callable[[], Iterable[Update]],
        queue_size: int,
        on_overflow: Callable[[], None],
    ) -> None:
        """Bound every listener's queue by `queue_size`."""
        self._open_intents = open_intents
        self._queue_size = queue_size
        self._on_overflow = on_overflow
        self._listeners: set[Listener] = set()
        self._signed: dict[Address, list[Listener]] = {}
        self._closing = False

    def __len__(self) -> int:
        return len(self._listeners)

    def connect(
        self, *, signer: Address | None, intent_types: frozenset[str], subnet_matches: bool
    ) -> Listener:
        """Start listening; the first thing heard is every open intent."""
        listener = Listener(
            signer=signer,
            intent_types=intent_types,
            subnet_matches=subnet_matches,
            ended=self._closing,
        )
        listener.wake.set()
        self._listeners.add(listener)
        if signer is not None:
            self._signed.setdefault(signer, []).append(listener)
        return listener

    def disconnect(self, listener: Listener) -> None:
        """Stop listening; safe to call twice."""
        self._listeners.discard(listener)
        signer = listener.signer
        if signer is None:
            return
        left = [other for other in self._signed.pop(signer, ()) if other is not listener]
        if left:
            self._signed[signer] = left

    def publish(self, update: Update) -> None:
        """Tell every listener of the type; never waits."""
        for listener in self._listeners:
            if not listener.hears(update.intent_type) or listener.resync:
                continue
            if len(listener.queue) >= self._queue_size:
                listener.queue.clear()
                listener.resync = True
                self._on_overflow()
            else:
                listener.queue.append(update)
            listener.wake.set()

    async def next(self, listener: Listener) -> list[Update] | None:
        """Wait for what the listener must hear next; None once the stream has to end."""
        while True:
            if listener.ended:
                return None
            if listener.resync:
                listener.resync = False
                existing = [u for u in self._open_intents() if listener.hears(u.intent_type)]
                if existing:
                    return existing
            elif listener.queue:
                updates = list(listener.queue)
                listener.queue.clear()
                return updates
            else:
                listener.wake.clear()
                await listener.wake.wait()

    def hears(self, signer: Address, intent_type: str) -> bool | None:
        """Say whether a signer listens for a type; None if it has no signed stream at all."""
        streams = self._signed.get(signer)
        return any(listener.hears(intent_type) for listener in streams) if streams else None

    def signers(self) -> set[Address]:
        """Return who listens with a signed stream."""
        return set(self._signed)

    def end_all(self) -> None:
        """End every stream politely: the process is stopping."""
        self._closing = True
        for listener in self._listeners:
            listener.ended = True
            listener.wake.set()
