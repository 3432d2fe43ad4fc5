"""Bids: asks the author's `Bidding` about each open window and submits what it offers. Not how prices are made."""

import asyncio
import uuid
from collections.abc import Callable

from pinai_subnet.agent.metrics import AgentMetrics
from pinai_subnet.agent.network import IntentUpdate, Matcher, OutgoingBid, OutgoingDecline
from pinai_subnet.agent.options import AgentOptions
from pinai_subnet.agent.work import Bidding, NoOffer, Offer, OpenIntent
from pinai_subnet.ports.errors import DependencyError, Refused
from pinai_subnet.runtime.clock import Clock
from pinai_subnet.runtime.logs import get_logger

OPEN_UPDATES = frozenset({"NEW_INTENT", "EXISTING_INTENT"})
_QUEUED = 2000
_MAX_PRICE = 2**64 - 1
DECLINE_BATCH = 100
"""Declines in one call; the matcher takes no more."""


class Bidder:
    """Bids on windows that are open (known defect P3: not on MATCHED, not on WINDOW_CLOSED), while there is room."""

    def __init__(
        self,
        *,
        options: AgentOptions,
        matcher: Matcher,
        bidding: Bidding,
        no_room: Callable[[], str],
        metrics: AgentMetrics,
        clock: Clock,
        chain_address: str | None,
    ) -> None:
        """Name `chain_address` in every bid: it is who the network pays. `no_room` says why no task fits."""
        self._options = options
        self._matcher = matcher
        self._bidding = bidding
        self._no_room = no_room
        self._metrics = metrics
        self._clock = clock
        self._chain_address = chain_address
        self._queue: asyncio.Queue[OutgoingBid] = asyncio.Queue(_QUEUED)
        self._declines: asyncio.Queue[OutgoingDecline] = asyncio.Queue(_QUEUED)
        self._telling = True
        self._log = get_logger()

    async def consider(self, intent_type: str, update: IntentUpdate) -> None:
        """Queue a bid for an open window if the author wants one."""
        if update.update_type not in OPEN_UPDATES:
            return
        full = self._no_room()
        if full:
            self._metrics.bid("no_room", 1)
            self._decline(update.intent_id, full)
            return
        intent = OpenIntent(
            intent_id=update.intent_id, intent_type=intent_type, update_type=update.update_type
        )
        try:
            offer = await self._bidding.price(intent)
        except Exception as exc:  # noqa: BLE001 - an author's pricing is a boundary: no price, no bid
            self._log.error("bidding_failed", intent_id=intent.intent_id, error=str(exc))
            return
        if isinstance(offer, NoOffer):
            self._metrics.bid("declined", 1)
            self._decline(intent.intent_id, offer.reason)
            return
        if offer is None:
            return
        if not 0 <= offer.price <= _MAX_PRICE:
            self._log.error("price_out_of_range", intent_id=intent.intent_id, price=offer.price)
            return
        try:
            self._queue.put_nowait(self._bid(intent, offer))
            self._metrics.waiting(self._queue.qsize())
        except asyncio.QueueFull:
            self._metrics.bid("dropped", 1)

    async def run(self) -> None:
        """Submit queued bids for ever, those that wait together; cancelling is safe."""
        while True:
            bids = [await self._queue.get()]
            while len(bids) < self._options.bid_batch and not self._queue.empty():
                bids.append(self._queue.get_nowait())
            self._metrics.waiting(self._queue.qsize())
            try:
                answers = await self._matcher.submit_bids(bids)
            except DependencyError as exc:
                # A window does not wait: the bid is lost, and the stream offers open windows again on reconnect.
                self._metrics.bid("failed", len(bids))
                self._log.warning("bids_failed", bids=len(bids), error=str(exc))
                continue
            for bid, answer in zip(bids, answers, strict=False):
                self._metrics.bid("accepted" if answer.accepted else "refused", 1)
                self._log.debug(
                    "bid_answered",
                    intent_id=bid.intent_id,
                    bid_id=bid.bid_id,
                    price=bid.price,
                    accepted=answer.accepted,
                    reason=answer.reason,
                )

    async def tell_declines(self) -> None:
        """Tell the matcher for ever why there is no bid; cancelling is safe.

        A matcher that does not know the call is told nothing more: it is of an earlier release, or another's.
        """
        while True:
            words = [await self._declines.get()]
            while len(words) < DECLINE_BATCH and not self._declines.empty():
                words.append(self._declines.get_nowait())
            try:
                await self._matcher.decline(words)
            except Refused as exc:
                self._log.info("declining_not_possible", error=str(exc))
                self._telling = False
                await asyncio.get_running_loop().create_future()
            except DependencyError as exc:
                self._log.debug("declines_failed", declines=len(words), error=str(exc))

    def _decline(self, intent_id: str, reason: str) -> None:
        if self._telling and not self._declines.full():
            self._declines.put_nowait(OutgoingDecline(intent_id=intent_id, reason=reason))

    def _bid(self, intent: OpenIntent, offer: Offer) -> OutgoingBid:
        metadata = dict(offer.metadata)
        if self._chain_address:
            metadata.setdefault("chain_address", self._chain_address)
        return OutgoingBid(
            bid_id=f"0x{uuid.uuid4().hex}{uuid.uuid4().hex}",
            intent_id=intent.intent_id,
            price=offer.price,
            token=offer.token,
            nonce=uuid.uuid4().hex,
            submitted_at=int(self._clock.now()),
            metadata=tuple(metadata.items()),
        )
