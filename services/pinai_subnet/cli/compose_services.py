"""The containers of a network: what each runs, what it alone is given, where it listens. Not how it is written down."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pinai_subnet.cli.ports import PortPlan

Kind = Literal["development", "deployment"]
Pairs = tuple[tuple[str, str], ...]

DEMO_AGENTS = 3
AGENT_HTTP_PORT = 9100
INSIDE = {"MATCHER_GRPC": 8090, "MATCHER_HTTP": 8091}
"""Listeners whose port inside the container is not the one on the host."""
_EVERYWHERE = "0.0.0.0"  # noqa: S104 - of a container; what is reachable is what Compose publishes


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One container."""

    name: str
    command: str
    environment: Pairs
    ports: tuple[tuple[str, int, int], ...] = ()
    """Variable of the host's port, its default, port inside."""
    health_port: int
    memory: str = "512m"
    development: bool = False
    """Whether a deployment starts it in the profile `dev` only."""


def services_of(kind: Kind, validators: int) -> list[Service]:
    """Return the containers of a network of this many validators, in the order in which they are written."""
    ports = {
        name: int(endpoint.rpartition(":")[2])
        for name, endpoint in PortPlan.documented(validators).endpoints.items()
    }
    return [
        _rootlayer(ports),
        _registry(ports),
        _matcher(kind, ports),
        *(_validator(kind, ports, number) for number in range(1, validators + 1)),
        *(_agent(kind, number) for number in range(1, DEMO_AGENTS + 1)),
        _console(kind, ports),
    ]


def _published(ports: Mapping[str, int], *names: str) -> tuple[tuple[str, int, int], ...]:
    return tuple((f"{name}_PORT", ports[name], INSIDE.get(name, ports[name])) for name in names)


def _listeners(ports: Mapping[str, int], *names: str) -> Pairs:
    """Return the ports inside, said in full: the addresses that others use may lead elsewhere first."""
    return tuple((f"{name}_PORT", str(INSIDE.get(name, ports[name]))) for name in names)


def _key(kind: Kind, variable: str, source: str) -> Pairs:
    """Return how a service gets its own key: from its volume, or the one variable of `.env` that is its."""
    if kind == "development":
        return ((f"{variable}_FILE", "/app/data/private.key"),)
    return ((variable, f"${{{source}:-}}"),)


def _rootlayer(ports: Mapping[str, int]) -> Service:
    return Service(
        name="rootlayer",
        command="rootlayer",
        environment=(
            ("ROOTLAYER_LISTEN_HOST", _EVERYWHERE),
            *_listeners(ports, "ROOTLAYER_GRPC", "ROOTLAYER_HTTP"),
        ),
        ports=_published(ports, "ROOTLAYER_GRPC", "ROOTLAYER_HTTP"),
        health_port=ports["ROOTLAYER_HTTP"],
        development=True,
    )


def _registry(ports: Mapping[str, int]) -> Service:
    return Service(
        name="registry",
        command="registry",
        environment=(
            ("REGISTRY_LISTEN_HOST", _EVERYWHERE),
            *_listeners(ports, "REGISTRY_HTTP", "REGISTRY_GRPC"),
        ),
        ports=_published(ports, "REGISTRY_HTTP", "REGISTRY_GRPC"),
        health_port=ports["REGISTRY_HTTP"],
    )


def _matcher(kind: Kind, ports: Mapping[str, int]) -> Service:
    return Service(
        name="matcher",
        command="matcher",
        environment=(
            *_key(kind, "MATCHER_PRIVATE_KEY", "MATCHER_PRIVATE_KEY"),
            ("MATCHER_LISTEN_HOST", _EVERYWHERE),
            *_listeners(ports, *INSIDE),
        ),
        ports=_published(ports, *INSIDE),
        health_port=INSIDE["MATCHER_HTTP"],
        memory="1g",
    )


def _validator(kind: Kind, ports: Mapping[str, int], number: int) -> Service:
    listeners = {end: f"VALIDATOR_{number}_{end}" for end in ("GRPC", "HTTP", "RAFT")}
    return Service(
        name=f"validator-{number}",
        command=f"validator, --id, validator-{number}",
        environment=(
            *_key(kind, "VALIDATOR_KEY", f"VALIDATOR_KEY_{number}"),
            ("VALIDATOR_LISTEN_HOST", _EVERYWHERE),
            *((f"VALIDATOR_{end}_PORT", str(ports[name])) for end, name in listeners.items()),
        ),
        ports=_published(ports, *listeners.values()),
        health_port=ports[listeners["HTTP"]],
        memory="1g",
    )


def _agent(kind: Kind, number: int) -> Service:
    return Service(
        name=f"agent-{number}",
        command=f"simple-agent, --id, agent-{number}",
        environment=(
            *_key(kind, "AGENT_PRIVATE_KEY", f"AGENT_PRIVATE_KEY_{number}"),
            ("AGENT_HTTP_HOST", _EVERYWHERE),
            ("AGENT_HTTP_PORT", str(AGENT_HTTP_PORT)),
        ),
        health_port=AGENT_HTTP_PORT,
        memory="1g",
        development=True,
    )


def _console(kind: Kind, ports: Mapping[str, int]) -> Service:
    """Return the console: inside, everybody of the container network can connect, so its readers sign in."""
    return Service(
        name="console",
        command="console",
        environment=(
            ("AUTH_MODE", "token"),
            *_key(kind, "CONSOLE_TOKEN", "CONSOLE_TOKEN"),
            ("CONSOLE_LISTEN_HOST", _EVERYWHERE),
            *_listeners(ports, "CONSOLE_HTTP"),
        ),
        ports=_published(ports, "CONSOLE_HTTP"),
        health_port=ports["CONSOLE_HTTP"],
        memory="256m",
    )
