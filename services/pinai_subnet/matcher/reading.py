"""Questions to the journal's tables that are not about one intent: pages, an agent's bids, what may go."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from pinai_subnet.matcher import store
from pinai_subnet.matcher.case import Case
from pinai_subnet.protocol.canaries import CANARY_TYPE


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Which stored intents to list; empty texts match everything."""

    phase: str = ""
    intent_type: str = ""
    limit: int = 50
    offset: int = 0


def page(connection: sqlite3.Connection, listing: Listing) -> tuple[int, list[Case]]:
    """Return one page of intents, newest first, and how many there are in all."""
    # Canaries are listed for who asks for them by name.
    where = "WHERE (? = '' OR phase = ?) AND (intent_type = ? OR (? = '' AND intent_type != ?))"
    wanted = listing.intent_type
    given = (listing.phase, listing.phase, wanted, wanted, CANARY_TYPE)
    total = connection.execute(f"SELECT count(*) FROM intents {where}", given).fetchone()[0]  # noqa: S608 - a constant
    rows = connection.execute(
        f"SELECT intent_id FROM intents {where} ORDER BY seen_at_ms DESC, intent_id LIMIT ? OFFSET ?",  # noqa: S608 - as above
        (*given, listing.limit, listing.offset),
    ).fetchall()
    return total, _cases(connection, rows)


def ended(connection: sqlite3.Connection, *, limit: int, offset: int) -> tuple[int, list[Case]]:
    """Return one page of ended intents, the last to end first, and how many there are in all."""
    count = "SELECT count(*) FROM intents WHERE final = 1 AND intent_type != ?"
    total = connection.execute(count, (CANARY_TYPE,)).fetchone()[0]
    rows = connection.execute(
        "SELECT intent_id FROM intents WHERE final = 1 AND intent_type != ?"
        " ORDER BY finished_at_ms DESC LIMIT ? OFFSET ?",
        (CANARY_TYPE, limit, offset),
    ).fetchall()
    return total, _cases(connection, rows)


def bids_of(
    connection: sqlite3.Connection, agent_id: str, *, limit: int, offset: int
) -> tuple[int, list[Case]]:
    """Return the intents on which an agent has bid, its newest bid first, and how many there are in all."""
    count = "SELECT count(*) FROM bids WHERE agent_id = ?"
    total = connection.execute(count, (agent_id,)).fetchone()[0]
    rows = connection.execute(
        "SELECT intent_id FROM bids WHERE agent_id = ? ORDER BY received_at_ms DESC LIMIT ? OFFSET ?",
        (agent_id, limit, offset),
    ).fetchall()
    return total, _cases(connection, rows)


def prune(connection: sqlite3.Connection, before_ms: int, *, keep: int) -> int:
    """Delete ended intents from before a moment, and the first to end beyond `keep`; return how many."""
    oldest = connection.execute(
        "SELECT finished_at_ms FROM intents WHERE final = 1 ORDER BY finished_at_ms DESC LIMIT 1 OFFSET ?",
        (keep,),
    ).fetchone()
    if oldest is not None:
        before_ms = max(before_ms, oldest[0] + 1)
    old = "(SELECT intent_id FROM intents WHERE final = 1 AND finished_at_ms < ?)"
    connection.execute(f"DELETE FROM bids WHERE intent_id IN {old}", (before_ms,))  # noqa: S608 - a constant
    connection.execute(f"DELETE FROM attempts WHERE intent_id IN {old}", (before_ms,))  # noqa: S608 - a constant
    gone = "DELETE FROM intents WHERE final = 1 AND finished_at_ms < ?"
    return connection.execute(gone, (before_ms,)).rowcount


def _cases(connection: sqlite3.Connection, rows: Sequence[tuple[str]]) -> list[Case]:
    cases = [store.read_case(connection, row[0]) for row in rows]
    return [case for case in cases if case is not None]
