"""Waiting for a nudge, a moment or the end of the process, whichever comes first. Not a queue: nudges add up to one."""

import asyncio

from pinai_subnet.runtime.clock import Clock
from pinai_subnet.runtime.stop import Stop


class Wakeup:
    """One loop waits, anybody nudges."""

    def __init__(self, clock: Clock) -> None:
        """Measure moments by this clock."""
        self._clock = clock
        self._event = asyncio.Event()

    def nudge(self) -> None:
        """Make the current or the next wait return at once."""
        self._event.set()

    async def wait(self, stop: Stop, seconds: float | None = None) -> None:
        """Return when nudged, stopped, or after this long (None: no limit)."""
        if not self._event.is_set() and not stop.is_set and (seconds is None or seconds > 0):
            sleeper = None
            if seconds is not None:
                sleeper = asyncio.ensure_future(self._clock.sleep(seconds))
                sleeper.add_done_callback(self._slept)
            try:
                with stop.calling(self._event.set):
                    await self._event.wait()
            finally:
                if sleeper is not None:
                    sleeper.cancel()
        else:
            await asyncio.sleep(0)
        self._event.clear()

    def _slept(self, sleeper: "asyncio.Future[None]") -> None:
        if not sleeper.cancelled():
            self._event.set()


class Backoff:
    """Growing pauses between attempts at something that fails: doubled each time up to a limit, until it works."""

    def __init__(self, *, first_seconds: float, longest_seconds: float) -> None:
        """Start with the first pause."""
        self._first = first_seconds
        self._longest = longest_seconds
        self._next = first_seconds

    def next(self) -> float:
        """Return the pause to make now."""
        pause = self._next
        self._next = min(self._next * 2, self._longest)
        return pause

    def reset(self) -> None:
        """It worked."""
        self._next = self._first
