"""The answer to one bid, in band: accepted or refused with a reason. Just the value and its two forms."""

from dataclasses import dataclass

from pinai_subnet.matcher.refusal import Refusal
from pinai_subnet.protocol.bids import BidStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class BidAck:
    """What an agent hears of its bid. `recorded_at` is unix seconds, 0 for a refused one."""

    bid_id: str
    accepted: bool
    reason: str
    status: BidStatus
    recorded_at: int


def accepted(bid_id: str, *, reason: str, at: int) -> BidAck:
    """Return a yes."""
    return BidAck(
        bid_id=bid_id, accepted=True, reason=reason, status=BidStatus.ACCEPTED, recorded_at=at
    )


def refused(bid_id: str, refusal: Refusal) -> BidAck:
    """Return a no; the text carries the code."""
    return BidAck(
        bid_id=bid_id,
        accepted=False,
        reason=str(refusal),
        status=BidStatus.REJECTED,
        recorded_at=0,
    )
