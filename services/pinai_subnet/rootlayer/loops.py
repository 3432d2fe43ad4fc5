"""RootLayer's background work: ending what nobody finished in time. The rule is `recording.record_expiry`."""

from pinai_subnet.rootlayer.service import RootLayerService
from pinai_subnet.runtime.errors import NoRoom
from pinai_subnet.runtime.logs import get_logger
from pinai_subnet.runtime.stop import Stop


class ExpireIntents:
    """Expires overdue intents and keeps the gauges up to date."""

    def __init__(self, *, service: RootLayerService, every_seconds: float) -> None:
        """Look with this pause in between."""
        self._service = service
        self._every = every_seconds
        self._log = get_logger()

    async def run(self, stop: Stop) -> None:
        """Expire until stopped; a full turn is followed by the next one at once."""
        async for _ in stop.periodically(self._every):
            try:
                await self._expire()
            except NoRoom as exc:
                self._log.warning("intents_not_expired", code=exc.code, reason=exc.message)
            await self._service.publish_metrics()

    async def _expire(self) -> None:
        total = 0
        while count := await self._service.expire_intents():
            total += count
        if total:
            self._log.info("intents_expired", count=total)
