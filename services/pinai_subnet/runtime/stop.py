"""The token by which a loop learns that it should finish. Not what stops a process: that is `lifecycle`."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager

from pinai_subnet.runtime.clock import Clock, SystemClock


class Stop:
    """Set once, never cleared; loops poll `is_set` or wait on it instead of sleeping."""

    def __init__(self, clock: Clock | None = None) -> None:
        """Wait on this clock; the machine's by default."""
        self._clock = clock or SystemClock()
        self._event = asyncio.Event()
        self._calls: dict[int, Callable[[], None]] = {}
        self._calls_made = 0

    @property
    def is_set(self) -> bool:
        """Say whether stopping was asked for."""
        return self._event.is_set()

    def set(self) -> None:
        """Ask every holder to finish its turn."""
        if self._event.is_set():
            return
        self._event.set()
        for call in tuple(self._calls.values()):
            call()

    @contextmanager
    def calling(self, call: Callable[[], None]) -> Iterator[None]:
        """While inside, call this when stop is set, at once if it is: for who waits for something else meanwhile.

        It costs no task, unlike `wait` beside another wait. The call must not block or raise.
        """
        self._calls_made += 1
        key = self._calls_made
        self._calls[key] = call
        try:
            if self._event.is_set():
                call()
            yield
        finally:
            del self._calls[key]

    async def wait(self, seconds: float | None = None) -> bool:
        """Wait until stop is set or the time has passed; return whether stop is set. Use it instead of sleep."""
        if seconds is None:
            await self._event.wait()
            return True
        if self._event.is_set():
            return True
        woken = asyncio.Event()
        sleeper = asyncio.ensure_future(self._clock.sleep(seconds))
        sleeper.add_done_callback(lambda _: woken.set())
        try:
            with self.calling(woken.set):
                await woken.wait()
        finally:
            sleeper.cancel()
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
