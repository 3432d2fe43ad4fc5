"""Timers, limits per caller, batch answers, updates and stored forms."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.integration.matcher.harness import DOMAIN, MATCHER, SUBNET, intent, key
from tests.unit.matcher.test_admission import bid

from pinai_subnet.matcher import store
from pinai_subnet.matcher.assigner import Assigner
from pinai_subnet.matcher.batches import BatchAnswers
from pinai_subnet.matcher.callers import Callers, peer_host
from pinai_subnet.matcher.case import Case
from pinai_subnet.matcher.journal import Journal
from pinai_subnet.matcher.refusal import Refusal
from pinai_subnet.matcher.timers import Timers
from pinai_subnet.matcher.updates import IntentStreams, Update, UpdateType
from pinai_subnet.matcher.window import WindowRules, open_window
from pinai_subnet.protocol.errors import Conflict, Exhausted
from pinai_subnet.protocol.ids import AgentId, IntentId
from pinai_subnet.runtime.sqlite import SqliteDatabase
from pinai_subnet.runtime.stop import Stop


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.none() | st.integers(0, 50)), max_size=200))
def test_timers_ring_once_per_key_at_the_latest_set_time(
    steps: list[tuple[int, int | None]],
) -> None:
    timers: Timers[int] = Timers()
    expected: dict[int, int] = {}
    for name, due in steps:
        if due is None:
            timers.clear(name)
            expected.pop(name, None)
        else:
            timers.set(name, due)
            expected[name] = due
    assert len(timers) == len(expected)
    assert timers.next_due_ms() == min(expected.values(), default=None)
    rung = []
    for now in range(51):
        while (name := timers.pop_due(now)) is not None:
            rung.append((now, name))
    assert sorted(rung) == sorted((due, name) for name, due in expected.items())


def test_timers_do_not_grow_with_rescheduling() -> None:
    """M1."""
    timers: Timers[str] = Timers()
    for moment in range(10_000):
        timers.set("a", moment)
    assert len(timers._heap) < 100


def test_callers_are_limited_one_by_one() -> None:
    """A12: by signer, or by network address without port."""
    callers = Callers(calls_per_second=1, burst=2, max_streams=1)
    for _ in range(2):
        callers.admit(key(1).address, "ipv4:1.2.3.4:5", now=0.0)
    with pytest.raises(Exhausted, match="SN-M019"):
        callers.admit(key(1).address, "ipv4:9.9.9.9:5", now=0.0)
    callers.admit(None, "ipv4:1.2.3.4:5", now=0.0, calls=2)
    with pytest.raises(Exhausted):
        callers.admit(None, "ipv4:1.2.3.4:6", now=0.0)
    callers.admit(None, "ipv4:1.2.3.4:6", now=1.0)
    assert peer_host("unix:") == "unix:"
    assert peer_host("ipv6:%5B::1%5D:80") == "ipv6:%5B::1%5D"


def test_streams_are_counted() -> None:
    callers = Callers(calls_per_second=1, burst=2, max_streams=1)
    held = callers.open_stream(None, "ipv4:1.2.3.4:5")
    with pytest.raises(Exhausted, match="SN-M024"):
        callers.open_stream(key(1).address, "ipv4:9.9.9.9:5")
    callers.close_stream(held)
    callers.open_stream(key(1).address, "ipv4:9.9.9.9:5")


def test_one_caller_holds_at_most_half_of_the_streams() -> None:
    """A12: a stranger's streams keep nobody else out."""
    callers = Callers(calls_per_second=1, burst=2, max_streams=4)
    held = [callers.open_stream(None, f"ipv4:1.2.3.4:{port}") for port in (5, 6)]
    with pytest.raises(Exhausted, match="SN-M024"):
        callers.open_stream(None, "ipv4:1.2.3.4:7")
    callers.open_stream(key(1).address, "ipv4:1.2.3.4:8")
    callers.close_stream(held[0])
    callers.open_stream(None, "ipv4:1.2.3.4:7")


