"""The registry's use cases: one path for HTTP and gRPC. Decides nothing itself: rules are in `roster`, `admission`."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Protocol

from pinai_subnet.protocol.errors import Exhausted
from pinai_subnet.protocol.ids import Address
from pinai_subnet.registry.admission import (
    AdmissionLimits,
    admit_capabilities,
    admit_endpoint,
    admit_id,
)
from pinai_subnet.registry.metrics import RegistryMetrics
from pinai_subnet.registry.roster import Entry, Kind, Roster, Status
from pinai_subnet.runtime.clock import Clock
from pinai_subnet.runtime.limits import RateLimiter

Changes = Mapping[tuple[Kind, str], Entry | None]


class Store(Protocol):
    """Where the roster survives a restart."""

    async def save(self, changes: Changes) -> None:
        """Write the changed entries and remove those that are None, all or nothing; durable on return."""
        ...


class Registry:
    """Who is in the network. Every accepted change is on disk before it is answered."""

    def __init__(
        self,
        *,
        roster: Roster,
        store: Store,
        clock: Clock,
        limits: AdmissionLimits,
        metrics: RegistryMetrics,
    ) -> None:
        """Serve this roster and write its changes to the store."""
        self._roster = roster
        self._store = store
        self._clock = clock
        self._limits = limits
        self._rates = RateLimiter(per_second=limits.calls_per_second, burst=limits.burst)
        self._metrics = metrics
        self._unsaved: dict[tuple[Kind, str], Entry | None] = {}
        self._saving = asyncio.Lock()

    async def register(
        self,
        *,
        kind: Kind,
        member_id: str,
        capabilities: Sequence[str] = (),
        endpoint: str,
        caller: Address | None,
    ) -> Entry:
        """Add or overwrite a member; raises as `admission` and `Roster.register` do."""
        agent = kind is Kind.AGENT
        entry = self._roster.register(
            kind=kind,
            member_id=admit_id(member_id),
            capabilities=admit_capabilities(capabilities, self._limits) if agent else (),
            endpoint=admit_endpoint(endpoint, self._limits, required=not agent),
            caller=caller,
            now=self._now(),
        )
        await self._save()
        self._metrics.registered(kind)
        return entry

    async def heartbeat(
        self, *, kind: Kind, member_id: str, status: Status, caller: Address | None
    ) -> Entry:
        """Record a sign of life; raises as `Roster.heartbeat` does."""
        entry = self._roster.heartbeat(
            kind=kind, member_id=admit_id(member_id), status=status, caller=caller, now=self._now()
        )
        await self._save()
        return entry

    async def unregister(self, *, kind: Kind, member_id: str, caller: Address | None) -> None:
        """Remove a member; raises as `Roster.unregister` does."""
        self._roster.unregister(
            kind=kind, member_id=admit_id(member_id), caller=caller, now=self._now()
        )
        await self._save()

    def admit(self, caller: Address | None, host: str) -> None:
        """Count one call of a proven signer, or of this address; raise `Exhausted` SN-N206 beyond the rate."""
        key, now = caller or host, self._clock.monotonic()
        if not self._rates.admit(key, now=now):
            wait = self._rates.retry_after_seconds(key, now=now)
            raise Exhausted("SN-N206", f"too many calls from {key}; try again in {wait:.1f} s")

    def get(self, *, kind: Kind, member_id: str) -> Entry:
        """Return one visible member; raises `NotFound` SN-N212."""
        return self._roster.get(kind=kind, member_id=admit_id(member_id), now=self._now())

    def listing(
        self, *, kind: Kind, capabilities: Sequence[str] = (), status: Status = Status.UNKNOWN
    ) -> list[Entry]:
        """Return the visible members by id, filtered."""
        return self._roster.listing(
            kind=kind, now=self._now(), capabilities=capabilities, status=status
        )

    def discover(self, *, capabilities: Sequence[str]) -> list[Entry]:
        """Return the active, healthy agents that have all `capabilities`, by id."""
        return self._roster.discover(capabilities=capabilities, now=self._now())

    async def forget(self) -> list[Entry]:
        """Drop what has been silent for too long, publish the counts, and return what was dropped."""
        gone = self._roster.forget(self._now())
        await self._save()
        for kind in Kind:
            self._metrics.visible(kind, self._roster.count(kind=kind, now=self._now()))
        return gone

    def _now(self) -> int:
        return int(self._clock.now())

    async def _save(self) -> None:
        # What a failed write left over goes along with the next one; a later change of the same entry replaces it.
        self._unsaved.update(self._roster.take_changes())
        async with self._saving:
            batch, self._unsaved = self._unsaved, {}
            if not batch:
                return
            saved = False
            try:
                await self._store.save(batch)
                saved = True
            finally:
                if not saved:
                    self._unsaved = {**batch, **self._unsaved}
