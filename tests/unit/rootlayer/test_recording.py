"""What one request changes in the store: all of it, part of it, or nothing, and never twice."""

import dataclasses
import sqlite3
from collections.abc import Iterator

import pytest
from tests.rootlayer_kit import (
    PARAMETERS,
    VALIDATORS,
    item_of,
    signed_assignment,
    signed_batch,
    signed_intent,
)

from pinai_subnet.ports.root_layer import SignedBatch
from pinai_subnet.protocol.assignments import Assignment, AssignmentStatus
from pinai_subnet.protocol.errors import InvalidInput
from pinai_subnet.protocol.intents import Intent, IntentStatus
from pinai_subnet.rootlayer import recording
from pinai_subnet.rootlayer.recording import CheckedBatch, RefusedBatch
from pinai_subnet.rootlayer.settling import check_batch
from pinai_subnet.rootlayer.store import assignments as assignment_rows
from pinai_subnet.rootlayer.store import batches as batch_rows
from pinai_subnet.rootlayer.store import intents as intent_rows
from pinai_subnet.rootlayer.store.schema import MIGRATIONS

NOW = 1_700_000_000
AT = NOW * 1000


@pytest.fixture
def store() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute("PRAGMA foreign_keys = ON")
    for script in MIGRATIONS:
        connection.executescript(script)
    connection.execute("BEGIN")
    yield connection
    connection.close()


def submit(store: sqlite3.Connection, *intents: object, **options: bool) -> list[str]:
    settings = {"partial_ok": True, "treat_exists_as_ok": False} | options
    outcomes, _ = recording.record_intents(store, intents, at_ms=AT, **settings)  # type: ignore[arg-type]
    return [outcome.error.code if outcome.error else "" for outcome in outcomes]


def assign(store: sqlite3.Connection, *assignments: Assignment, at_ms: int = AT) -> list[str]:
    answers, _ = recording.record_assignments(store, assignments, at_ms=at_ms)
    return [answer.code if answer else "" for answer in answers]


def settle(store: sqlite3.Connection, *batches: object, partial_ok: bool = True) -> list[str]:
    groups = [
        CheckedBatch(batch=b, digest=check_batch(b, PARAMETERS))
        if isinstance(b, SignedBatch)
        else b
        for b in batches
    ]
    answers, _ = recording.record_batches(store, groups, partial_ok=partial_ok, at_ms=AT)  # type: ignore[arg-type]
    return [answer.receipt_id if answer.ok else answer.message[:7] for answer in answers]


def status(store: sqlite3.Connection, intent: Intent) -> IntentStatus | None:
    stored = intent_rows.find(store, intent.intent_id)
    return stored.status if stored else None


def new_intents(count: int) -> list[Intent]:
    return [signed_intent(deadline=NOW + 100) for _ in range(count)]


def test_an_intent_is_stored_as_it_was_signed(store: sqlite3.Connection) -> None:
    intent = signed_intent(deadline=NOW + 100, tips=2**256 - 1, budget=0, metadata=b"\0\xff")
    assert submit(store, intent) == [""]
    assert intent_rows.find(store, intent.intent_id) == intent
    assert [entry.new_status for entry in intent_rows.history(store, intent.intent_id)] == [
        IntentStatus.PENDING
    ]


def test_a_repeated_submission_is_told_so_and_changes_nothing(store: sqlite3.Connection) -> None:
    intent = new_intents(1)[0]
    submit(store, intent)
    assert submit(store, intent) == ["SN-S010"]
    assert submit(store, intent, treat_exists_as_ok=True) == [""]
    assert submit(store, dataclasses.replace(intent, tips=9), treat_exists_as_ok=True) == [
        "SN-S011"
    ]
    assert len(intent_rows.history(store, intent.intent_id)) == 1


def test_partial_success_keeps_the_good_entries_and_results_stay_aligned(
    store: sqlite3.Connection,
) -> None:
    first, second, third = new_intents(3)
    bad = InvalidInput("SN-S013", "forged")
    assert submit(store, first, bad, second, first, third) == ["", "SN-S013", "", "SN-S010", ""]
    assert [status(store, i) for i in (first, second, third)] == [IntentStatus.PENDING] * 3


def test_without_partial_success_one_bad_entry_undoes_all(store: sqlite3.Connection) -> None:
    known, first, second = new_intents(3)
    submit(store, known)
    bad = InvalidInput("SN-S013", "forged")
    codes = submit(store, first, bad, known, second, partial_ok=False, treat_exists_as_ok=True)
    assert codes == ["SN-S042", "SN-S013", "", "SN-S042"]
    assert [status(store, i) for i in (first, second, known)] == [None, None, IntentStatus.PENDING]


def test_an_assignment_starts_processing_and_a_repeat_changes_nothing(
    store: sqlite3.Connection,
) -> None:
    intent = new_intents(1)[0]
    submit(store, intent)
    assignment = signed_assignment(intent.intent_id)
    assert assign(store, assignment) == [""]
    assert assign(store, assignment) == [""]
    assert status(store, intent) is IntentStatus.PROCESSING
    assert len(intent_rows.history(store, intent.intent_id)) == 2


def test_a_runner_up_follows_a_failed_winner(store: sqlite3.Connection) -> None:
    intent = new_intents(1)[0]
    submit(store, intent)
    winner, runner_up = signed_assignment(intent.intent_id), signed_assignment(intent.intent_id)
    failed = signed_assignment(
        intent.intent_id, assignment_id=winner.assignment_id, status=AssignmentStatus.FAILED
    )
    assign(store, winner)
    assert assign(store, runner_up) == ["SN-S023"]
    assert assign(store, failed) == [""]
    assert assign(store, runner_up) == [""]
    stored = assignment_rows.of_intent(store, intent.intent_id)
    assert [(s.assignment, s.failed_at_ms) for s in stored] == [(failed, AT), (runner_up, 0)]
    assert status(store, intent) is IntentStatus.PROCESSING


