"""The registry's knobs: `registry.yaml`."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PositiveFloat, PositiveInt, model_validator

from pinai_subnet.registry.admission import AdmissionLimits
from pinai_subnet.registry.roster import Lifetimes
from pinai_subnet.runtime.settings import Settings

FILE_NAME = "registry.yaml"


def _empty_is_none(value: Any) -> Any:
    return None if value == "" else value


Port = Annotated[Annotated[int, Field(ge=0, le=65_535)] | None, BeforeValidator(_empty_is_none)]


class ListenSection(Settings):
    """Where the registry listens."""

    host: str = "127.0.0.1"
    http_port: Port = None
    """None: the port of `endpoints.registry_http` in network.yaml; 0: a free one."""
    grpc_port: Port = None
    """None: the port of `endpoints.registry_grpc` in network.yaml; 0: a free one."""


class LifetimesSection(Settings):
    """How long silence is tolerated."""

    healthy_seconds: PositiveInt = 300
    evicted_seconds: PositiveInt = 600
    forgotten_seconds: PositiveInt = 604_800
    max_entries: PositiveInt = 10_000

    @model_validator(mode="after")
    def _in_order(self) -> "LifetimesSection":
        if not self.healthy_seconds <= self.evicted_seconds <= self.forgotten_seconds:
            raise ValueError("expected healthy_seconds <= evicted_seconds <= forgotten_seconds")
        return self

    def value(self) -> Lifetimes:
        """Return what the roster takes."""
        return Lifetimes(**self.model_dump())


class LimitsSection(Settings):
    """How much one request may carry."""

    max_body_bytes: PositiveInt = 16_384
    max_capabilities: PositiveInt = 64
    max_capability_length: PositiveInt = 128
    max_endpoint_length: PositiveInt = 256
    calls_per_second: PositiveFloat = 200
    burst: PositiveFloat = 1000

    def value(self) -> AdmissionLimits:
        """Return what the admission rules take."""
        return AdmissionLimits(**self.model_dump(exclude={"max_body_bytes"}))


class RegistrySettings(Settings):
    """The whole file."""

    listen: ListenSection = ListenSection()
    data_dir: Path = Path("data/registry")
    require_signed: bool = False
    bind_validators: bool = True
    lifetimes: LifetimesSection = LifetimesSection()
    limits: LimitsSection = LimitsSection()
    sweep_seconds: PositiveFloat = 30
    docs: bool = False
