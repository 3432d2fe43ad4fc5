"""simple-agent's knobs: `agent.yaml`. What it shares with the other members is in `network.yaml`."""

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

from pinai_subnet.agent.tasks.script import DEFAULT_COMMANDS, ScriptLimits
from pinai_subnet.runtime.settings import Settings

FILE_NAME = "agent.yaml"


def _empty_is_none(value: Any) -> Any:
    return None if value == "" else value


OptionalText = Annotated[str | None, BeforeValidator(_empty_is_none)]
OptionalPath = Annotated[Path | None, BeforeValidator(_empty_is_none)]
Price = Annotated[int, Field(ge=0, lt=2**64)]


class EchoSection(Settings):
    """The task `echo`."""

    price: Price = 10


class JsonTransformSection(Settings):
    """The task `json-transform`."""

    price: Price = 20
    workers: PositiveInt = 1
    seconds: PositiveFloat = 5
    memory_mb: PositiveInt = 512
    max_expression: PositiveInt = 4096


class ScriptLimitsSection(Settings):
    """What one command may use."""

    wall_seconds: PositiveFloat = 20
    cpu_seconds: PositiveInt = 10
    memory_mb: PositiveInt = 512
    file_mb: PositiveInt = 16
    processes: PositiveInt = 16
    output_bytes: PositiveInt = 1_048_576
    max_arguments: PositiveInt = 64
    max_argument_length: PositiveInt = 8192

    def value(self) -> ScriptLimits:
        """Return what the task takes."""
        return ScriptLimits(**self.model_dump())


class ScriptSection(Settings):
    """The task `script`."""

    price: Price = 30
    commands: tuple[str, ...] = DEFAULT_COMMANDS
    limits: ScriptLimitsSection = ScriptLimitsSection()


class TasksSection(Settings):
    """Which tasks the agent does; null leaves one out."""

    echo: EchoSection | None = EchoSection()
    json_transform: JsonTransformSection | None = Field(
        default=JsonTransformSection(), alias="json-transform"
    )
    script: ScriptSection | None = ScriptSection()


class PricingSection(Settings):
    """How prices leave the agent."""

    token: str = "PIN"  # noqa: S105 - a currency
    jitter: Annotated[float, Field(ge=0, lt=1)] = 0.0


class LimitsSection(Settings):
    """How much the agent takes on, and how patient it is."""

    capacity: PositiveInt = 4
    backlog: NonNegativeInt = 64
    task_seconds: PositiveFloat = 30
    max_result_bytes: PositiveInt = 1_048_576
    rpc_seconds: PositiveFloat = 10
    report_seconds: PositiveFloat = 20
    report_batch: PositiveInt = 100
    bid_batch: PositiveInt = 100
    report_retention_seconds: PositiveFloat = 86_400
    reconnect_cap_seconds: PositiveFloat = 10
    drain_seconds: NonNegativeFloat = 15


class RegistrySection(Settings):
    """How the agent appears in the registry."""

    enabled: bool = True
    heartbeat_seconds: PositiveFloat = 30
    endpoint: str = ""


class HttpSection(Settings):
    """Health and metrics."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 0


class AgentSettings(Settings):
    """The whole file."""

    id: str = "agent-1"
    private_key: SecretStr | None = None
    private_key_file: OptionalPath = None
    chain_address: OptionalText = None
    data_dir: Path = Path("data")
    matcher: OptionalText = None
    validators: tuple[str, ...] = ()
    tasks: TasksSection = TasksSection()
    pricing: PricingSection = PricingSection()
    limits: LimitsSection = LimitsSection()
    registry: RegistrySection = RegistrySection()
    http: HttpSection = HttpSection()
