"""RootLayer's knobs: `rootlayer.yaml`. What it shares with the other members is in `network.yaml`."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, NonNegativeInt, PositiveFloat, PositiveInt

from pinai_subnet.rootlayer.authentication import HeaderMode
from pinai_subnet.rootlayer.intake import IntakeLimits
from pinai_subnet.rootlayer.service import ServiceLimits
from pinai_subnet.runtime.settings import Settings

FILE_NAME = "rootlayer.yaml"


def _empty_is_none(value: Any) -> Any:
    return None if value == "" else value


Port = Annotated[Annotated[int, Field(ge=0, le=65_535)] | None, BeforeValidator(_empty_is_none)]


class ListenSection(Settings):
    """Where RootLayer listens."""

    host: str = "127.0.0.1"
    grpc_port: Port = None
    """None: the port of `endpoints.rootlayer_grpc` in network.yaml; 0: a free one."""
    http_port: Port = None
    """None: the port of `endpoints.rootlayer_http` in network.yaml; 0: a free one."""


class HeadersSection(Settings):
    """How strict RootLayer is about signed request headers."""

    mode: HeaderMode = HeaderMode.ACCEPT
    window_seconds: PositiveFloat = 300


class LimitsSection(Settings):
    """How much one request may carry."""

    params_bytes: PositiveInt = 262_144
    intent_type_bytes: PositiveInt = 128
    min_deadline_seconds: NonNegativeInt = 1
    max_deadline_seconds: PositiveInt = 2_592_000
    batch_items: PositiveInt = 100
    request_bytes: PositiveInt = 33_554_432


class ExpirySection(Settings):
    """When open intents expire."""

    grace_seconds: NonNegativeInt = 120
    every_seconds: PositiveFloat = 1


class StreamsSection(Settings):
    """How much subscribers may cost."""

    max_subscribers: PositiveInt = 200
    queue_events: PositiveInt = 1000


class SettlementSection(Settings):
    """What settlement costs."""

    balance_batches: Annotated[NonNegativeInt | None, BeforeValidator(_empty_is_none)] = None
    """Batches that the settlement account can pay for; None: any number."""


class RootLayerSettings(Settings):
    """The whole file."""

    listen: ListenSection = ListenSection()
    data_dir: Path = Path("data/rootlayer")
    request_headers: HeadersSection = HeadersSection()
    limits: LimitsSection = LimitsSection()
    expiry: ExpirySection = ExpirySection()
    streams: StreamsSection = StreamsSection()
    settlement: SettlementSection = SettlementSection()
    docs: bool = False

    def service_limits(self) -> ServiceLimits:
        """Return what the service takes."""
        limits = self.limits
        return ServiceLimits(
            intake=IntakeLimits(
                params_bytes=limits.params_bytes,
                intent_type_bytes=limits.intent_type_bytes,
                min_deadline_seconds=limits.min_deadline_seconds,
                max_deadline_seconds=limits.max_deadline_seconds,
            ),
            batch_items=limits.batch_items,
            expiry_grace_seconds=self.expiry.grace_seconds,
        )
