"""What one request changes in the store, as functions that run inside one write. Rules and rows meet here.

Each function answers every entry on its own. Where a request does not allow partial success, one refused entry undoes
the others. Batches that contradict a settled one are kept as evidence even then.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from pinai_subnet.ports.root_layer import ItemResult, SignedBatch
from pinai_subnet.protocol.assignments import Assignment
from pinai_subnet.protocol.batches import BatchItem
from pinai_subnet.protocol.errors import Conflict, SubnetError, WrongState
from pinai_subnet.protocol.intents import Intent, IntentStatus
from pinai_subnet.rootlayer.assigning import Effect, effect_of
from pinai_subnet.rootlayer.events import StatusChange
from pinai_subnet.rootlayer.intake import same_submission
from pinai_subnet.rootlayer.settling import check_item
from pinai_subnet.rootlayer.store import assignments as assignment_rows
from pinai_subnet.rootlayer.store import batches as batch_rows
from pinai_subnet.rootlayer.store import intents as intent_rows
from pinai_subnet.wire.codec.refusals import refusal_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """What became of one submitted intent; without an `error` it is stored."""

    intent: Intent | None
    """As stored, also for a repeated submission; None when nothing is stored."""
    error: SubnetError | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedBatch:
    """A batch whose form, hashes and signatures are right."""

    batch: SignedBatch
    digest: bytes
    kind: str = batch_rows.BATCH


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedBatch:
    """A batch that was refused as a whole, and how many answers its sender expects."""

    error: SubnetError
    items: int


def record_intents(
    connection: sqlite3.Connection,
    entries: Sequence[Intent | SubnetError],
    *,
    partial_ok: bool,
    treat_exists_as_ok: bool,
    at_ms: int,
) -> tuple[list[Submitted], list[StatusChange]]:
    """Store checked intents; an entry that was refused before keeps its error."""
    connection.execute("SAVEPOINT request")
    changes: list[StatusChange] = []
    outcomes = [
        _record_intent(connection, entry, changes, treat_exists_as_ok, at_ms) for entry in entries
    ]
    if not partial_ok and any(outcome.error for outcome in outcomes):
        connection.execute("ROLLBACK TO request")
        known = {change.intent.intent_id for change in changes}
        outcomes = [
            Submitted(intent=None, error=_not_applied())
            if outcome.error is None and outcome.intent and outcome.intent.intent_id in known
            else outcome
            for outcome in outcomes
        ]
        changes = []
    connection.execute("RELEASE request")
    return outcomes, changes


def _record_intent(
    connection: sqlite3.Connection,
    entry: Intent | SubnetError,
    changes: list[StatusChange],
    treat_exists_as_ok: bool,
    at_ms: int,
) -> Submitted:
    if isinstance(entry, SubnetError):
        return Submitted(intent=None, error=entry)
    known = intent_rows.find(connection, entry.intent_id)
    if known is None:
        changes.append(intent_rows.add(connection, entry, reason="submitted", at_ms=at_ms))
        return Submitted(intent=entry, error=None)
    if not same_submission(known, entry):
        text = f"intent {entry.intent_id} exists with other content"
        return Submitted(intent=None, error=Conflict("SN-S011", text))
    if treat_exists_as_ok:
        return Submitted(intent=known, error=None)
    text = f"intent {entry.intent_id} exists already with the same content"
    return Submitted(intent=known, error=Conflict("SN-S010", text))


def record_assignments(
    connection: sqlite3.Connection,
    entries: Sequence[Assignment | SubnetError],
    *,
    at_ms: int,
) -> tuple[list[SubnetError | None], list[StatusChange]]:
    """Store checked assignments, all or none of them; return one refusal or None per entry."""
    connection.execute("SAVEPOINT request")
    answers: list[SubnetError | None] = []
    changes: list[StatusChange] = []
    for entry in entries:
        try:
            if isinstance(entry, SubnetError):
                raise entry
            changes += _record_assignment(connection, entry, at_ms)
        except SubnetError as exc:
            answers.append(exc)
        else:
            answers.append(None)
    if any(answers):
        connection.execute("ROLLBACK TO request")
        answers = [answer or _not_applied() for answer in answers]
        changes = []
    connection.execute("RELEASE request")
    return answers, changes


def _record_assignment(
    connection: sqlite3.Connection, assignment: Assignment, at_ms: int
) -> list[StatusChange]:
    intent = intent_rows.find(connection, assignment.intent_id)
    effect = effect_of(
        assignment,
        intent=intent,
        known=assignment_rows.find(connection, assignment.assignment_id),
        active=assignment_rows.active_of(connection, assignment.intent_id),
        now=at_ms // 1000,
    )
    if effect is Effect.FAIL:
        assignment_rows.fail(connection, assignment, at_ms=at_ms)
    elif effect is Effect.ADD:
        assignment_rows.add(connection, assignment, at_ms=at_ms)
        if intent is not None and intent.status in (IntentStatus.PENDING, IntentStatus.CHAINED):
            return [
                intent_rows.change_status(
                    connection,
                    intent,
                    IntentStatus.PROCESSING,
                    reason=f"assigned to {assignment.agent_address}, assignment {assignment.assignment_id[:14]}…",
                    at_ms=at_ms,
                )
            ]
    return []


def is_new(connection: sqlite3.Connection, group: CheckedBatch | RefusedBatch) -> bool:
    """Say whether a group is well formed and the first for its epoch: then settling it costs."""
    if isinstance(group, RefusedBatch):
        return False
    batch = group.batch
    return batch_rows.find_digest(connection, batch.subnet_id, batch.epoch, group.kind) is None


def record_batches(
    connection: sqlite3.Connection,
    groups: Sequence[CheckedBatch | RefusedBatch],
    *,
    partial_ok: bool,
    at_ms: int,
) -> tuple[list[ItemResult], list[StatusChange]]:
    """Settle checked batches; return one answer per item of all groups, in order."""
    connection.execute("SAVEPOINT request")
    answers: list[ItemResult] = []
    changes: list[StatusChange] = []
    conflicts: list[CheckedBatch] = []
    for group in groups:
        answers += _record_batch(connection, group, changes, conflicts, at_ms)
    if not partial_ok and not all(answer.ok for answer in answers):
        connection.execute("ROLLBACK TO request")
        undone = ItemResult(ok=False, message=refusal_text(_not_applied()), receipt_id="")
        answers = [undone if answer.ok else answer for answer in answers]
        changes = []
    connection.execute("RELEASE request")
    for conflict in conflicts:
        batch_rows.add_conflict(connection, conflict.batch, conflict.digest, at_ms=at_ms)
    return answers, changes


def _record_batch(
    connection: sqlite3.Connection,
    group: CheckedBatch | RefusedBatch,
    changes: list[StatusChange],
    conflicts: list[CheckedBatch],
    at_ms: int,
) -> list[ItemResult]:
    if isinstance(group, RefusedBatch):
        return _all_refused(group.error, group.items)
    batch = group.batch
    settled = batch_rows.find_digest(connection, batch.subnet_id, batch.epoch, group.kind)
    if settled is not None and settled != group.digest:
        conflicts.append(group)
        error = Conflict(
            "SN-S039",
            f"epoch {batch.epoch} was settled as 0x{settled.hex()}, not as 0x{group.digest.hex()}",
        )
        return _all_refused(error, len(batch.items))
    # A repeated batch keeps its receipts; items refused before (an assignment not yet posted) get another chance.
    earlier: list[ItemResult | None] = [None] * len(batch.items)
    if settled is None:
        batch_rows.add(connection, batch, group.digest, kind=group.kind, at_ms=at_ms)
    else:
        earlier = list(batch_rows.results(connection, batch.subnet_id, batch.epoch, group.kind))
    answers = [
        known
        if known is not None and known.ok
        else _settle_item(connection, group, index, changes, at_ms)
        for index, known in enumerate(earlier)
    ]
    batch_rows.set_results(connection, batch, group.kind, answers)
    return answers


def _settle_item(
    connection: sqlite3.Connection,
    group: CheckedBatch,
    index: int,
    changes: list[StatusChange],
    at_ms: int,
) -> ItemResult:
    item: BatchItem = group.batch.items[index]
    intent = intent_rows.find(connection, item.intent_id)
    try:
        check_item(
            item,
            intent=intent,
            assignment=assignment_rows.find(connection, item.assignment_id),
        )
    except SubnetError as exc:
        return ItemResult(ok=False, message=refusal_text(exc), receipt_id="")
    if intent is not None:
        changes.append(
            intent_rows.change_status(
                connection,
                intent,
                IntentStatus.COMPLETED,
                reason=f"settled in epoch {group.batch.epoch}",
                at_ms=at_ms,
            )
        )
    receipt = f"{group.batch.epoch}-{index}-{group.digest[:8].hex()}"
    return ItemResult(ok=True, message="settled", receipt_id=receipt)


def record_expiry(
    connection: sqlite3.Connection, *, grace_seconds: int, limit: int, at_ms: int
) -> list[StatusChange]:
    """Expire open intents: unassigned ones at their deadline, assigned ones after the grace period as well."""
    now = at_ms // 1000
    overdue = intent_rows.find_overdue(
        connection, pending_before=now, processing_before=now - grace_seconds, limit=limit
    )
    return [
        intent_rows.change_status(
            connection,
            intent,
            IntentStatus.EXPIRED,
            reason="the deadline passed "
            + (
                "without a settled result"
                if intent.status is IntentStatus.PROCESSING
                else "without an assignment"
            ),
            at_ms=at_ms,
        )
        for intent in overdue
    ]


def _all_refused(error: SubnetError, count: int) -> list[ItemResult]:
    return [ItemResult(ok=False, message=refusal_text(error), receipt_id="")] * count


def _not_applied() -> SubnetError:
    return WrongState("SN-S042", "not applied: another entry was refused and partial_ok is not set")
