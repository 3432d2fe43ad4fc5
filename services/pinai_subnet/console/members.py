"""Asks the members for what lists and tables show, as rows. What a silent member would have told is named instead."""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from pinai_subnet.console.reading import Document, Reading
from pinai_subnet.console.rows import (
    AgentRow,
    AuctionRow,
    EpochRow,
    IntentRow,
    Pages,
    agent_rows,
    auction_row,
    epoch_row,
    intent_row,
    objects,
    text,
    whole,
)
from pinai_subnet.insight.network_status import NetworkStatus
from pinai_subnet.ports.errors import DependencyError
from pinai_subnet.protocol.errors import NotFound

T = TypeVar("T")
AUCTIONS = 8
"""How many auctions one page shows."""
EPOCHS = 20
"""How many batches one page shows."""
MAX_OFFSET = 1_000_000
PHASES = ("open", "closed", "assigned", "confirmed", "reported", "completed", "failed", "expired")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found(Generic[T]):
    """What was asked for, and who did not answer with what reason."""

    value: T
    silent: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentList:
    """One page of the list."""

    rows: tuple[IntentRow, ...]
    pages: Pages


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where members answer over HTTP."""

    matcher: str
    registry: str
    validators: tuple[tuple[str, str], ...]
    """Id and address, in the order of the set."""


class Members:
    """Questions whose answers become rows."""

    def __init__(self, reading: Reading, addresses: Addresses, *, rows: int) -> None:
        """Ask at these addresses; lists have so many rows a page."""
        self._reading = reading
        self._at = addresses
        self._rows = rows

    async def intents(self, *, phase: str, intent_type: str, offset: int) -> Found[IntentList]:
        """Return one page of the matcher's intents, newest first."""
        parameters = {"limit": self._rows, "offset": min(offset, MAX_OFFSET)}
        wanted = {"phase": phase, "intent_type": intent_type}
        query = parameters | {name: value for name, value in wanted.items() if value}
        found = await self._or_empty(self._matcher("/api/v1/intents", query))
        rows = tuple(intent_row(entry) for entry in objects(found.value, "intents"))
        pages = Pages(total=whole(found.value, "total") or 0, offset=offset, rows=self._rows)
        return Found(value=IntentList(rows=rows, pages=pages), silent=found.silent)

    async def auctions(self, offset: int) -> Found[tuple[tuple[AuctionRow, ...], Pages]]:
        """Return the newest auctions with their bids."""
        query = {"limit": AUCTIONS, "offset": min(offset, MAX_OFFSET)}
        listing = await self._or_empty(self._matcher("/api/v1/intents", query))
        ids = [text(entry, "intent_id") for entry in objects(listing.value, "intents")]
        told = await asyncio.gather(
            *(self._or_empty(self._matcher(f"/api/v1/intents/{i}")) for i in ids if i.isalnum())
        )
        rows = tuple(auction_row(found.value) for found in told if found.value)
        pages = Pages(total=whole(listing.value, "total") or 0, offset=offset, rows=AUCTIONS)
        silent = {name: None for found in (listing, *told) for name in found.silent}
        return Found(value=(rows, pages), silent=tuple(silent))

    async def agents(self) -> Found[tuple[AgentRow, ...]]:
        """Return every agent that matcher or registry knows."""
        met, listed = await asyncio.gather(
            self._or_empty(self._matcher("/api/v1/agents", {"limit": 1000})),
            self._or_empty(self._reading.get("registry", self._at.registry, "/agents")),
        )
        return Found(
            value=agent_rows(met.value, listed.value), silent=(*met.silent, *listed.silent)
        )

    async def epochs(self, status: NetworkStatus) -> Found[tuple[EpochRow, ...]]:
        """Return the newest batches, as the validator that knows most of them tells."""
        places = dict(self._at.validators)
        telling = [one for one in status.validators if one.id in places]
        knowing = max(telling, key=lambda one: one.epoch or 0, default=None)
        if knowing is None or not knowing.epoch:
            return Found(value=())
        base = places[knowing.id]
        numbers = range(knowing.epoch, max(0, knowing.epoch - EPOCHS), -1)
        told = await asyncio.gather(
            *(
                self._or_empty(self._reading.get(knowing.id, base, f"/api/v1/epochs/{number}"))
                for number in numbers
            )
        )
        names: Sequence[str] = [name for name, _ in self._at.validators]
        rows = tuple(epoch_row(found.value, names) for found in told if found.value)
        silent = {name: None for found in told for name in found.silent}
        return Found(value=rows, silent=tuple(silent))

    def _matcher(self, path: str, query: Mapping[str, object] | None = None) -> Awaitable[Document]:
        return self._reading.get("matcher", self._at.matcher, path, query)

    @staticmethod
    async def _or_empty(answer: Awaitable[Document]) -> Found[Document]:
        """Return the answer; an empty one with the reason where there is none."""
        try:
            return Found(value=await answer)
        except NotFound:
            return Found(value={})
        except DependencyError as error:
            return Found(value={}, silent=(str(error),))
