"""Doing what the counterfactual says really wins, and a little less does not."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pinai_subnet.matcher import counterfactual
from pinai_subnet.matcher.auction import (
    AuctionRules,
    Candidate,
    Newcomers,
    Scored,
    Strategy,
    Ties,
    rank,
)
from pinai_subnet.matcher.counterfactual import FITS, needed
from pinai_subnet.protocol.ids import AgentId, BidId

INTENT = "0x" + "7" * 64
PRICES = st.one_of(st.integers(0, 30), st.integers(0, 2**64 - 1))
RULES = st.builds(
    AuctionRules,
    strategy=st.sampled_from(Strategy),
    price=st.floats(0.1, 1),
    reputation=st.floats(0, 1),
    capability=st.floats(0, 1),
    latency=st.floats(0, 1),
    min_score=st.sampled_from([0.0, 0.3, 0.7]),
    ties=st.sampled_from(Ties),
    newcomers=st.sampled_from(Newcomers),
)


def candidate(number: int, price: int, **known: float | None) -> Candidate:
    return Candidate(
        bid_id=BidId(f"0x{number:064x}"),
        agent_id=AgentId(f"agent-{number}"),
        price=price,
        received_at_ms=number,
        **known,  # type: ignore[arg-type]
    )


@st.composite
def auctions(draw: st.DrawFn) -> list[Candidate]:
    return [
        candidate(
            number,
            draw(PRICES),
            reputation=draw(st.floats(0, 1)),
            capability=draw(st.sampled_from(FITS)),
            latency_seconds=draw(st.none() | st.floats(0, 100)),
        )
        for number in range(draw(st.integers(2, 9)))
    ]


def wins(changed: Candidate, others: list[Candidate], rules: AuctionRules) -> bool:
    first = rank([*others, changed], rules, INTENT)[0]
    return first.bid_id == changed.bid_id and first.rank == 1


@settings(max_examples=300, deadline=None)
@given(auctions(), RULES, st.integers(0, 8))
def test_applying_the_counterfactual_wins_and_one_step_less_does_not(
    held: list[Candidate], rules: AuctionRules, which: int
) -> None:
    mine = held[which % len(held)]
    others = [c for c in held if c is not mine]
    found = needed(mine.bid_id, held, rules, INTENT)
    if wins(mine, others, rules):
        assert found is None
        return
    assert found is not None
    if found.price is not None:
        assert found.price < mine.price
        assert wins(replace(mine, price=found.price), others, rules)
        assert not wins(replace(mine, price=found.price + 1), others, rules)
    else:
        assert mine.price == 0 or not wins(replace(mine, price=0), others, rules)
    if found.reputation is not None:
        assert mine.reputation <= found.reputation <= 1
        assert wins(replace(mine, reputation=found.reputation), others, rules)
    if found.capability is not None:
        assert wins(replace(mine, capability=found.capability), others, rules)
    if found.latency_seconds is not None:
        assert wins(replace(mine, latency_seconds=found.latency_seconds), others, rules)


def test_a_winner_and_a_stranger_need_nothing() -> None:
    held = [candidate(1, 5), candidate(2, 9)]
    rules = AuctionRules(strategy=Strategy.LOWEST_PRICE)
    assert needed(held[0].bid_id, held, rules, INTENT) is None
    assert needed("0xother", held, rules, INTENT) is None


def test_under_lowest_price_only_the_price_counts() -> None:
    held = [candidate(1, 5), candidate(2, 9)]
    found = needed(held[1].bid_id, held, AuctionRules(strategy=Strategy.LOWEST_PRICE), INTENT)
    assert found is not None
    assert found.price == 4
    assert (found.reputation, found.capability, found.latency_seconds) == (None, None, None)


def test_very_many_bids_cost_no_more_than_the_few_that_could_win(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    held = [
        candidate(number, 1_000_000 + number * 37 % 1009, reputation=number * 61 % 97 / 97)
        for number in range(1000)
    ]
    ranked: list[int] = []

    def counted(
        candidates: Sequence[Candidate], rules: AuctionRules, intent_id: str
    ) -> tuple[Scored, ...]:
        ranked.append(len(candidates))
        return rank(candidates, rules, intent_id)

    monkeypatch.setattr(counterfactual, "rank", counted)
    rules = AuctionRules(strategy=Strategy.WEIGHTED)
    second = rank(held, rules, INTENT)[1]
    assert needed(second.bid_id, held, rules, INTENT) is not None
    assert ranked[0] == 999
    assert len(ranked) > 20
    assert max(ranked[1:]) < 40
