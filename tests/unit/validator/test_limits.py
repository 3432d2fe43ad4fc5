"""The bounds of the validator's tables and queues that no other test reaches."""

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from tests.unit.validator.ledger_world import World, record, report
from tests.unit.validator.test_signing_duty import duty

from pinai_subnet.adapters.signing_record.file import FileSigningRecord
from pinai_subnet.protocol.ids import AssignmentId
from pinai_subnet.runtime.clock import ManualClock
from pinai_subnet.runtime.sqlite import SqliteDatabase
from pinai_subnet.validator import command_items, marks, peer_clocks
from pinai_subnet.validator.applied import ReplyStatus
from pinai_subnet.validator.archive import MIGRATIONS, Archive, AssignmentRow, EpochRow
from pinai_subnet.validator.arrivals import AssignmentArrivals
from pinai_subnet.validator.commands import ReceiveReports
from pinai_subnet.validator.documents import assignment_document
from pinai_subnet.validator.ledger import Ledger
from pinai_subnet.validator.loops import rota, sign
from pinai_subnet.validator.loops.archive import Changes
from pinai_subnet.validator.loops.rota import Patience
from pinai_subnet.validator.marks import Marks
from pinai_subnet.validator.peer_clocks import PeerClocks

T = TypeVar("T")


def test_ended_assignments_take_a_place_until_they_are_forgotten() -> None:
    """M2: ended ones are kept until their deadline, so they are counted as well."""
    world = World(max_assignments=2, max_ended=0)
    epoch = world.final(record(1), record(2))
    world.settle(epoch)
    (reply,) = world.assign(record(3)).replies
    assert (reply.code, reply.retryable) == ("SN-V011", True)
    world.now_ms += 60_001
    world.expire()
    (reply,) = world.assign(record(3, deadline=world.now_ms // 1000 + 60)).replies
    assert reply.status is ReplyStatus.ACCEPTED


def test_a_report_has_a_bounded_number_of_bytes() -> None:
    world = World(max_report_bytes=5_000)
    world.assign(record())
    (reply,) = world.send(report(record(), result=bytes(5_000))).replies
    assert reply.code == "SN-V017"
    (reply,) = world.send(report(record(), result=bytes(4_000))).replies
    assert reply.status is ReplyStatus.ACCEPTED


def test_a_command_has_a_bounded_number_of_items() -> None:
    world = World(max_command_items=2)
    reports = tuple(report(record(number)) for number in range(3))
    applied = world.apply(ReceiveReports(stamp=world.stamp(), reports=reports, hold_unknown=True))
    assert [reply.code for reply in applied.replies] == ["SN-V003"] * 3
    assert not list(world.ledger.held_reports())


async def test_only_so_many_reports_wait_for_their_assignment_at_a_time() -> None:
    arrivals = AssignmentArrivals(max_waiting=2)
    waiting = [
        asyncio.create_task(arrivals.wait(AssignmentId(f"a{number}"), 60)) for number in range(2)
    ]
    await asyncio.sleep(0)
    await asyncio.wait_for(arrivals.wait(AssignmentId("a2"), 60), 1)
    assert not any(task.done() for task in waiting)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert not arrivals._waiting


def test_patience_remembers_a_bounded_number_of_things() -> None:
    patience = Patience(clock=ManualClock())
    for number in range(rota._MAX_KNOWN + 10):
        patience.over(number, 1)
    assert len(patience._since) == rota._MAX_KNOWN


def test_refusals_to_sign_are_remembered_up_to_a_number(tmp_path: Path) -> None:
    world = World()
    store = FileSigningRecord(tmp_path / "record", address=world.parameters.validators[0].address)
    signing, _ = duty(world, store)
    for epoch in range(sign._MAX_REFUSED + 10):
        signing._refuse(epoch, "SN-V095", "it differs")
    assert len(signing._refused) == sign._MAX_REFUSED
    store.close()


def settled(numbers: range) -> Ledger:
    world = World()
    epoch = world.final(*(record(number) for number in numbers))
    world.settle(epoch)
    return world.ledger


async def test_the_archive_keeps_at_most_so_many_records(tmp_path: Path) -> None:
    """The oldest go first, whatever their age."""
    ledger = settled(range(6))
    rows = [
        AssignmentRow(document=assignment_document(state), report=None, updated_at_ms=1_000 + place)
        for place, state in enumerate(ledger.assignments())
    ]
    async with SqliteDatabase(tmp_path / "archive.sqlite", MIGRATIONS, identity="x") as database:
        archive = Archive(database)
        epochs = [
            EpochRow(
                document={"epoch": n, "header_hash": str(n), "checkpoint_hash": str(n)},
                checkpoint=b"",
                updated_at_ms=1_000 + n,
            )
            for n in (1, 2)
        ]
        await archive.store(rows, epochs, 1)
        assert await archive.forget(before_ms=0, max_records=4) == 2
        kept = [await archive.attempts(str(row.document["intent_id"])) for row in rows]
        assert [len(found) for found in kept] == [0, 0, 1, 1, 1, 1]
        assert [await archive.epoch(n) is not None for n in (1, 2)] == [False, True]
        assert await archive.forget(before_ms=1_004, max_records=4) == 2


async def test_the_archive_forgets_in_transactions_of_a_bounded_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one transaction deletes is held in memory, whatever has piled up."""
    few = 3
    monkeypatch.setattr("pinai_subnet.validator.archive.FORGOTTEN_AT_ONCE", few)
    sizes: list[int] = []

    class Counted(SqliteDatabase):
        async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
            def counted(connection: sqlite3.Connection) -> T:
                before = connection.total_changes
                try:
                    return work(connection)
                finally:
                    sizes.append(connection.total_changes - before)

            return await super().write(counted)

    document = assignment_document(next(iter(settled(range(1)).assignments())))
    rows = [
        AssignmentRow(
            document={**document, "assignment_id": str(number)}, report=None, updated_at_ms=number
        )
        for number in range(20)
    ]
    async with Counted(tmp_path / "archive.sqlite", MIGRATIONS, identity="x") as database:
        archive = Archive(database)
        await archive.store(rows, [], 1)
        sizes.clear()
        assert await archive.forget(before_ms=6, max_records=7) == 13
        assert sum(sizes) == 13
        assert max(sizes) == few
        left = await database.read(
            lambda connection: connection.execute(
                "SELECT updated_at_ms FROM assignments ORDER BY 1"
            ).fetchall()
        )
        assert left == [(number,) for number in range(13, 20)]


def test_results_that_wait_for_the_archive_are_bounded_in_bytes() -> None:
    """M2: beyond the bound the archive reads them from the ledger, which has a bound of its own."""
    world, changes = World(), Changes(max_result_bytes=25)
    records = [record(number) for number in range(3)]
    world.assign(*records)
    applied = world.send(*(report(one, result=bytes(10)) for one in records))
    changes.note(1, applied, world.ledger)
    waiting, _, _ = changes.take(10)
    assert [taken is not None for _, taken in waiting] == [True, True, False]


def test_the_newest_marks_of_the_state_are_kept_and_no_more() -> None:
    world, marks_kept = World(), Marks()
    for _ in range(marks._KEPT + 10):
        world.tick()
        marks_kept.note(world.ledger)
    assert len(marks_kept._marks) == marks._KEPT
    assert max(marks_kept._marks) == world.ledger.index


async def test_a_members_times_are_remembered_up_to_a_number() -> None:
    world, clock = World(), ManualClock()
    clocks = PeerClocks(clock=clock)
    for _ in range(peer_clocks._SAMPLES + 10):
        clocks.note(world.stamp())
        await clock.elapse(peer_clocks._APART_SECONDS)
    assert [len(samples) for samples in clocks._samples.values()] == [peer_clocks._SAMPLES]


@pytest.mark.parametrize("cache", [command_items._hex, command_items._address])
def test_decoded_texts_are_remembered_up_to_a_number(cache: Any) -> None:
    most = cache.cache_info().maxsize
    cache.cache_clear()
    for number in range(most + 10):
        cache(number.to_bytes(20, "big"))
    assert cache.cache_info().currsize == most
