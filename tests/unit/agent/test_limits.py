"""The bounds of the agent's queues and tables that no other test reaches."""

import asyncio
from pathlib import Path

import pytest
from tests.unit.agent.test_parts import OPTIONS, a_report, a_task, an_id

from pinai_subnet.agent import bidder as bidder_module
from pinai_subnet.agent import journal as journal_module
from pinai_subnet.agent import worker as worker_module
from pinai_subnet.agent.bidder import Bidder
from pinai_subnet.agent.journal import MIGRATIONS, NoJournal, SqliteJournal
from pinai_subnet.agent.metrics import AgentMetrics
from pinai_subnet.agent.network import IntentUpdate
from pinai_subnet.agent.pricing import FixedPrices
from pinai_subnet.agent.worker import MAX_UNDELIVERED, Worker
from pinai_subnet.runtime.clock import ManualClock
from pinai_subnet.runtime.metrics import Metrics
from pinai_subnet.runtime.sqlite import SqliteDatabase


async def test_bids_that_wait_are_bounded_and_further_ones_are_dropped() -> None:
    """A window does not wait: what cannot be sent soon is not worth keeping."""
    bidder = Bidder(
        options=OPTIONS,
        matcher=None,  # type: ignore[arg-type]
        bidding=FixedPrices({"echo": 1}),
        no_room=lambda: "",
        metrics=AgentMetrics(Metrics("agent")),
        clock=ManualClock(),
        chain_address=None,
    )
    for number in range(bidder_module._QUEUED + 5):
        await bidder.consider(
            "echo", IntentUpdate(intent_id=an_id(number), update_type="NEW_INTENT")
        )
    assert bidder._queue.qsize() == bidder_module._QUEUED


async def worker(undelivered: int = 0) -> Worker:
    return Worker(
        options=OPTIONS,
        matcher=None,  # type: ignore[arg-type]
        execution=None,  # type: ignore[arg-type]
        journal=NoJournal(),
        deliver=lambda _: None,
        undelivered=lambda: undelivered,
        metrics=AgentMetrics(Metrics("agent")),
        clock=ManualClock(),
    )


async def test_no_task_is_taken_while_too_many_reports_wait_for_a_validator() -> None:
    assert not (await worker(MAX_UNDELIVERED - 1)).no_room()
    assert (await worker(MAX_UNDELIVERED)).no_room()


async def test_done_tasks_are_remembered_up_to_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "KEPT_CLOSED", 3)
    one = await worker()
    one.know_closed(tuple(an_id(number) for number in range(5)))
    assert list(one._done) == [an_id(2), an_id(3), an_id(4)]


async def test_the_journal_keeps_a_bounded_number_of_closed_tasks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "KEPT_CLOSED", 3)
    async with SqliteDatabase(tmp_path / "a.sqlite", MIGRATIONS, identity="t") as database:
        journal = SqliteJournal(database)
        for number in range(6):
            await journal.accepted(a_task(number))
            await journal.finished(a_report(number))
            await journal.closed([an_id(number)])
        assert len((await journal.load()).closed) <= 3


async def test_tasks_in_hand_are_bounded_by_capacity_and_backlog() -> None:
    one = await worker()
    for number in range(OPTIONS.capacity + OPTIONS.backlog):
        assert not one.no_room()
        one._hold(an_id(number))
    assert one.no_room()
    await asyncio.sleep(0)
