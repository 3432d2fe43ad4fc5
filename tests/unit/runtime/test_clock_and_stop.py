"""Time in tests and the stop token."""

import asyncio

from pinai_subnet.runtime.clock import ManualClock, SystemClock
from pinai_subnet.runtime.stop import Stop


async def test_sleepers_wake_in_order_of_their_deadlines() -> None:
    clock = ManualClock(now=100.0)
    woken: list[tuple[str, float]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((name, clock.now()))

    tasks = [asyncio.create_task(sleeper(n, s)) for n, s in (("b", 2), ("a", 1), ("c", 30))]
    await clock.elapse(10)
    assert woken == [("a", 101.0), ("b", 102.0)]
    assert (clock.now(), clock.monotonic(), clock.sleeping) == (110.0, 10.0, 1)
    await clock.elapse(20)
    await asyncio.gather(*tasks)
    assert woken[-1] == ("c", 130.0)


async def test_chains_of_sleeps_elapse_in_one_step_and_jumps_move_wall_time_only() -> None:
    clock = ManualClock()
    turns: list[float] = []

    async def loop() -> None:
        while True:
            await clock.sleep(1)
            turns.append(clock.monotonic())

    task = asyncio.create_task(loop())
    await clock.elapse(3.5)
    clock.jump(-60)
    assert turns == [1.0, 2.0, 3.0]
    assert clock.monotonic() == 3.5
    task.cancel()


async def test_a_cancelled_sleeper_is_forgotten() -> None:
    clock = ManualClock()
    task = asyncio.create_task(clock.sleep(1))
    await asyncio.sleep(0)
    task.cancel()
    await clock.elapse(2)
    assert clock.sleeping == 0


async def test_waiting_ends_by_time_or_by_stop() -> None:
    clock = ManualClock()
    stop = Stop(clock)
    by_time = asyncio.create_task(stop.wait(5))
    await clock.elapse(5)
    assert await by_time is False
    by_stop = asyncio.create_task(stop.wait(5))
    forever = asyncio.create_task(stop.wait())
    await asyncio.sleep(0)
    stop.set()
    assert await by_stop is True
    assert await forever is True
    assert await stop.wait(1000) is True
    assert stop.is_set


async def test_periodically_turns_until_stopped() -> None:
    clock = ManualClock()
    stop = Stop(clock)
    turns: list[float] = []

    async def loop() -> None:
        async for _ in stop.periodically(2):
            turns.append(clock.monotonic())  # noqa: PERF401 - the turn is the point

    async def late_loop() -> None:
        async for _ in stop.periodically(2, immediately=False):
            turns.append(-clock.monotonic())  # noqa: PERF401 - as above

    task = asyncio.create_task(loop())
    late = asyncio.create_task(late_loop())
    await clock.elapse(5)
    stop.set()
    await asyncio.gather(task, late)
    assert [turn for turn in turns if turn >= 0] == [0.0, 2.0, 4.0]
    assert [turn for turn in turns if turn < 0] == [-2.0, -4.0]


async def test_the_system_clock_moves() -> None:
    clock = SystemClock()
    before = clock.monotonic()
    await clock.sleep(0.001)
    await clock.sleep(-1)
    assert clock.monotonic() > before
    assert clock.now() > 1_700_000_000


async def test_what_is_called_on_stop_is_called_once_and_only_while_it_is_wanted() -> None:
    stop = Stop()
    calls: list[str] = []
    with stop.calling(lambda: calls.append("over")):
        pass
    with stop.calling(lambda: calls.append("inside")):
        stop.set()
        stop.set()
    with stop.calling(lambda: calls.append("too late to wait")):
        assert calls == ["inside", "too late to wait"]
