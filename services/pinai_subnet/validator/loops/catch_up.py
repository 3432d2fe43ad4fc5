"""Catch up: a started validator is ready once its ledger holds everything that was acknowledged before its start."""

from pinai_subnet.ports.errors import DependencyError
from pinai_subnet.runtime.health import OK, Finding
from pinai_subnet.runtime.stop import Stop
from pinai_subnet.validator.replica import Replica

_PAUSE_SECONDS = 0.05
_TIMEOUT_SECONDS = 1.0
"""A barrier that takes longer is asked for again: the process may have been told to stop meanwhile."""


class CatchUp:
    """Until one barrier has come back, what this validator answers may be older than what it once acknowledged."""

    def __init__(self, *, replica: Replica) -> None:
        """Nothing is caught up yet."""
        self._replica = replica
        self._done = False

    async def run(self, stop: Stop) -> None:
        """Ask for a barrier until one comes back, then rest."""
        async for _ in stop.periodically(_PAUSE_SECONDS):
            try:
                await self._replica.current(timeout_seconds=_TIMEOUT_SECONDS)
            except DependencyError:
                continue  # no leader yet; a failed engine is the observer's to report
            self._done = True
            break
        await stop.wait()

    def check(self) -> Finding:
        """Say whether the ledger has caught up since the start; a node outside the set has nothing to catch up with."""
        status = self._replica.status()
        if self._done or status.membership == "outsider":
            return OK
        return Finding(
            False,
            f"catching up since the start: entry {status.applied_index} applied, "
            f"{max(status.commit_index, status.last_index)} known",
            "SN-V104",
        )
