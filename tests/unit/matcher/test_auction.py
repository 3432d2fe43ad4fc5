"""The auction: deterministic, order-independent, exact."""

import dataclasses
import random
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from pinai_subnet.matcher.auction import (
    MILLION,
    AuctionRules,
    Candidate,
    Newcomers,
    Scored,
    Strategy,
    Ties,
    rank,
)
from pinai_subnet.protocol.ids import AgentId, BidId

LOWEST = AuctionRules(strategy=Strategy.LOWEST_PRICE)
WEIGHTED = AuctionRules(strategy=Strategy.WEIGHTED)

unit = st.floats(0, 1)
offers = st.builds(
    Candidate,
    bid_id=st.just(BidId("")),
    agent_id=st.just(AgentId("")),
    price=st.integers(0, 2**64 - 1) | st.integers(0, 5),
    received_at_ms=st.integers(0, 3),
    reputation=unit,
    capability=unit,
    latency_seconds=st.none() | st.floats(0, 1e6),
)


@st.composite
def fields_of_bids(draw: st.DrawFn) -> list[Candidate]:
    drawn = draw(st.lists(offers, max_size=8))
    return [
        dataclasses.replace(offer, bid_id=BidId(f"0x{n:02x}"), agent_id=AgentId(f"agent-{n}"))
        for n, offer in enumerate(drawn)
    ]


rules = st.builds(
    AuctionRules,
    strategy=st.sampled_from(Strategy),
    price=st.floats(0.01, 10),
    reputation=st.floats(0, 10),
    capability=st.floats(0, 10),
    latency=st.floats(0, 10),
    min_score=unit,
    ties=st.sampled_from(Ties),
    newcomers=st.sampled_from(Newcomers),
)


def candidate(name: str, price: int, at: int = 0, **changes: object) -> Candidate:
    values: dict[str, object] = {
        "bid_id": BidId(f"0x{name}"),
        "agent_id": AgentId(name),
        "price": price,
        "received_at_ms": at,
    }
    return Candidate(**{**values, **changes})  # type: ignore[arg-type]


def winner(ranked: tuple[Scored, ...]) -> str:
    return ranked[0].agent_id


@settings(max_examples=150, deadline=None)
@given(fields_of_bids(), rules, st.randoms(use_true_random=False))
def test_the_order_of_arrival_in_the_list_never_matters(
    bids: list[Candidate], given_rules: AuctionRules, shuffler: random.Random
) -> None:
    """D10: stable and the same everywhere."""
    shuffled = list(bids)
    shuffler.shuffle(shuffled)
    assert rank(shuffled, given_rules) == rank(bids, given_rules)


@settings(max_examples=150, deadline=None)
@given(fields_of_bids(), rules)
def test_every_bid_has_one_place_and_its_score_is_the_sum_of_its_parts(
    bids: list[Candidate], given_rules: AuctionRules
) -> None:
    ranked = rank(bids, given_rules)
    assert {s.bid_id for s in ranked} == {b.bid_id for b in bids}
    places = [s.rank for s in ranked if s.rank]
    assert places == list(range(1, len(places) + 1))
    assert all(s.rank == 0 for s in ranked[len(places) :])
    for scored in ranked:
        assert scored.total == sum(c.points for c in scored.components)
        assert all(0 <= c.value <= 1 and c.points >= 0 for c in scored.components)
        assert 0 <= scored.total <= MILLION + 4


@settings(max_examples=150, deadline=None)
@given(fields_of_bids())
def test_lowest_price_gives_the_work_to_the_cheapest_and_earliest(bids: list[Candidate]) -> None:
    ranked = rank(bids, LOWEST)
    keys = [(s.price, s.received_at_ms, s.bid_id) for s in ranked]
    assert keys == sorted(keys)
    assert all(s.rank for s in ranked)


