"""Rows are read from documents of any form: what is of another form counts as not told."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.integration.console import samples

from pinai_subnet.console.rows import (
    Pages,
    agent_rows,
    auction_row,
    epoch_row,
    intent_row,
    story_bids,
)

PLAIN = st.sampled_from([None, True, -1, 2**80, 0.5, 1e300, "", "x", [], {}, ["x", 1], {"a": []}])
KEYS = sorted(
    {*samples.case(2), *samples.offer("a", 0.5, 1), *samples.agent(1), *samples.epoch(3), "id"}
)
DOCUMENTS = st.dictionaries(st.sampled_from(KEYS), PLAIN, max_size=12)


@given(DOCUMENTS, DOCUMENTS)
def test_no_document_breaks_a_row(one: dict[str, Any], other: dict[str, Any]) -> None:
    nested = {**one, "offers": [other, 3, one], "agents": [one, other], "items": [one]}
    intent_row(nested)
    auction_row(nested)
    agent_rows(nested, {"agents": [other, None]})
    epoch_row(nested, samples.VALIDATORS)


def test_a_row_says_how_long_an_intent_took() -> None:
    row = intent_row(samples.summary(2))
    assert (row.phase, row.seconds, row.agent_id) == ("completed", 0.642, "weather-2")
    assert intent_row(samples.summary(8)).seconds is None


def test_an_auction_shows_each_component_beside_the_one_before() -> None:
    auction = auction_row(samples.case(2))
    first, second, _ = auction.bids
    assert first.won
    assert not second.won
    assert second.behind == pytest.approx(0.041)
    assert first.parts[0].start == 0
    assert first.parts[1].start == pytest.approx(first.parts[0].share)
    assert sum(part.points for part in first.parts) == pytest.approx(0.812, abs=0.002)


def test_bids_of_an_open_auction_are_not_there() -> None:
    auction = auction_row(samples.case(8))
    assert auction.sealed
    assert auction.bids == ()


def test_a_told_storys_bids_look_like_an_auctions() -> None:
    first, second = story_bids(samples.story().offers)
    assert (first.won, first.behind) == (True, None)
    assert second.behind == 0.041


def test_agents_are_those_of_the_matcher_and_of_the_registry() -> None:
    met = {"agents": [samples.agent(1), samples.agent(4)]}
    listed = {"agents": [{"id": "weather-9", "status": "AGENT_STATUS_UNHEALTHY"}, {"id": 5}]}
    one, four, nine = agent_rows(met, listed)
    assert one.win_rate == pytest.approx(57 / 171)
    assert one.success_rate == pytest.approx(55 / 57)
    assert four.cooldown_until_ms is not None
    assert (nine.agent_id, nine.status, nine.win_rate) == ("weather-9", "unhealthy", None)


def test_a_batch_says_where_it_stands_and_who_did_not_sign() -> None:
    settled, waiting, signing = (
        epoch_row(samples.epoch(n), samples.VALIDATORS) for n in (908, 911, 912)
    )
    assert (settled.state, settled.missing) == ("settled", ("validator-3",))
    assert waiting.state == "waiting"
    assert (signing.state, signing.seconds) == ("signing", None)
    assert epoch_row(samples.epoch(903), samples.VALIDATORS).refused == 1


@pytest.mark.parametrize(
    ("total", "offset", "neighbours", "shown"),
    [
        (0, 0, (None, None), (0, 0)),
        (10, 0, (None, None), (1, 10)),
        (120, 0, (None, 50), (1, 50)),
        (120, 100, (50, None), (101, 120)),
        (120, 20, (0, 70), (21, 70)),
        (120, 5000, (4950, None), (120, 120)),
    ],
)
def test_neighbours_of_a_page(
    total: int, offset: int, neighbours: tuple[int | None, int | None], shown: tuple[int, int]
) -> None:
    pages = Pages(total=total, offset=offset, rows=50)
    assert (pages.newer, pages.older) == neighbours
    assert (pages.first, pages.last) == shown
