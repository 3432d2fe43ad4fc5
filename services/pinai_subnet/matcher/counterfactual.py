"""What a bid that lost would have needed to win: each value alone, all else as it was. Pure, by ranking again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from pinai_subnet.matcher.auction import MILLION, AuctionRules, Candidate, precedence, rank

FITS = (0.5, 0.8, 1.0)
"""The values that `eligibility.fit` can give."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Needed:
    """One change that wins, per value; None where that value alone cannot win."""

    price: int | None = None
    """The highest price that wins."""
    reputation: float | None = None
    """The lowest reputation that wins."""
    capability: float | None = None
    """The lowest fit that wins."""
    latency_seconds: float | None = None
    """The longest average latency that wins."""


def needed(
    bid_id: str, candidates: Sequence[Candidate], rules: AuctionRules, intent_id: str
) -> Needed | None:
    """Return what this bid needed; None where it is no candidate or won."""
    mine = next((c for c in candidates if c.bid_id == bid_id), None)
    if mine is None:
        return None
    others = _contenders([c for c in candidates if c.bid_id != bid_id], rules, intent_id)

    def wins(changed: Candidate) -> bool:
        first = rank([*others, changed], rules, intent_id)[0]
        return first.bid_id == bid_id and first.rank == 1

    if wins(mine):
        return None
    reputation = _lowest(
        lambda v: wins(replace(mine, reputation=v / MILLION)),
        int(mine.reputation * MILLION),
        MILLION,
    )
    # An agent without history counts like one that needs the target time.
    slow_ms = int((mine.latency_seconds or rules.latency_target_seconds) * 1000)
    latency = _highest(lambda v: wins(replace(mine, latency_seconds=v / 1000)), slow_ms)
    return Needed(
        price=_highest(lambda v: wins(replace(mine, price=v)), mine.price),
        reputation=None if reputation is None else reputation / MILLION,
        capability=next(
            (f for f in FITS if f > mine.capability and wins(replace(mine, capability=f))), None
        ),
        latency_seconds=None if latency is None else latency / 1000,
    )


def _contenders(
    others: Sequence[Candidate], rules: AuctionRules, intent_id: str
) -> list[Candidate]:
    """Return those that can come first whatever the lowest price is; each trial then ranks only these.

    Only the points for the price depend on the lowest price, and never so that a dearer bid gets more of them. So a bid
    is always behind one that is not dearer and has more of the other points, or as many and goes first among equals.
    """
    besides = {
        scored.bid_id: sum(part.points for part in scored.components if part.name != "price")
        for scored in rank(others, rules, intent_id)
    }
    kept: list[Candidate] = []
    best: tuple[int, tuple[bytes, int, str]] | None = None
    for other in sorted(others, key=lambda one: one.price):
        place = (-besides[other.bid_id], precedence(other, rules, intent_id))
        if best is None or place < best:
            kept.append(other)
            best = place
    return kept


def _highest(wins: Callable[[int], bool], losing: int) -> int | None:
    """Return the highest number below a losing one that wins, where every number below a winning one wins too."""
    if losing <= 0 or not wins(0):
        return None
    low, high = 0, losing
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if wins(middle) else (low, middle)
    return low


def _lowest(wins: Callable[[int], bool], losing: int, top: int) -> int | None:
    """Return the lowest number above a losing one that wins, where every number above a winning one wins too."""
    if losing >= top or not wins(top):
        return None
    low, high = losing, top
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if wins(middle) else (middle, high)
    return high
