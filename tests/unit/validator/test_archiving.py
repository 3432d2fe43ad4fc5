"""When changes are written to the archive: at once where somebody asks, gathered otherwise."""

import asyncio
from collections.abc import Sequence
from typing import Any

from tests.unit.validator.ledger_world import World, record

from pinai_subnet.runtime.clock import ManualClock
from pinai_subnet.runtime.metrics import Metrics
from pinai_subnet.validator.archive import AssignmentRow, EpochRow
from pinai_subnet.validator.loops.archive import ArchiveChanges, Changes
from pinai_subnet.validator.metrics import ValidatorMetrics


class Written:
    """Stands for the archive: remembers how many records each write had."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    async def store(
        self, assignments: Sequence[AssignmentRow], epochs: Sequence[EpochRow], applied_index: int
    ) -> None:
        self.sizes.append(len(assignments))

    async def forget(self, *, before_ms: int, max_records: int) -> int:
        return 0


class Subject:
    """A ledger whose changes are archived every second."""

    def __init__(self) -> None:
        self.world, self.changes, self.written = World(), Changes(), Written()
        self.clock = ManualClock()
        archive: Any = self.written
        self.archiving = ArchiveChanges(
            changes=self.changes,
            archive=archive,
            read=lambda query: query(self.world.ledger),
            clock=self.clock,
            keep_days=1,
            max_records=1000,
            gather_seconds=1,
            metrics=ValidatorMetrics(Metrics("validator")),
        )

    def change(self, *numbers: int) -> None:
        applied = self.world.assign(*(record(number) for number in numbers))
        self.changes.note(applied.index, applied, self.world.ledger)


async def test_the_first_change_is_written_at_once_and_the_next_ones_together() -> None:
    subject = Subject()
    subject.change(1)
    await subject.archiving.work()
    assert subject.written.sizes == [1]
    subject.change(2)
    work = asyncio.create_task(subject.archiving.work())
    await subject.clock.elapse(0.5)
    subject.change(3)
    assert subject.written.sizes == [1]
    await subject.clock.elapse(0.6)
    await work
    assert subject.written.sizes == [1, 2]


async def test_who_asks_the_archive_waits_for_no_pause() -> None:
    subject = Subject()
    subject.change(1)
    await subject.archiving.work()
    subject.change(2)
    await subject.archiving.catch_up()
    assert subject.written.sizes == [1, 1]


async def test_a_full_slice_is_written_without_a_pause() -> None:
    subject = Subject()
    subject.change(1)
    await subject.archiving.work()
    subject.change(*range(2, 102))
    assert await subject.archiving.work()
    assert not await subject.archiving.work()
    assert sum(subject.written.sizes) == 101
