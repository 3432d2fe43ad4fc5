"""Holds recorded auctions again under other rules. What agents were worth is as recorded; nothing learns in between."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from pinai_subnet.matcher.auction import AuctionRules, Candidate, rank
from pinai_subnet.protocol.ids import AgentId, BidId

FORM = 1
MAX_CANDIDATES = 10_000
Text = Annotated[str, Field(min_length=1, max_length=256)]
Share = Annotated[float, Field(ge=0, le=1)]


class _Recorded(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class RecordedCandidate(_Recorded):
    """One bid as it was weighed."""

    bid_id: Text
    agent_id: Text
    price: Annotated[int, Field(ge=0, lt=2**64)]
    received_at_ms: Annotated[int, Field(ge=0)]
    reputation: Share
    capability: Share
    latency_seconds: Annotated[float, Field(ge=0)] | None = None


class RecordedAuction(_Recorded):
    """One auction; `winner` is None where no bid reached the minimum score."""

    intent_id: Text
    intent_type: Text
    candidates: Annotated[
        tuple[RecordedCandidate, ...], Field(min_length=1, max_length=MAX_CANDIDATES)
    ]
    winner: str | None


class Recording(_Recorded):
    """A whole file."""

    form: Literal[1]
    auctions: tuple[RecordedAuction, ...]


class Replayed(_Recorded):
    """What one auction would have given. Prices are the winners'."""

    intent_id: str
    intent_type: str
    was: str | None
    would_be: str | None
    price_was: int | None
    price_would_be: int | None

    @property
    def changed(self) -> bool:
        """Whether somebody else would have won."""
        return self.was != self.would_be


def replay(auction: RecordedAuction, rules: AuctionRules) -> Replayed:
    """Rank the bids of one auction again."""
    candidates = [
        Candidate(
            bid_id=BidId(one.bid_id),
            agent_id=AgentId(one.agent_id),
            price=one.price,
            received_at_ms=one.received_at_ms,
            reputation=one.reputation,
            capability=one.capability,
            latency_seconds=one.latency_seconds,
        )
        for one in auction.candidates
    ]
    first = rank(candidates, rules, auction.intent_id)[0]
    prices = {one.agent_id: one.price for one in auction.candidates}
    return Replayed(
        intent_id=auction.intent_id,
        intent_type=auction.intent_type,
        was=auction.winner,
        would_be=first.agent_id if first.rank == 1 else None,
        price_was=prices.get(auction.winner) if auction.winner else None,
        price_would_be=first.price if first.rank == 1 else None,
    )


def wins(found: Sequence[Replayed]) -> dict[str, tuple[int, int]]:
    """Return per agent how often it won and how often it would have won, the most first."""
    counts: dict[str, tuple[int, int]] = {}
    for one in found:
        for name, place in ((one.was, 0), (one.would_be, 1)):
            if name is not None:
                was, would = counts.get(name, (0, 0))
                counts[name] = (was + (place == 0), would + (place == 1))
    return dict(sorted(counts.items(), key=lambda item: (-item[1][1], item[0])))
