"""The token by which a loop learns that it should finish. Not what stops a process: that is `lifecycle`."""

import asyncio
from collections.abc import AsyncIterator

from pinai_subnet.runtime.clock import Clock, SystemClock


class Stop:
    """Set once, never cleared; loops poll `is_set` or wait on it instead of sleeping."""

    def __init__(self, clock: Clock | None = None) -> None:
        """Wait on this clock; the machine's by default."""
        self._clock = clock or SystemClock()
        self._event = asyncio.Event()

    @property
    def is_set(self) -> bool:
        """Say whether stopping was asked for."""
        return self._event.is_set()

    def set(self) -> None:
        """Ask every holder to finish its turn."""
        self._event.set()

    async def wait(self, seconds: float | None = None) -> bool:
        """Wait until stop is set or the time has passed; return whether stop is set. Use it instead of sleep."""
        if seconds is None:
            await self._event.wait()
            return True
        if self._event.is_set():
            return True
        sleeper = asyncio.ensure_future(self._clock.sleep(seconds))
        waiter = asyncio.ensure_future(self._event.wait())
        try:
            await asyncio.wait((sleeper, waiter), return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeper.cancel()
            waiter.cancel()
        return self._event.is_set()

    async def periodically(
        self, seconds: float, *, immediately: bool = True
    ) -> AsyncIterator[None]:
        """Yield once per turn, with this pause between turns, until stop is set."""
        if not immediately:
            await self.wait(seconds)
        while not self._event.is_set():
            yield
            if self._event.is_set():
                return
            await self.wait(seconds)
