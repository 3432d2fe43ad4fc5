"""Looks at the network at intervals, once for all pages, and tells the open streams what changed. Draws nothing."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from pinai_subnet.console.streams import Streams
from pinai_subnet.insight.network_status import NetworkStatus
from pinai_subnet.runtime.clock import Clock
from pinai_subnet.runtime.health import OK, Finding
from pinai_subnet.runtime.stop import Stop

LATE_LOOKS = 5
"""After how many intervals without a look the console says that it is blind."""

Look = Callable[[], Awaitable[NetworkStatus]]
Draw = Callable[[NetworkStatus], Mapping[str, str]]
"""Returns what is pushed to the pages that show it, by topic."""


class Lookout:
    """The newest look at the network."""

    def __init__(self, *, look: Look, streams: Streams, clock: Clock, every_seconds: float) -> None:
        """Look with `look` every so often; `draw` is given later, because pages need the lookout."""
        self._look = look
        self._streams = streams
        self._clock = clock
        self._every = every_seconds
        self._draw: Draw | None = None
        self._looked_at = clock.monotonic()
        self._status: NetworkStatus | None = None

    def draw_with(self, draw: Draw) -> None:
        """Push what this draws after every look."""
        self._draw = draw

    async def status(self) -> NetworkStatus:
        """Return the newest look; the first one is waited for."""
        return self._status or await self.refresh()

    async def refresh(self) -> NetworkStatus:
        """Look now."""
        before, self._status = self._status, await self._look()
        self._looked_at = self._clock.monotonic()
        if self._draw is not None:
            events = dict(self._draw(self._status))
            if before is None or replace(before, at_ms=0) != replace(self._status, at_ms=0):
                events["changed"] = str(self._status.at_ms)
            self._streams.publish(events)
        return self._status

    def check(self) -> Finding:
        """Say whether the pages are as new as they should be."""
        late = self._clock.monotonic() - self._looked_at
        if late <= LATE_LOOKS * self._every + LATE_LOOKS:
            return OK
        return Finding(False, f"the network was last looked at {late:.0f} s ago", "SN-N128")

    async def run(self, stop: Stop) -> None:
        """Look until told to stop."""
        while not stop.is_set:
            await self.refresh()
            await stop.wait(self._every)
