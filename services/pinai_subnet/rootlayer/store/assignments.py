"""Assignments as rows."""

import sqlite3
from dataclasses import dataclass
from typing import Any

from pinai_subnet.protocol.assignments import Assignment, AssignmentStatus
from pinai_subnet.protocol.ids import Address, AssignmentId, BidId, IntentId

_COLUMNS = "assignment_id, intent_id, bid_id, agent, status, matcher, signature"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAssignment:
    """An assignment and when it came; times are unix milliseconds, 0 for never."""

    assignment: Assignment
    posted_at_ms: int
    failed_at_ms: int


def find(connection: sqlite3.Connection, assignment_id: str) -> Assignment | None:
    """Return one assignment."""
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM assignments WHERE assignment_id = ?",  # noqa: S608 - constant names
        (assignment_id,),
    ).fetchone()
    return None if row is None else _assignment(row)


def active_of(connection: sqlite3.Connection, intent_id: str) -> AssignmentId | None:
    """Return the id of an intent's active assignment."""
    row = connection.execute(
        "SELECT assignment_id FROM assignments WHERE intent_id = ? AND status = 1", (intent_id,)
    ).fetchone()
    return None if row is None else AssignmentId(row[0])


def add(connection: sqlite3.Connection, assignment: Assignment, *, at_ms: int) -> None:
    """Store a new assignment."""
    failed = assignment.status is AssignmentStatus.FAILED
    connection.execute(
        f"INSERT INTO assignments ({_COLUMNS}, active_signature, posted_at_ms, failed_at_ms)"  # noqa: S608 - names
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            assignment.assignment_id,
            assignment.intent_id,
            assignment.bid_id,
            assignment.agent_address,
            int(assignment.status),
            assignment.matcher,
            assignment.signature,
            b"",
            at_ms,
            at_ms if failed else 0,
        ),
    )


def fail(connection: sqlite3.Connection, assignment: Assignment, *, at_ms: int) -> None:
    """Mark an active assignment as failed; both of the matcher's signatures are kept."""
    connection.execute(
        "UPDATE assignments SET active_signature = signature, signature = ?, status = ?, failed_at_ms = ?"
        " WHERE assignment_id = ?",
        (
            assignment.signature,
            int(AssignmentStatus.FAILED),
            at_ms,
            assignment.assignment_id,
        ),
    )


def of_intent(connection: sqlite3.Connection, intent_id: str) -> list[StoredAssignment]:
    """Return every assignment of one intent, oldest first."""
    rows = connection.execute(
        f"SELECT posted_at_ms, failed_at_ms, {_COLUMNS} FROM assignments"  # noqa: S608 - constant names
        " WHERE intent_id = ? ORDER BY position",
        (intent_id,),
    )
    return [
        StoredAssignment(assignment=_assignment(row[2:]), posted_at_ms=row[0], failed_at_ms=row[1])
        for row in rows
    ]


def _assignment(row: Any) -> Assignment:
    assignment_id, intent_id, bid_id, agent, status, matcher, signature = row
    return Assignment(
        assignment_id=AssignmentId(assignment_id),
        intent_id=IntentId(intent_id),
        bid_id=BidId(bid_id),
        agent_address=Address(agent),
        status=AssignmentStatus(status),
        matcher=Address(matcher),
        signature=signature,
    )
