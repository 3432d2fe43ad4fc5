"""The bids of a story: each with its score by component, and by how much and by what it lost. Pure."""

from collections.abc import Mapping
from typing import Any

from pinai_subnet.insight.intent_story import Needed, Offer, ScorePart


def offers(matching: Mapping[str, Any]) -> tuple[Offer, ...]:
    """Return the bids, best first; distances are to the bid that was ranked first."""
    told = list(matching.get("offers", ()))
    first = next((offer for offer in told if offer["rank"] == 1), None)
    return tuple(_offer(offer, first) for offer in told)


def _offer(offer: Mapping[str, Any], first: Mapping[str, Any] | None) -> Offer:
    won = first is not None and offer["bid_id"] == first["bid_id"]
    best = first["score_parts"] if first else {}
    parts = tuple(
        ScorePart(
            name=name,
            value=part["value"],
            points=part["points"],
            behind=round(best.get(name, part)["points"] - part["points"], 6),
        )
        for name, part in offer["score_parts"].items()
    )
    lost_by = None
    if first is not None and not won and offer["score"] is not None:
        lost_by = round(first["score"] - offer["score"], 6)
    most = max(parts, key=lambda part: part.behind, default=None)
    return Offer(
        bid_id=offer["bid_id"],
        agent_id=offer["agent_id"],
        agent_address=offer["agent_address"],
        price=offer["price"],
        received_at_ms=offer["received_at_ms"],
        rank=offer["rank"],
        score=offer["score"],
        parts=parts,
        won=won,
        lost_by=lost_by,
        lost_mostly_by=most.name if most and lost_by is not None and most.behind > 0 else None,
        needed=_needed(offer.get("needed")),
    )


def _needed(told: Mapping[str, Any] | None) -> Needed | None:
    if told is None:
        return None
    return Needed(
        price=told["price"],
        reputation=told["reputation"],
        capability=told["capability"],
        latency_seconds=told["latency_seconds"],
    )
