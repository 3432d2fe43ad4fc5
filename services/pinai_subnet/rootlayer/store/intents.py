"""Intents and the history of their statuses, as rows."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pinai_subnet.protocol.ids import Address, IntentId, SubnetId
from pinai_subnet.protocol.intents import Intent, IntentStatus
from pinai_subnet.rootlayer.events import HistoryEntry, StatusChange

_COLUMNS = (
    "intent_id, subnet_id, requester, settle_chain, intent_type, intent_raw, metadata, params_hash, tips_token, tips,"
    " budget_token, budget, deadline, intent_expiration, status, created_at, signature"
)
_ORDERS = {
    "created_at": "created_at",
    "deadline": "deadline",
    "tips": "tips",
    "budget": "budget",
}
ORDER_FIELDS = tuple(_ORDERS)
"""What a query may be sorted by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentQuery:
    """What a listing asks for; empty parts do not restrict. `page` counts from 1."""

    intent_id: str = ""
    subnet_id: str = ""
    status: IntentStatus | None = None
    requester: str = ""
    min_deadline: int = 0
    min_tips: int = 0
    page: int = 1
    page_size: int = 20
    order_by: str = "created_at"
    descending: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentListing:
    """One page and how many intents match altogether."""

    intents: Sequence[Intent]
    total: int


def find(connection: sqlite3.Connection, intent_id: str) -> Intent | None:
    """Return one intent."""
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM intents WHERE intent_id = ?",  # noqa: S608 - constant column names
        (intent_id,),
    ).fetchone()
    return None if row is None else _intent(row)


def add(connection: sqlite3.Connection, intent: Intent, *, reason: str, at_ms: int) -> StatusChange:
    """Store a new intent and return the change."""
    connection.execute(
        f"INSERT INTO intents ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",  # noqa: S608 - constant names
        (
            intent.intent_id,
            intent.subnet_id,
            intent.requester,
            intent.settle_chain,
            intent.intent_type,
            intent.intent_raw,
            intent.metadata,
            intent.params_hash,
            intent.tips_token,
            _amount(intent.tips),
            intent.budget_token,
            _amount(intent.budget),
            intent.deadline,
            intent.intent_expiration,
            int(intent.status),
            intent.created_at,
            intent.signature,
        ),
    )
    return _record(connection, intent, IntentStatus.UNSPECIFIED, reason, at_ms)


def change_status(
    connection: sqlite3.Connection, intent: Intent, status: IntentStatus, *, reason: str, at_ms: int
) -> StatusChange:
    """Give a stored intent another status and return the change."""
    connection.execute(
        "UPDATE intents SET status = ? WHERE intent_id = ?", (int(status), intent.intent_id)
    )
    return _record(connection, replace(intent, status=status), intent.status, reason, at_ms)


def list_page(connection: sqlite3.Connection, query: IntentQuery) -> IntentListing:
    """Return one page of the intents that match; `order_by` must be one of `ORDER_FIELDS`."""
    where, values = _conditions(query)
    order = _ORDERS[query.order_by]
    direction = "DESC" if query.descending else "ASC"
    total = connection.execute(
        f"SELECT count(*) FROM intents WHERE {where}",  # noqa: S608 - constant conditions
        values,
    ).fetchone()[0]
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM intents WHERE {where}"  # noqa: S608 - constant conditions and names
        f" ORDER BY {order} {direction}, position {direction} LIMIT ? OFFSET ?",
        (*values, query.page_size, (query.page - 1) * query.page_size),
    ).fetchall()
    return IntentListing(intents=[_intent(row) for row in rows], total=total)


def read_after(
    connection: sqlite3.Connection, position: int, limit: int
) -> list[tuple[int, Intent]]:
    """Return stored intents in order of arrival, each with its position, after a position."""
    rows = connection.execute(
        f"SELECT position, {_COLUMNS} FROM intents WHERE position > ? ORDER BY position LIMIT ?",  # noqa: S608 - names
        (position, limit),
    )
    return [(row[0], _intent(row[1:])) for row in rows]


