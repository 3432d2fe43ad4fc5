"""One question for all who ask it at about the same time."""

import asyncio

import pytest

from pinai_subnet.console.sharing import Shared
from pinai_subnet.ports.errors import Unreachable
from pinai_subnet.runtime.clock import ManualClock


def shared(clock: ManualClock, *, at_once: int = 2, remembered: int = 3) -> Shared[int]:
    return Shared(clock=clock, fresh_seconds=1, at_once=at_once, remembered=remembered)


async def test_a_thousand_who_ask_together_cost_one_question() -> None:
    asked = 0

    async def ask() -> int:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0.01)
        return asked

    clock = ManualClock()
    questions = shared(clock)
    assert await asyncio.gather(*(questions.get("k", ask) for _ in range(1000))) == [1] * 1000
    clock.advance(0.5)
    assert await questions.get("k", ask) == 1
    clock.advance(1)
    assert await questions.get("k", ask) == 2


async def test_an_error_is_shared_and_the_next_question_is_a_new_one() -> None:
    clock = ManualClock()
    questions = shared(clock)

    async def fail() -> int:
        raise Unreachable("SN-N126", "silent")

    async def answer() -> int:
        return 7

    answers = await asyncio.gather(
        *(questions.get("k", fail) for _ in range(3)), return_exceptions=True
    )
    assert [str(one) for one in answers] == ["SN-N126 silent"] * 3
    clock.advance(2)
    assert await questions.get("k", answer) == 7


async def test_who_goes_away_does_not_end_the_question_for_others() -> None:
    go = asyncio.Event()

    async def ask() -> int:
        await go.wait()
        return 1

    questions = shared(ManualClock())
    first = asyncio.ensure_future(questions.get("k", ask))
    second = asyncio.ensure_future(questions.get("k", ask))
    await asyncio.sleep(0)
    first.cancel()
    go.set()
    assert await second == 1
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_few_questions_run_side_by_side_and_few_answers_are_kept() -> None:
    running = most = 0

    async def ask() -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.001)
        running -= 1
        return 0

    questions = shared(ManualClock())
    await asyncio.gather(*(questions.get(str(number), ask) for number in range(30)))
    assert most == 2
    await questions.get("last", ask)
    assert len(questions._answers) <= 3
