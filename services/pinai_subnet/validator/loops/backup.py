"""Backup: takes one every so often and keeps the newest few as files. Verifies nothing; `subnetctl backup` does."""

import asyncio
from pathlib import Path

from pinai_subnet.ports.errors import DependencyError
from pinai_subnet.protocol.errors import SubnetError
from pinai_subnet.runtime.clock import Clock
from pinai_subnet.runtime.files import write_private
from pinai_subnet.runtime.logs import get_logger
from pinai_subnet.runtime.stop import Stop
from pinai_subnet.validator.backup_file import SUFFIX, Backup, encode_backup, file_name
from pinai_subnet.validator.backup_seal import seal
from pinai_subnet.validator.backups import Backups
from pinai_subnet.validator.metrics import ValidatorMetrics


class SaveBackups:
    """The schedule of one validator. A backup that fails is tried again at the next turn, and told."""

    def __init__(
        self,
        *,
        backups: Backups,
        directory: Path,
        every_seconds: float,
        keep: int,
        key: bytes | None,
        metrics: ValidatorMetrics,
        clock: Clock,
    ) -> None:
        """Keep the newest `keep` files of our naming in the directory; other files are never touched.

        With a `key` of 32 bytes the files are encrypted.
        """
        self._backups = backups
        self._directory = directory
        self._every_seconds = every_seconds
        self._keep = keep
        self._key = key
        self._metrics = metrics
        self._clock = clock
        metrics.backup.every.set(every_seconds)

    async def run(self, stop: Stop) -> None:
        """Wait, save, forget the oldest, until told to stop."""
        while not await stop.wait(self._every_seconds):
            try:
                backup = await self._backups.take()
                await asyncio.to_thread(self._save, backup)
            except (DependencyError, SubnetError) as exc:
                self._failed(exc.code, exc.message)
            except OSError as exc:
                self._failed("SN-R078", f"{self._directory}: {exc.strerror or exc}")
            else:
                self._metrics.backup.taken.add(result="saved")
                self._metrics.backup.at.set(self._clock.now())

    def _failed(self, code: str, reason: str) -> None:
        self._metrics.backup.taken.add(result="failed")
        get_logger().error("backup_failed", code=code, reason=reason)

    def _save(self, backup: Backup) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        data = encode_backup(backup.header, backup.state)
        write_private(
            self._directory / file_name(backup.header),
            data if self._key is None else seal(data, self._key),
        )
        subnet = backup.header.subnet_id[-8:]
        kept = sorted(self._directory.glob(f"snap-{subnet}-*{SUFFIX}"))
        for old in kept[: -self._keep]:
            old.unlink(missing_ok=True)
