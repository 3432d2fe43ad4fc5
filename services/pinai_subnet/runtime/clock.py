"""Time as a dependency: what time it is and how to wait. Not scheduling: loops live in `lifecycle`."""

import asyncio
import heapq
import itertools
import time
from typing import Protocol


class Clock(Protocol):
    """Wall time, monotonic time and waiting; the only source of time in our code."""

    def now(self) -> float:
        """Return wall time in unix seconds; it may jump."""
        ...

    def monotonic(self) -> float:
        """Return seconds since some fixed point; never goes back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait this long; zero or less yields once. Cancellation is safe."""
        ...


class SystemClock(Clock):
    """The machine's clock."""

    def now(self) -> float:
        """Return wall time in unix seconds."""
        return time.time()

    def monotonic(self) -> float:
        """Return the machine's monotonic seconds."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait in real time."""
        await asyncio.sleep(max(0.0, seconds))


class ManualClock(Clock):
    """A clock that stands still until a test moves it; sleepers wake in order of their deadlines."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        """Start at this wall time; monotonic time starts at zero."""
        self._now = now
        self._monotonic = 0.0
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def now(self) -> float:
        """Return the wall time set so far."""
        return self._now

    def monotonic(self) -> float:
        """Return the seconds advanced so far."""
        return self._monotonic

    async def sleep(self, seconds: float) -> None:
        """Wait until a test has advanced the clock this far."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._monotonic + seconds, next(self._order), future))
        await future

    @property
    def sleeping(self) -> int:
        """Return how many sleepers wait."""
        return sum(not future.done() for _, _, future in self._sleepers)

    def advance(self, seconds: float) -> None:
        """Move both times forward and wake who is due; woken tasks run when the caller next awaits."""
        self._move_to(self._monotonic + seconds)

    def jump(self, seconds: float) -> None:
        """Move wall time only, as a clock correction does."""
        self._now += seconds

    async def elapse(self, seconds: float) -> None:
        """Move forward deadline by deadline and let woken tasks run in between, so that chains of sleeps work."""
        end = self._monotonic + seconds
        await _settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            self._move_to(self._sleepers[0][0])
            await _settle()
        self._move_to(end)
        await _settle()

    def _move_to(self, moment: float) -> None:
        self._now += moment - self._monotonic
        self._monotonic = moment
        while self._sleepers and self._sleepers[0][0] <= moment:
            future = heapq.heappop(self._sleepers)[2]
            if not future.done():
                future.set_result(None)


async def _settle() -> None:
    """Let every ready task run a few steps."""
    for _ in range(10):
        await asyncio.sleep(0)
