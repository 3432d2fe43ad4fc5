"""The live steps of all intents: in order, bounded, and a wait that ends with the next one."""

import asyncio
from typing import Any

import pytest
from tests.integration.matcher.harness import intent

from pinai_subnet.matcher import moves as module
from pinai_subnet.matcher.case import Case
from pinai_subnet.matcher.moves import KEPT, Moves
from pinai_subnet.matcher.window import WindowRules, open_window
from pinai_subnet.protocol.errors import Exhausted

RULES = WindowRules(duration_ms=1000, reopen_max_ms=1000)


def case(**changes: Any) -> Case:
    window = open_window(now_ms=0, assign_by_ms=9999, rules=RULES)
    return Case(
        intent=intent(**changes), window=window, seen_at_ms=0, assign_by_ms=9999, deadline_ms=9999
    )


async def test_steps_are_told_after_a_number_and_for_one_intent() -> None:
    moves = Moves(first=100)
    first, second = case(), case()
    for one in (first, second, first):
        moves.add(one, now_ms=5)
    told = await moves.after(0, intent_id="", seconds=0)
    assert [move.number for move in told] == [101, 102, 103]
    mine = await moves.after(101, intent_id=first.intent.intent_id, seconds=0)
    assert [move.number for move in mine] == [103]
    assert not moves.missed(100)


async def test_a_wait_ends_with_the_next_step_and_not_before() -> None:
    moves, wanted = Moves(first=0), case()
    waiting = asyncio.create_task(moves.after(0, intent_id=wanted.intent.intent_id, seconds=5))
    await asyncio.sleep(0)
    moves.add(case(), now_ms=1)
    await asyncio.sleep(0.01)
    assert not waiting.done()
    moves.add(wanted, now_ms=1)
    assert [move.number for move in await waiting] == [2]
    assert await moves.after(2, intent_id="", seconds=0.01) == []


async def test_the_end_lets_everybody_go() -> None:
    moves = Moves(first=0)
    waiting = asyncio.create_task(moves.after(0, intent_id="", seconds=30))
    await asyncio.sleep(0)
    moves.end()
    assert await asyncio.wait_for(waiting, 1) == []


async def test_the_oldest_steps_are_forgotten() -> None:
    moves, one = Moves(first=0), case()
    for _ in range(KEPT + 10):
        moves.add(one, now_ms=1)
    assert len(await moves.after(0, intent_id="", seconds=0)) == KEPT
    assert moves.missed(3)
    assert not moves.missed(10)


async def test_only_so_many_may_wait_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 1)
    moves = Moves(first=0)
    waiting = asyncio.create_task(moves.after(0, intent_id="", seconds=30))
    await asyncio.sleep(0)
    with pytest.raises(Exhausted, match="SN-M024"):
        await moves.after(0, intent_id="", seconds=30)
    moves.end()
    await waiting