@settings(max_examples=100, deadline=None)
@given(fields_of_bids(), rules)
def test_a_cheaper_bid_never_ranks_below_its_dearer_twin(
    bids: list[Candidate], given_rules: AuctionRules
) -> None:
    if not bids or bids[0].price == 0:
        return
    twin = dataclasses.replace(
        bids[0], bid_id=BidId("0xtwin"), agent_id=AgentId("twin"), price=bids[0].price - 1,
        received_at_ms=0,
    )  # fmt: skip
    ranked = {s.bid_id: place for place, s in enumerate(rank([*bids, twin], given_rules))}
    if bids[0].received_at_ms > 0:
        assert ranked[twin.bid_id] < ranked[bids[0].bid_id]


def test_earliest_bid_wins_a_price_tie_then_the_lower_id() -> None:
    """D10."""
    assert winner(rank([candidate("b", 5, 2), candidate("a", 5, 3)], LOWEST)) == "b"
    assert winner(rank([candidate("b", 5, 2), candidate("a", 5, 2)], LOWEST)) == "a"


def test_large_prices_are_compared_exactly() -> None:
    top = 2**64 - 1
    assert winner(rank([candidate("a", top, 0), candidate("b", top - 1, 9)], LOWEST)) == "b"


def test_reputation_outweighs_a_small_price_difference() -> None:
    good = candidate("good", 11, reputation=0.95)
    bad = candidate("bad", 10, reputation=0.1)
    assert winner(rank([good, bad], WEIGHTED)) == "good"
    assert winner(rank([good, bad], LOWEST)) == "bad"


def test_a_faster_agent_wins_between_equals() -> None:
    fast = candidate("fast", 10, 5, latency_seconds=1.0)
    slow = candidate("slow", 10, 1, latency_seconds=60.0)
    assert winner(rank([slow, fast], WEIGHTED)) == "fast"


def test_bids_below_the_minimum_score_do_not_win() -> None:
    bar = dataclasses.replace(WEIGHTED, min_score=0.6)
    ranked = rank([candidate("cheap", 1), candidate("dear", 1000)], bar)
    assert [(s.agent_id, s.rank) for s in ranked] == [("cheap", 1), ("dear", 0)]


def test_weights_are_relative() -> None:
    tenfold = dataclasses.replace(WEIGHTED, price=4, reputation=3, capability=2, latency=1)
    bids = [candidate("a", 3, reputation=0.2), candidate("b", 7, reputation=0.9)]
    assert rank(bids, tenfold) == rank(bids, WEIGHTED)


def test_no_bids_no_winner() -> None:
    assert rank([], WEIGHTED) == ()


def test_spread_ties_give_each_equal_agent_its_share_and_each_intent_one_winner() -> None:
    """D10: no single agent gets everything, and whoever computes it again finds the same."""
    spread = dataclasses.replace(WEIGHTED, ties=Ties.SPREAD)
    names = ("a", "b", "c", "d")
    wins: Counter[str] = Counter()
    for number in range(400):
        bids = [candidate(name, 5, at) for at, name in enumerate(names)]
        winners = {winner(rank(order, spread, f"0x{number:064x}")) for order in (bids, bids[::-1])}
        assert len(winners) == 1
        wins.update(winners)
    assert set(wins) == set(names)
    assert min(wins.values()) > 60


def test_spread_ties_never_outweigh_a_price() -> None:
    for strategy in Strategy:
        spread = AuctionRules(strategy=strategy, ties=Ties.SPREAD)
        for number in range(50):
            bids = [candidate("dear", 6), candidate("cheap", 5, 9)]
            assert winner(rank(bids, spread, str(number))) == "cheap"


def test_equal_newcomers_stand_beside_the_proven_and_before_those_who_fail() -> None:
    equal = dataclasses.replace(WEIGHTED, newcomers=Newcomers.EQUAL)
    proven = candidate("proven", 5, 1, reputation=0.99, latency_seconds=0.2)
    ranked = rank([proven, candidate("new", 5, 0)], equal)
    assert ranked[0].total == ranked[1].total
    assert winner(ranked) == "new"
    failing = candidate("failing", 5, 0, reputation=0.4)
    slow = candidate("slow", 5, 0, latency_seconds=60.0)
    for worse in (failing, slow):
        assert winner(rank([worse, candidate("new", 5, 1)], equal)) == "new"
    assert winner(rank([proven, candidate("new", 5, 0)], WEIGHTED)) == "proven"
