"""Committed events, brought from the engine's thread into the event loop. Wakes loops; keeps no event for anyone."""

import asyncio
import threading
from collections.abc import Callable, Sequence

from pinai_subnet.runtime.stop import Stop
from pinai_subnet.validator.events import Event


class Signal:
    """Says that something a loop waits for may have happened; several happenings are one."""

    def __init__(self) -> None:
        """Start set: a loop looks at its work once before it waits."""
        self._event = asyncio.Event()
        self._event.set()

    def set(self) -> None:
        """Wake the loop; from the event loop's thread only."""
        self._event.set()

    async def wait(self, stop: Stop, seconds: float) -> None:
        """Return when set, when stopping, or after this long; the signal is then cleared."""
        if not self._event.is_set() and not stop.is_set:
            timer = asyncio.get_running_loop().call_later(seconds, self._event.set)
            try:
                with stop.calling(self._event.set):
                    await self._event.wait()
            finally:
                timer.cancel()
        self._event.clear()


class EventFeed:
    """Hands events to signals and callbacks, in log order, on the event loop that `bind` named."""

    def __init__(self) -> None:
        """Start unbound: events before `bind` are counted by nobody, so every loop looks at the ledger first."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()
        self._waiting: list[Event] = []
        self._scheduled = False
        self._signals: list[tuple[tuple[type, ...], Signal]] = []
        self._callbacks: list[Callable[[Sequence[Event]], None]] = []

    def bind(self, loop: asyncio.AbstractEventLoop) -> None:
        """Deliver on this loop from now on."""
        self._loop = loop

    def signal(self, *kinds: type) -> Signal:
        """Return a signal that is set by every event of these kinds."""
        signal = Signal()
        self._signals.append((kinds, signal))
        return signal

    def drop(self, signal: Signal) -> None:
        """Forget a signal whose owner has gone."""
        self._signals = [entry for entry in self._signals if entry[1] is not signal]

    def on_events(self, callback: Callable[[Sequence[Event]], None]) -> None:
        """Call this on the event loop with every group of events."""
        self._callbacks.append(callback)

    def publish(self, events: Sequence[Event]) -> None:
        """Take events from any thread; never blocks for longer than a list append."""
        loop = self._loop
        if loop is None or not events:
            return
        with self._lock:
            self._waiting.extend(events)
            if self._scheduled:
                return
            self._scheduled = True
        try:
            loop.call_soon_threadsafe(self._deliver)
        except RuntimeError:
            # The loop is closed: the process is at its very end and nobody waits for events any more.
            self._loop = None

    def wake_all(self) -> None:
        """Set every signal, as after a restored snapshot or a change of leadership; from any thread."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._set_all)

    def _set_all(self) -> None:
        for _, signal in self._signals:
            signal.set()

    def _deliver(self) -> None:
        with self._lock:
            events, self._waiting = self._waiting, []
            self._scheduled = False
        kinds = {type(event) for event in events}
        for wanted, signal in self._signals:
            if kinds.intersection(wanted):
                signal.set()
        for callback in self._callbacks:
            callback(events)
