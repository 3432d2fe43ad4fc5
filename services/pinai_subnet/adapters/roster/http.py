"""The registry's list of agents over its HTTP API (wire-contract 1.4), cached. Decides nothing about agents."""

import asyncio
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import httpx
from pydantic import BaseModel, ConfigDict, ValidationError

from pinai_subnet.ports.errors import Unreachable
from pinai_subnet.ports.roster import Roster, RosterAgent
from pinai_subnet.protocol.errors import InvalidInput
from pinai_subnet.protocol.ids import AgentId, parse_address, parse_name
from pinai_subnet.runtime.clock import Clock

_ACTIVE = "AGENT_STATUS_ACTIVE"
_MAX_BYTES = 64 * 1024 * 1024


class _Entry(BaseModel):
    """One agent as the registry lists it; keys we do not know are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    id: str
    capabilities: tuple[str, ...] = ()
    endpoint: str = ""
    status: str = _ACTIVE
    last_seen: int = 0
    address: str | None = None


class _Listing(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    agents: tuple[_Entry, ...] = ()


class HttpRoster(Roster):
    """Asks one registry; keeps the last list when the registry is away."""

    def __init__(
        self,
        base_url: str,
        *,
        clock: Clock,
        timeout_seconds: float,
        healthy_seconds: float,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Ask `base_url`; an agent last heard of within `healthy_seconds` and called active is healthy."""
        self._clock = clock
        self._healthy_seconds = healthy_seconds
        self._client = httpx.AsyncClient(
            base_url=base_url, timeout=timeout_seconds, transport=transport, trust_env=False
        )
        self._agents: Mapping[AgentId, RosterAgent] = MappingProxyType({})
        self._loaded_at: float | None = None
        self._loading: asyncio.Task[None] | None = None

    def agents(self) -> Mapping[AgentId, RosterAgent]:
        """Return the last list; health is as of its loading."""
        return self._agents

    def age_seconds(self) -> float | None:
        """Return the age of the list."""
        return None if self._loaded_at is None else self._clock.monotonic() - self._loaded_at

    async def refresh(self) -> None:
        """Load the list; who calls meanwhile waits for the same answer."""
        if self._loading is None:
            self._loading = asyncio.ensure_future(self._load())
            self._loading.add_done_callback(self._loaded)
        await asyncio.shield(self._loading)

    async def close(self) -> None:
        """Close the connections."""
        if self._loading is not None:
            self._loading.cancel()
        await self._client.aclose()

    async def _load(self) -> None:
        try:
            response = await self._client.get("/agents")
            response.raise_for_status()
            listing = _Listing.model_validate_json(response.content[:_MAX_BYTES])
        except (httpx.HTTPError, ValidationError) as exc:
            why = "its answer is not a list of agents" if isinstance(exc, ValidationError) else exc
            raise Unreachable("SN-M311", f"registry {self._client.base_url}: {why!s}") from exc
        now = self._clock.now()
        agents = (self._agent(entry, now) for entry in listing.agents)
        self._agents = MappingProxyType({a.agent_id: a for a in agents if a is not None})
        self._loaded_at = self._clock.monotonic()

    def _agent(self, entry: _Entry, now: float) -> RosterAgent | None:
        try:
            return RosterAgent(
                agent_id=AgentId(parse_name(entry.id, "id")),
                capabilities=frozenset(entry.capabilities),
                endpoint=entry.endpoint,
                healthy=entry.status == _ACTIVE and now - entry.last_seen <= self._healthy_seconds,
                last_seen=entry.last_seen,
                address=parse_address(entry.address, "address") if entry.address else None,
            )
        except InvalidInput:
            # An entry with an impossible name or address can neither bid nor be paid: it is no agent for us.
            return None

    def _loaded(self, task: asyncio.Task[Any]) -> None:
        self._loading = None
        if not task.cancelled():
            # Retrieved here so that nobody waiting is no reason for a warning.
            task.exception()