def test_failure_and_runner_up_may_come_in_one_request(store: sqlite3.Connection) -> None:
    intent = new_intents(1)[0]
    submit(store, intent)
    winner, runner_up = signed_assignment(intent.intent_id), signed_assignment(intent.intent_id)
    failed = signed_assignment(
        intent.intent_id, assignment_id=winner.assignment_id, status=AssignmentStatus.FAILED
    )
    assert assign(store, winner, failed, runner_up) == ["", "", ""]
    assert assignment_rows.active_of(store, intent.intent_id) == runner_up.assignment_id


def test_assignments_of_one_request_are_all_taken_or_none(store: sqlite3.Connection) -> None:
    first, second = new_intents(2)
    submit(store, first, second)
    good = signed_assignment(first.intent_id)
    unknown = signed_assignment("0x" + "ee" * 32)
    assert assign(store, good, unknown) == ["SN-S042", "SN-S012"]
    assert status(store, first) is IntentStatus.PENDING


def assigned(store: sqlite3.Connection, count: int) -> tuple[list[Intent], list[Assignment]]:
    intents = new_intents(count)
    submit(store, *intents)
    assignments = [signed_assignment(intent.intent_id) for intent in intents]
    assign(store, *assignments)
    return intents, assignments


def test_a_batch_completes_its_intents_once_and_repeats_get_the_same_receipts(
    store: sqlite3.Connection,
) -> None:
    """L2, L13: a batch whose answer was lost is sent again and has its effect once."""
    intents, assignments = assigned(store, 2)
    batch = signed_batch([item_of(a) for a in assignments])
    receipts = settle(store, batch)
    again = dataclasses.replace(batch, completed_at=9, aggregator_id="validator-2")
    fewer = signed_batch(batch.items, signers=VALIDATORS[1:])
    assert receipts == settle(store, batch) == settle(store, again) == settle(store, fewer)
    assert len(set(receipts)) == 2
    assert [status(store, i) for i in intents] == [IntentStatus.COMPLETED] * 2
    assert [len(intent_rows.history(store, i.intent_id)) for i in intents] == [3, 3]


def test_other_content_for_a_settled_epoch_is_refused_and_kept_as_evidence(
    store: sqlite3.Connection,
) -> None:
    intents, assignments = assigned(store, 2)
    first = signed_batch([item_of(assignments[0])])
    other = signed_batch([item_of(assignments[1])])
    settle(store, first)
    assert settle(store, other, partial_ok=False) == ["SN-S039"]
    assert settle(store, other) == ["SN-S039"]
    assert status(store, intents[1]) is IntentStatus.PROCESSING
    stored = batch_rows.find(store, first.subnet_id, first.epoch)
    assert stored is not None
    assert stored.batch == first
    assert [conflict.batch for conflict in stored.conflicts] == [other]


def test_refused_items_do_not_harm_the_others_and_get_another_chance(
    store: sqlite3.Connection,
) -> None:
    """An assignment may be posted after the batch that needs it; the repeated batch then settles the item."""
    intents, assignments = assigned(store, 2)
    late = new_intents(1)[0]
    submit(store, late)
    late_assignment = signed_assignment(late.intent_id)
    batch = signed_batch(
        [item_of(assignments[0]), item_of(late_assignment), item_of(assignments[1])]
    )
    first = settle(store, batch)
    assert first[1] == "SN-S036"
    assert [status(store, i) for i in intents] == [IntentStatus.COMPLETED] * 2
    assign(store, late_assignment)
    second = settle(store, batch)
    assert (second[0], second[2]) == (first[0], first[2])
    assert status(store, late) is IntentStatus.COMPLETED


def test_without_partial_success_a_refused_item_undoes_every_group(
    store: sqlite3.Connection,
) -> None:
    intents, assignments = assigned(store, 1)
    good = signed_batch([item_of(assignments[0])])
    refused = RefusedBatch(error=InvalidInput("SN-S031", "hash"), items=2)
    assert settle(store, good, refused, partial_ok=False) == ["SN-S042", "SN-S031", "SN-S031"]
    assert status(store, intents[0]) is IntentStatus.PROCESSING
    assert batch_rows.find_digest(store, good.subnet_id, good.epoch) is None


def test_one_intent_is_not_completed_by_two_epochs(store: sqlite3.Connection) -> None:
    _, assignments = assigned(store, 1)
    item = item_of(assignments[0])
    settle(store, signed_batch([item], epoch=1))
    assert settle(store, signed_batch([item], epoch=2)) == ["SN-S040"]


def test_unassigned_intents_expire_at_their_deadline_assigned_ones_after_the_grace_period(
    store: sqlite3.Connection,
) -> None:
    (processing,), _ = assigned(store, 1)
    pending = new_intents(1)[0]
    submit(store, pending)

    def expire(after: int) -> list[str]:
        changes = recording.record_expiry(
            store, grace_seconds=30, limit=10, at_ms=(NOW + after) * 1000
        )
        return [change.intent.intent_id for change in changes]

    assert expire(99) == []
    assert expire(100) == [pending.intent_id]
    assert expire(129) == []
    assert expire(130) == [processing.intent_id]
    assert expire(500) == []
    assert status(store, processing) is IntentStatus.EXPIRED
