"""Guard the disk: warns early, and lets this validator only read while there is no room to write. Deletes nothing."""

import math

from pinai_subnet.ports.replication import PausableReplication
from pinai_subnet.runtime.disk import DiskLook, DiskWatch
from pinai_subnet.runtime.logs import get_logger
from pinai_subnet.runtime.stop import Stop
from pinai_subnet.validator.metrics import ValidatorMetrics

_EVERY_SECONDS = 1.0


class GuardDisk:
    """Pauses the replicated log below the floor, or after the disk ran full, and resumes it when there is room."""

    def __init__(
        self,
        *,
        watch: DiskWatch,
        replication: PausableReplication,
        metrics: ValidatorMetrics,
        every_seconds: float = _EVERY_SECONDS,
    ) -> None:
        """Look this often; a look costs one system call."""
        self._watch = watch
        self._replication = replication
        self._metrics = metrics
        self._every_seconds = every_seconds
        self._warned = False
        self._log = get_logger()

    async def run(self, stop: Stop) -> None:
        """Look until told to stop; raise what keeps the log from being opened again, which ends the process."""
        async for _ in stop.periodically(self._every_seconds):
            await self.look()

    async def look(self) -> None:
        """Look once and act on it."""
        look = self._watch.look()
        self._measure(look)
        self._warn(look.warning)
        paused = self._replication.status().paused
        if paused is None and look.below_floor:
            reason = f"SN-V101 {look.space.free_bytes // 1_048_576} MiB free"
            self._log.error("disk_floor_reached", code="SN-V101", reason=reason)
            await self._replication.pause(reason)
        elif paused is not None and look.has_room and await self._replication.resume():
            self._log.info("disk_has_room", free_bytes=look.space.free_bytes)
        self._metrics.disk.read_only.set(self._replication.status().paused is not None)

    def _measure(self, look: DiskLook) -> None:
        full_in = look.full_in_seconds
        self._metrics.disk.free.set(look.space.free_bytes)
        self._metrics.disk.free_ratio.set(look.space.free_ratio)
        self._metrics.disk.full_in.set(math.inf if full_in is None else full_in)

    def _warn(self, warning: str) -> None:
        """Say once that the disk fills, and once that it does no longer."""
        if bool(warning) == self._warned:
            return
        self._warned = bool(warning)
        if warning:
            self._log.warning("disk_nearly_full", code="SN-V106", reason=warning)
        else:
            self._log.info("disk_no_longer_nearly_full")
