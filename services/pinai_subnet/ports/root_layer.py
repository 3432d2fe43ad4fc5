"""The RootLayer as we need it: where intents come from and where assignments and batches go (wire-contract 2)."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from pinai_subnet.ports.errors import Unreachable
from pinai_subnet.protocol.assignments import Assignment
from pinai_subnet.protocol.batches import BatchItem
from pinai_subnet.protocol.ids import Address, IntentId, SubnetId
from pinai_subnet.protocol.intents import Intent, IntentStatus
from pinai_subnet.protocol.membership import SignedSetChange
from pinai_subnet.protocol.set_starts import SetStart


class OutOfFunds(Unreachable):
    """The settlement account cannot pay: nothing was taken, and the same call works when there are funds again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentPage:
    """One page of a listing."""

    intents: Sequence[Intent]
    page: int
    total_pages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedBatch:
    """A final batch as RootLayer takes it; item order is the signed order."""

    subnet_id: SubnetId
    epoch: int
    root_hash: bytes
    aggregator_id: str
    completed_at: int
    signatures: Sequence[tuple[Address, bytes]]
    signer_bitmap: bytes
    total_weight: int
    items: Sequence[BatchItem]
    items_hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemResult:
    """RootLayer's answer for one assignment or one item of a batch."""

    ok: bool
    message: str
    receipt_id: str
    retryable: bool = False
    """Refused for now: RootLayer may take it when it is sent again, for example once an assignment is posted."""


class RootLayer(Protocol):
    """Delivery: every write is idempotent at RootLayer, so a call whose outcome is unknown is repeated as it was.

    All calls raise `Unreachable` (retry later) or `Refused` (final). Cancelling a call is safe.
    """

    def watch_intents(self, subnet_id: SubnetId) -> AsyncIterator[Intent]:
        """Yield pending intents as they come, none of the past; ends or raises `Unreachable` when the stream breaks."""
        ...

    async def list_intents(
        self, subnet_id: SubnetId, status: IntentStatus, page: int
    ) -> IntentPage:
        """Return one page (1-based, 100 items, oldest first) of the intents in a status."""
        ...

    async def get_intent(self, intent_id: IntentId) -> Intent | None:
        """Return one intent, or None if RootLayer does not know it."""
        ...

    async def post_assignments(self, assignments: Sequence[Assignment]) -> Sequence[ItemResult]:
        """Post assignments in one call, falling back to single calls; one result per assignment, same order."""
        ...

    async def submit_batch(self, batch: SignedBatch) -> Sequence[ItemResult]:
        """Hand over one final batch; one result per item, same order. Exactly-once effect per (subnet, epoch)."""
        ...

    async def follow_sets(self, changes: Sequence[SignedSetChange], start: SetStart) -> None:
        """Tell RootLayer of changes of the validator set, before the first batch under them; in order, repeatable.

        `start` proves from which epochs they count.
        """
        ...

    async def close(self) -> None:
        """Close the connection; safe to call twice."""
        ...
