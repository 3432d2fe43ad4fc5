"""A story as a picture: events in order and in the lane of who acted, bars on one scale."""

from dataclasses import replace

import pytest
from tests.integration.console import samples

from pinai_subnet.console.timeline import MAX_EVENTS, Lane, draw
from pinai_subnet.insight.intent_story import RefusedBid, Stage, Why


def test_events_are_in_order_each_with_the_one_who_acted() -> None:
    rows = draw(samples.finished()).rows
    assert [row.seconds for row in rows] == sorted(row.seconds for row in rows)
    assert (rows[0].first, rows[-1].last) == (True, True)
    lanes = {row.event.what: row.event.lane for row in rows}
    assert lanes["submitted"] is Lane.ROOT_LAYER
    assert lanes["window 1 closed"] is Lane.MATCHER
    assert lanes["weather-2 bids"] is Lane.AGENT
    assert lanes["signed by validator-1"] is Lane.VALIDATOR
    assert lanes["settled"] is Lane.ROOT_LAYER


def test_a_refused_result_is_drawn_as_bad_and_names_its_code() -> None:
    bad = [row.event for row in draw(samples.story()).rows if row.event.tone == "bad"]
    assert [event.what for event in bad[:3]] == [f"{name}: reject" for name in samples.VALIDATORS]
    assert all("SN-V031" in event.detail for event in bad)


def test_long_pauses_are_said() -> None:
    pauses = {row.event.what: row.pause for row in draw(samples.story()).rows if row.pause}
    assert pauses == {"window 1 closed": pytest.approx(1.604)}


def test_bars_lie_on_one_scale_within_the_picture() -> None:
    picture = draw(samples.finished())
    assert [bar.name for bar in picture.bars] == [
        "bidding", "assignment", "execution", "validation", "signing", "settlement",
    ]  # fmt: skip
    assert picture.bars[0].start == 0
    for bar in picture.bars:
        assert 0 <= bar.start <= bar.start + bar.width <= 100.01
    assert 3 <= len(picture.ticks) <= 7
    assert picture.ticks[0].percent == 0


def test_a_stage_that_lasts_reaches_the_end_and_a_story_without_stages_has_no_bars() -> None:
    open_stage = Stage(name="bidding", begun_at_ms=samples.AT_MS, ended_at_ms=None)
    (bar,) = draw(samples.story(stages=(open_stage,))).bars
    assert bar.open
    assert draw(samples.story(stages=())).bars == ()
    assert draw(samples.story(stages=(replace(open_stage, ended_at_ms=samples.AT_MS),))).bars


def test_a_story_with_very_many_events_is_cut_and_says_so() -> None:
    refused = tuple(
        RefusedBid(
            agent_id=f"a{n}", at_ms=samples.AT_MS + n, why=Why(code="SN-M010", reason="late")
        )
        for n in range(2000)
    )
    picture = draw(samples.story(refused_bids=refused))
    assert len(picture.rows) == MAX_EVENTS
    assert picture.omitted > 1500
