"""An event loop whose time is the world's: it runs what is due, waits for nothing, and replays with its seed."""

import asyncio
import math
from asyncio import events
from collections.abc import Awaitable, Callable
from typing import Any

from tests.simulation.consensus.simulator import Clock as WorldClock
from tests.unit.validator.ledger_world import START

from pinai_subnet.runtime.clock import Clock

ZERO = 1000.0
"""The world's clock at `START`."""


class _NoSelector:
    def select(self, _timeout: float | None) -> list[object]:
        return []


class SteppedLoop(asyncio.BaseEventLoop):
    """Real tasks and timers; `pump` runs them as far as they come at this moment."""

    def __init__(self, clock: WorldClock) -> None:
        super().__init__()
        self._selector = _NoSelector()
        self._world_clock = clock
        self.set_exception_handler(lambda _loop, _context: None)

    def time(self) -> float:
        return self._world_clock.now

    def _process_events(self, event_list: list[object]) -> None:
        """There is no file to watch."""

    def _write_to_self(self) -> None:
        """Nothing sleeps here."""

    def pump(self) -> None:
        """Run every task that can go on now."""
        if not self._due():
            return
        events._set_running_loop(self)
        try:
            while self._due():
                self._run_once()  # type: ignore[attr-defined]
        finally:
            events._set_running_loop(None)

    def next_at(self) -> float:
        """Return when the next task or timer can go on."""
        if self._ready:  # type: ignore[attr-defined]
            return self.time()
        timers = self._scheduled  # type: ignore[attr-defined]
        return float(timers[0]._when) if timers else math.inf

    def _due(self) -> bool:
        ready, timers = self._ready, self._scheduled  # type: ignore[attr-defined]
        return bool(ready) or bool(timers and timers[0]._when <= self._world_clock.now)


class ProcessClock(Clock):
    """One validator's clock: the world's, and as wrong as it was set."""

    def __init__(self, clock: WorldClock, skew: float) -> None:
        self._clock = clock
        self._skew = skew

    def now(self) -> float:
        return START + self._clock.now - ZERO + self._skew

    def monotonic(self) -> float:
        return self._clock.now

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))


def slow_threads(delay: Callable[[], float]) -> Callable[..., Awaitable[Any]]:
    """Return what stands for `asyncio.to_thread`: the work is done at once, but only after a while."""

    async def to_thread(work: Callable[..., Any], *arguments: Any) -> Any:
        await asyncio.sleep(delay())
        return work(*arguments)

    return to_thread
