"""The validator's knobs: `validator.yaml`. What members share is in `network.yaml`."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BeforeValidator,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    SecretStr,
)

from pinai_subnet.runtime.disk import DiskLimits
from pinai_subnet.runtime.otlp import TracingSection
from pinai_subnet.runtime.settings import Settings
from pinai_subnet.validator.loops.duty import Backoff
from pinai_subnet.validator.reception import IntakeLimits

FILE_NAME = "validator.yaml"


def _empty_is_none(value: Any) -> Any:
    return None if value == "" else value


Port = Annotated[Annotated[int, Field(ge=0, le=65_535)] | None, BeforeValidator(_empty_is_none)]
OptionalPath = Annotated[Path | None, BeforeValidator(_empty_is_none)]


class ListenSection(Settings):
    """Where this validator listens."""

    host: str = "127.0.0.1"
    grpc_port: Port = None
    http_port: Port = None
    raft_port: Port = None


class IntakeSection(Settings):
    """How much is taken in, from whom."""

    reports_per_second: PositiveFloat = 1000
    burst: PositiveFloat = 2000
    max_report_bytes: PositiveInt = 4_194_304
    max_batch: PositiveInt = 200
    queue: PositiveInt = 5000
    group_reports: Annotated[int, Field(ge=1, le=1000)] = 100
    group_bytes: PositiveInt = 262_144
    commands_in_flight: Annotated[int, Field(ge=1, le=64)] = 2
    unknown_assignment_wait_seconds: NonNegativeFloat = 3
    max_waiting_for_assignment: PositiveInt = 1000

    def limits(self) -> IntakeLimits:
        """Return what the reception takes."""
        return IntakeLimits(**self.model_dump())


class VerifySection(Settings):
    """How verdicts are recorded."""

    group: Annotated[int, Field(ge=1, le=1000)] = 64


class SealSection(Settings):
    """When and how large epochs are sealed."""

    max_items: Annotated[int, Field(ge=1, le=100)] = 100
    max_open_epochs: Annotated[int, Field(ge=1, le=8)] = 2
    min_interval_seconds: NonNegativeFloat = 0


class SettleSection(Settings):
    """How RootLayer is told."""

    retry_initial_seconds: PositiveFloat = 0.2
    retry_max_seconds: PositiveFloat = 10
    refused_attempts: PositiveInt = 5
    early_attempts: PositiveInt = 60

    def backoff(self) -> Backoff:
        """Return how long to wait between attempts."""
        return Backoff(
            initial_seconds=self.retry_initial_seconds, max_seconds=self.retry_max_seconds
        )


class ArchiveSection(Settings):
    """How long results and verdicts are kept."""

    keep_days: PositiveInt = 30
    max_records: PositiveInt = 1_000_000


class RegistrySection(Settings):
    """Whether and how often the registry hears from this validator."""

    enabled: bool = True
    heartbeat_seconds: PositiveFloat = 30


class ReplicationSection(Settings):
    """Timing of the replicated log; all validators should have the same values."""

    submit_timeout_seconds: PositiveFloat = 20
    election_min_seconds: PositiveFloat = 0.3
    election_max_seconds: PositiveFloat = 0.6
    heartbeat_seconds: PositiveFloat = 0.05
    compact_after_entries: PositiveInt = 20_000
    keep_entries: NonNegativeInt = 2_000


class BackupSection(Settings):
    """Whether and how often this validator saves a backup of the ledger by itself."""

    every_seconds: NonNegativeFloat = 0
    """0: never."""
    keep: PositiveInt = 7
    directory: OptionalPath = None
    """None: `backups` in the data directory."""
    key_file: OptionalPath = None
    """32 bytes as 64 hex digits; None: backups are not encrypted."""


class HealthSection(Settings):
    """When the validator says that it is not well."""

    stalled_after_seconds: PositiveFloat = 15
    min_free_mb: NonNegativeInt = 256
    warn_free_percent: Annotated[float, Field(ge=0, le=100)] = 15
    warn_full_in_days: NonNegativeFloat = 7

    def disk(self) -> DiskLimits:
        """Return when this validator warns, and when it only reads."""
        return DiskLimits(
            floor_bytes=self.min_free_mb * 1_048_576,
            warn_free_percent=self.warn_free_percent,
            warn_days=self.warn_full_in_days,
        )


class ValidatorSettings(Settings):
    """The whole file."""

    private_key: SecretStr = SecretStr("")
    private_key_file: OptionalPath = None
    listen: ListenSection = ListenSection()
    data_dir: Path = Path("data")
    safety_tick_seconds: PositiveFloat = 1
    expire_every_seconds: PositiveFloat = 1
    max_concurrent_calls: PositiveInt = 2000
    docs: bool = False
    tracing: TracingSection = TracingSection()
    intake: IntakeSection = IntakeSection()
    verify: VerifySection = VerifySection()
    seal: SealSection = SealSection()
    settle: SettleSection = SettleSection()
    archive: ArchiveSection = ArchiveSection()
    registry: RegistrySection = RegistrySection()
    replication: ReplicationSection = ReplicationSection()
    health: HealthSection = HealthSection()
    backup: BackupSection = BackupSection()
