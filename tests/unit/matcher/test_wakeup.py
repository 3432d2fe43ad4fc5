"""Waiting for nudges, moments and the stop token."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from pinai_subnet.matcher.cancellable import next_or_stop
from pinai_subnet.matcher.wakeup import Wakeup
from pinai_subnet.runtime.clock import SystemClock
from pinai_subnet.runtime.stop import Stop


async def test_a_nudged_wait_leaves_nothing_behind_that_ends_the_next_one() -> None:
    wakeup, stop = Wakeup(SystemClock()), Stop()
    asyncio.get_running_loop().call_soon(wakeup.nudge)
    await wakeup.wait(stop, 60.0)
    await asyncio.sleep(0)  # the cancelled sleep of the first wait ends here
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(wakeup.wait(stop, 60.0), 0.02)


async def test_a_wait_ends_by_time_and_by_stop() -> None:
    wakeup, stop = Wakeup(SystemClock()), Stop()
    await asyncio.wait_for(wakeup.wait(stop, 0.01), 5.0)
    asyncio.get_running_loop().call_soon(stop.set)
    await asyncio.wait_for(wakeup.wait(stop), 5.0)


async def test_following_a_silent_stream_ends_with_stop_and_closes_it() -> None:
    stop, closed = Stop(), asyncio.Event()

    async def silent() -> AsyncIterator[int]:
        try:
            yield 1
            await asyncio.Event().wait()
        finally:
            closed.set()

    seen = []
    async for item in next_or_stop(silent(), stop):
        seen.append(item)
        asyncio.get_running_loop().call_later(0.01, stop.set)
    assert seen == [1]
    assert closed.is_set()


async def test_following_a_stream_passes_on_its_own_timeout_and_a_cancellation() -> None:
    async def late() -> AsyncIterator[int]:
        for _ in range(1):
            raise TimeoutError
        yield 1

    async def silent() -> AsyncIterator[int]:
        await asyncio.Event().wait()
        yield 1

    with pytest.raises(TimeoutError):
        await anext(next_or_stop(late(), Stop()))
    waiting = asyncio.ensure_future(anext(next_or_stop(silent(), Stop())))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
