"""Keeps the registry's list fresh: every few seconds, and at once when an agent calls that it does not have yet."""

from collections.abc import Callable

from pinai_subnet.ports.errors import DependencyError
from pinai_subnet.ports.roster import Roster
from pinai_subnet.protocol.ids import AgentId
from pinai_subnet.runtime.clock import Clock
from pinai_subnet.runtime.logs import get_logger
from pinai_subnet.runtime.stop import Stop

_AT_MOST_EVERY_SECONDS = 0.25


class RosterWatch:
    """Refreshes a roster. A registry that is away is logged once; the old list stays in use."""

    def __init__(
        self, *, roster: Roster, clock: Clock, seconds: float, refreshed: Callable[[], None]
    ) -> None:
        """Tell `refreshed` after every successful refresh."""
        self._roster = roster
        self._clock = clock
        self._seconds = seconds
        self._refreshed = refreshed
        self._asked_at = float("-inf")
        self._log = get_logger()
        self.failure: str | None = None
        """Why the last refresh failed; None after a successful one."""

    async def run(self, stop: Stop) -> None:
        """Refresh until stopped."""
        async for _ in stop.periodically(self._seconds):
            await self._refresh()

    async def look_up(self, agent_id: AgentId) -> None:
        """Ask for an agent that registered a moment ago; not while the registry is away, and not more than often."""
        if agent_id in self._roster.agents() or self.failure is not None:
            return
        if self._clock.monotonic() - self._asked_at < _AT_MOST_EVERY_SECONDS:
            return
        await self._refresh()

    async def _refresh(self) -> None:
        self._asked_at = self._clock.monotonic()
        try:
            await self._roster.refresh()
        except DependencyError as exc:
            if self.failure is None:
                age = self._roster.age_seconds()
                self._log.warning("registry_unreachable", error=str(exc), age_seconds=age)
            self.failure = str(exc)
            return
        if self.failure is not None:
            self._log.info("registry_reachable")
        self.failure = None
        self._refreshed()
