"""Who wins: ranks bids by `lowest_price` or by a weighted score, with every component kept. Pure and order-independent.

Scores are whole millionths, so that sums are exact and every machine gets the same ranking. It does not decide which
bids are admitted (see `admission`) or what a good reputation is (see `reputation`).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from pinai_subnet.protocol.ids import AgentId, BidId

MILLION = 1_000_000


class Strategy(StrEnum):
    """How bids are compared."""

    LOWEST_PRICE = "lowest_price"
    WEIGHTED = "weighted"


class Ties(StrEnum):
    """Who wins among equals."""

    EARLIEST = "earliest"
    """The bid received first, then the lower bid id."""
    SPREAD = "spread"
    """By a digest of intent and agent, so that each equal agent has its share of the intents."""


class Newcomers(StrEnum):
    """What an agent without history is worth."""

    HALF = "half"
    """Half of the points that history can give: who has delivered is preferred to who has not yet."""
    EQUAL = "equal"
    """All of them: history only takes points away from those who fail or are slow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuctionRules:
    """The strategy and its weights. Weights are relative: only their proportion counts."""

    strategy: Strategy
    price: float = 0.4
    reputation: float = 0.3
    capability: float = 0.2
    latency: float = 0.1
    min_score: float = 0.0
    """Weighted bids below this (0 to 1) do not win; `lowest_price` has no such bar."""
    latency_target_seconds: float = 10.0
    """Half of the latency points go to an agent that needs this long on average; with equal newcomers, all of them."""
    ties: Ties = Ties.EARLIEST
    newcomers: Newcomers = Newcomers.HALF


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One admitted bid with what the matcher knows of its agent."""

    bid_id: BidId
    agent_id: AgentId
    price: int
    received_at_ms: int
    reputation: float = 0.5
    """0 (never delivers) to 1 (always does)."""
    capability: float = 0.5
    """How well the agent's registered capabilities fit, 0 to 1."""
    latency_seconds: float | None = None
    """Average time from task to report; None if unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """One part of a score: what was measured (0 to 1) and the millionths it contributes."""

    name: str
    value: float
    points: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """One bid's place. `total` is the exact sum of its components' points."""

    bid_id: BidId
    agent_id: AgentId
    price: int
    received_at_ms: int
    total: int
    components: tuple[Component, ...]
    rank: int
    """1 is the winner; 0 means below the minimum score."""


def rank(
    candidates: Sequence[Candidate], rules: AuctionRules, intent_id: str = ""
) -> tuple[Scored, ...]:
    """Rank the bids on an intent, best first; those below the minimum score follow with rank 0.

    Ties go by `rules.ties`, then to the bid received first, then to the lower bid id, so the order of arrival in the
    list never matters.
    """
    if not candidates:
        return ()
    lowest = min(candidate.price for candidate in candidates)
    weights = _weights(rules)
    scored = [
        (candidate, _components(candidate, lowest, weights, rules)) for candidate in candidates
    ]
    by_price = rules.strategy is Strategy.LOWEST_PRICE
    bar = 0 if by_price else round(rules.min_score * MILLION)
    scored.sort(
        key=lambda pair: (
            *_order(pair[0], pair[1], bar, by_price=by_price),
            precedence(pair[0], rules, intent_id),
        )
    )
    ranked = []
    place = 0
    for candidate, components in scored:
        total = sum(component.points for component in components)
        above = total >= bar
        place += above
        ranked.append(
            Scored(
                bid_id=candidate.bid_id,
                agent_id=candidate.agent_id,
                price=candidate.price,
                received_at_ms=candidate.received_at_ms,
                total=total,
                components=components,
                rank=place if above else 0,
            )
        )
    return tuple(ranked)


def _order(
    candidate: Candidate, components: tuple[Component, ...], bar: int, *, by_price: bool
) -> tuple[bool, int]:
    total = sum(component.points for component in components)
    # Exact prices decide under lowest_price: two large prices may round to the same millionth.
    worth = candidate.price if by_price else -total
    return (total < bar, worth)


def precedence(
    candidate: Candidate, rules: AuctionRules, intent_id: str
) -> tuple[bytes, int, BidId]:
    """Return what orders equals: the lower one comes first."""
    lot = b""
    if rules.ties is Ties.SPREAD:
        lot = hashlib.sha256(f"{intent_id}/{candidate.agent_id}".encode()).digest()
    return (lot, candidate.received_at_ms, candidate.bid_id)


def _weights(rules: AuctionRules) -> dict[str, float]:
    if rules.strategy is Strategy.LOWEST_PRICE:
        return {"price": 1.0}
    given = {
        "price": rules.price,
        "reputation": rules.reputation,
        "capability": rules.capability,
        "latency": rules.latency,
    }
    total = sum(given.values())
    return {name: weight / total for name, weight in given.items()}


def _components(
    candidate: Candidate, lowest: int, weights: dict[str, float], rules: AuctionRules
) -> tuple[Component, ...]:
    # Half of it is what an agent without history has.
    history = 2.0 if rules.newcomers is Newcomers.EQUAL else 1.0
    values = {
        # Relative to the cheapest bid, plus one so that a free bid does not make all others equal.
        "price": (lowest + 1) / (candidate.price + 1),
        "reputation": _unit(history * candidate.reputation),
        "capability": _unit(candidate.capability),
        "latency": _unit(
            history * _latency(candidate.latency_seconds, rules.latency_target_seconds)
        ),
    }
    return tuple(
        Component(name=name, value=values[name], points=round(weight * values[name] * MILLION))
        for name, weight in weights.items()
    )


def _latency(seconds: float | None, target: float) -> float:
    if seconds is None:
        return 0.5
    return target / (target + max(0.0, seconds))


def _unit(value: float) -> float:
    return min(1.0, max(0.0, value))