def find_overdue(
    connection: sqlite3.Connection, *, pending_before: int, processing_before: int, limit: int
) -> list[Intent]:
    """Return open intents whose deadline is not after the bound of their status; processing has the earlier one."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM intents WHERE status IN (1, 2, 3) AND deadline <= ?"  # noqa: S608 - constant names
        " AND (status <> 3 OR deadline <= ?) ORDER BY deadline LIMIT ?",
        (pending_before, processing_before, limit),
    )
    return [_intent(row) for row in rows]


def history(connection: sqlite3.Connection, intent_id: str) -> list[HistoryEntry]:
    """Return every change of one intent, oldest first."""
    rows = connection.execute(
        "SELECT old_status, new_status, reason, at_ms FROM history WHERE intent_id = ? ORDER BY sequence",
        (intent_id,),
    )
    return [
        HistoryEntry(
            old_status=IntentStatus(old), new_status=IntentStatus(new), reason=reason, at_ms=at_ms
        )
        for old, new, reason, at_ms in rows
    ]


def last_sequence(connection: sqlite3.Connection) -> int:
    """Return the sequence number of the latest change."""
    return int(connection.execute("SELECT coalesce(max(sequence), 0) FROM history").fetchone()[0])


def count_by_status(connection: sqlite3.Connection) -> dict[IntentStatus, int]:
    """Return how many intents are in each status."""
    rows = connection.execute("SELECT status, count(*) FROM intents GROUP BY status")
    return {IntentStatus(status): count for status, count in rows}


def _conditions(query: IntentQuery) -> tuple[str, list[object]]:
    parts: list[tuple[str, object]] = []
    if query.intent_id:
        parts.append(("intent_id = ?", query.intent_id))
    if query.subnet_id:
        parts.append(("subnet_id = ?", query.subnet_id))
    if query.status is not None:
        parts.append(("status = ?", int(query.status)))
    if query.requester:
        parts.append(("requester = ?", query.requester))
    if query.min_deadline:
        parts.append(("deadline >= ?", query.min_deadline))
    if query.min_tips:
        parts.append(("tips >= ?", _amount(query.min_tips)))
    return " AND ".join(text for text, _ in parts) or "1", [value for _, value in parts]


def _record(
    connection: sqlite3.Connection, intent: Intent, old: IntentStatus, reason: str, at_ms: int
) -> StatusChange:
    cursor = connection.execute(
        "INSERT INTO history (intent_id, old_status, new_status, reason, at_ms) VALUES (?, ?, ?, ?, ?)",
        (intent.intent_id, int(old), int(intent.status), reason, at_ms),
    )
    return StatusChange(
        sequence=cursor.lastrowid or 0, intent=intent, old_status=old, reason=reason, at_ms=at_ms
    )


def _amount(value: int) -> str:
    return f"{value:078d}"


def _intent(row: Sequence[object]) -> Intent:
    (
        intent_id,
        subnet_id,
        requester,
        settle_chain,
        intent_type,
        raw,
        metadata,
        params_hash,
        tips_token,
        tips,
        budget_token,
        budget,
        deadline,
        expiration,
        status,
        created_at,
        signature,
    ) = row
    return Intent(
        intent_id=IntentId(str(intent_id)),
        subnet_id=SubnetId(str(subnet_id)),
        requester=Address(str(requester)),
        settle_chain=str(settle_chain),
        intent_type=str(intent_type),
        intent_raw=_blob(raw),
        metadata=_blob(metadata),
        params_hash=_blob(params_hash),
        tips_token=Address(str(tips_token)),
        tips=int(str(tips)),
        budget_token=Address(str(budget_token)),
        budget=int(str(budget)),
        deadline=int(str(deadline)),
        intent_expiration=int(str(expiration)),
        status=IntentStatus(int(str(status))),
        created_at=int(str(created_at)),
        signature=_blob(signature),
    )


def _blob(value: object) -> bytes:
    if not isinstance(value, bytes):
        raise TypeError(f"expected bytes in the database, got {type(value).__name__}")
    return value