def test_batch_answers_are_remembered_for_signed_callers_only() -> None:
    answers: BatchAnswers[str] = BatchAnswers(capacity=2)
    signer = key(1).address
    answers.keep(signer, "b", b"x", "first")
    assert answers.find(signer, "b", b"x") == "first"
    with pytest.raises(Conflict, match="SN-M021"):
        answers.find(signer, "b", b"y")
    answers.keep(None, "b", b"x", "nobody")
    assert answers.find(None, "b", b"y") is None
    for number in range(2):
        answers.keep(signer, f"n{number}", b"", "n")
    assert answers.find(signer, "b", b"x") is None


async def test_an_overflow_drops_the_queue_and_tells_everything_open() -> None:
    """L22."""
    overflows: list[int] = []

    def update(number: int, kind: UpdateType) -> Update:
        return Update(
            intent_id=IntentId(str(number)), intent_type="echo", update_type=kind, timestamp=0
        )

    streams = IntentStreams(
        open_intents=lambda: [update(99, UpdateType.EXISTING_INTENT)],
        queue_size=2,
        on_overflow=lambda: overflows.append(1),
    )
    listener = streams.connect(signer=None, intent_types=frozenset(), subnet_matches=True)
    first = await streams.next(listener)
    assert first == [update(99, UpdateType.EXISTING_INTENT)]
    for number in range(5):
        streams.publish(update(number, UpdateType.NEW_INTENT))
    assert await streams.next(listener) == first
    assert overflows == [1]
    streams.publish(update(7, UpdateType.NEW_INTENT))
    assert await streams.next(listener) == [update(7, UpdateType.NEW_INTENT)]
    streams.end_all()
    assert await streams.next(listener) is None


def stored_case() -> Case:
    value = intent(budget=2**200, tips=2**130)
    rules = WindowRules(duration_ms=10, reopen_max_ms=20)
    case = Case(
        intent=value,
        window=open_window(now_ms=1, assign_by_ms=99, rules=rules),
        seen_at_ms=1,
        assign_by_ms=99,
        deadline_ms=int(value.deadline) * 1000,
        excluded={AgentId("bad"): Refusal("SN-M011", "failed")},
    )
    offer = bid("a", intent_id=value.intent_id, bid_id="0x" + "ab" * 32, metadata={"k": "v"})
    case.bids[offer.agent_id] = offer
    assigner = Assigner(signer=MATCHER, subnet_id=SUBNET, domain=DOMAIN)
    case.attempts.append(assigner.draft(case, offer, now_seconds=1_700_000_000.5))
    return case


def test_a_case_comes_back_from_its_stored_form_as_it_was() -> None:
    case = stored_case()
    again = store.case_from(
        store.encode_intent(case.intent),
        store.encode_state(case),
        [store.encode(b) for b in case.bids.values()],
        [store.encode(a) for a in case.attempts],
    )
    assert again == case


async def test_durable_means_on_disk_and_a_failed_write_is_told(tmp_path: Path) -> None:
    case, stop = stored_case(), Stop()
    async with SqliteDatabase(tmp_path / "j.sqlite", store.MIGRATIONS, identity="t") as database:
        journal = Journal(database)
        running = asyncio.create_task(journal.run(stop))
        journal.opened(case)
        for offer in case.bids.values():
            journal.bid(offer)
        for attempt in case.attempts:
            journal.attempt(attempt)
            journal.post(1, attempt.record.assignment)
        journal.cursor(41)
        await journal.durable()
        found = await Journal(database).resume()
        assert (list(found.cases), found.cursor) == ([case], 41)
        assert found.outbox == [(1, case.attempts[0].record.assignment)]
        journal.posted(1)
        await journal.durable()
        assert not (await Journal(database).resume()).outbox
        assert await journal.known([case.intent.intent_id, IntentId("x")]) == {
            case.intent.intent_id
        }
        await database.close()
        journal.moved(case)
        with pytest.raises(RuntimeError):
            await journal.durable()
        with pytest.raises(RuntimeError):
            await running
