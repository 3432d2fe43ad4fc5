"""Who is registered in the network, as the matcher needs it. The registry's own rules are not here."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from pinai_subnet.protocol.ids import Address, AgentId


@dataclass(frozen=True, slots=True, kw_only=True)
class RosterAgent:
    """One registered agent."""

    agent_id: AgentId
    capabilities: frozenset[str]
    endpoint: str
    healthy: bool
    """The registry calls it active and has heard from it recently."""
    last_seen: int
    """Unix seconds."""
    address: Address | None
    """The key the registration was signed with; None for an unsigned one."""


class Roster(Protocol):
    """A cached list of agents that is kept when the registry is away (fail static); its age says how old it is."""

    def agents(self) -> Mapping[AgentId, RosterAgent]:
        """Return the last known list; never blocks. Empty before the first successful refresh."""
        ...

    def age_seconds(self) -> float | None:
        """Return how old the list is; None if it was never loaded."""
        ...

    async def refresh(self) -> None:
        """Load the list; calls at the same time share one request. Raises `Unreachable` and keeps the old list."""
        ...

    async def close(self) -> None:
        """Close connections; safe to call twice."""
        ...
