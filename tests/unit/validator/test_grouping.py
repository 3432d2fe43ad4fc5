"""Group commit: an idle log adds no delay, a busy one gathers, and nobody waits for ever."""

import asyncio
from collections.abc import Sequence

import pytest

from pinai_subnet.protocol.errors import Exhausted, NotReady
from pinai_subnet.validator.grouping import Grouper


class Log:
    """A log whose commits end when the test says so."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.gates: list[asyncio.Future[None]] = []

    async def commit(self, items: Sequence[int]) -> Sequence[int]:
        self.groups.append(list(items))
        gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.gates.append(gate)
        await gate
        return [item * 10 for item in items]


def grouper(log: Log, **options: int) -> Grouper[int, int]:
    defaults = {"max_items": 3, "max_bytes": 100, "max_waiting": 10}
    return Grouper(commit=log.commit, **{**defaults, **options})  # type: ignore[arg-type]


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_an_idle_log_takes_the_first_item_at_once_and_gathers_the_rest() -> None:
    log = Log()
    group = grouper(log)
    tasks = [asyncio.ensure_future(group.submit(n, 1)) for n in range(5)]
    await turns()
    assert log.groups == [[0]]
    log.gates[0].set_result(None)
    await turns()
    assert log.groups == [[0], [1, 2, 3]]
    log.gates[1].set_result(None)
    await turns()
    log.gates[2].set_result(None)
    assert await asyncio.gather(*tasks) == [0, 10, 20, 30, 40]
    await group.drain()


async def test_a_group_is_bounded_by_bytes_and_a_large_item_travels_alone() -> None:
    log = Log()
    group = grouper(log)
    sizes = [1, 60, 60, 500, 1]
    tasks = [asyncio.ensure_future(group.submit(n, size)) for n, size in enumerate(sizes)]
    for place in range(5):
        await turns()
        log.gates[place].set_result(None)
    await asyncio.gather(*tasks)
    assert log.groups == [[0], [1], [2], [3], [4]]


async def test_two_commits_may_be_in_flight() -> None:
    log = Log()
    group = grouper(log, in_flight=2)
    tasks = [asyncio.ensure_future(group.submit(n, 1)) for n in range(4)]
    await turns()
    assert log.groups == [[0], [1]]
    for place in range(3):
        log.gates[place].set_result(None)
        await turns()
    await asyncio.gather(*tasks)


async def test_too_many_waiting_items_are_refused() -> None:
    """M2: queues are bounded."""
    log = Log()
    group = grouper(log, max_waiting=2)
    tasks = [asyncio.ensure_future(group.submit(n, 1)) for n in range(3)]
    await turns()
    with pytest.raises(Exhausted, match="SN-V086"):
        await group.submit(9, 1)
    log.gates[0].set_result(None)
    await turns()
    log.gates[1].set_result(None)
    await asyncio.gather(*tasks)


async def test_an_error_reaches_every_caller_of_the_group_and_no_other() -> None:
    calls = 0

    async def commit(items: Sequence[int]) -> Sequence[int]:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise NotReady("SN-V085", "no leader")
        return list(items)

    group: Grouper[int, int] = Grouper(commit=commit, max_items=9, max_bytes=9, max_waiting=9)
    first, second = await asyncio.gather(
        group.submit(1, 1), group.submit(2, 1), return_exceptions=True
    )
    assert isinstance(first, NotReady)
    assert second == 2


async def test_a_caller_that_goes_away_disturbs_nobody() -> None:
    log = Log()
    group = grouper(log)
    tasks = [asyncio.ensure_future(group.submit(n, 1)) for n in range(3)]
    await turns()
    tasks[1].cancel()
    await turns()
    log.gates[0].set_result(None)
    await turns()
    assert log.groups == [[0], [2]]
    log.gates[1].set_result(None)
    assert await tasks[0] == 0
    assert await tasks[2] == 20
