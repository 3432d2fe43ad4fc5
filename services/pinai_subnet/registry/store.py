"""The roster in SQLite: one row per entry. Not the rules: the roster decides what the rows say."""

import json
import sqlite3
from collections.abc import Sequence

from pinai_subnet.protocol.ids import Address
from pinai_subnet.registry.roster import Entry, Kind, Status
from pinai_subnet.registry.service import Changes, Store
from pinai_subnet.runtime.sqlite import SqliteDatabase

DATABASE = "registry.sqlite"
"""Its file in the data directory."""

MIGRATIONS: Sequence[str] = (
    """
    CREATE TABLE members (
        kind TEXT NOT NULL,
        id TEXT NOT NULL,
        capabilities TEXT NOT NULL,
        endpoint TEXT NOT NULL,
        status INTEGER NOT NULL,
        last_seen INTEGER NOT NULL,
        registered_at INTEGER NOT NULL,
        address TEXT,
        withdrawn INTEGER NOT NULL,
        PRIMARY KEY (kind, id)
    ) STRICT, WITHOUT ROWID;
    """,
)

_Row = tuple[str, str, str, str, int, int, int, str | None, int]


class SqliteStore(Store):
    """Keeps the roster in a database made with `MIGRATIONS`."""

    def __init__(self, database: SqliteDatabase) -> None:
        """Use an open database."""
        self._database = database

    async def load(self) -> list[Entry]:
        """Return every stored entry."""

        def select(connection: sqlite3.Connection) -> list[Entry]:
            return [_entry(row) for row in connection.execute("SELECT * FROM members")]

        return await self._database.read(select)

    async def save(self, changes: Changes) -> None:
        """Write the changed entries and remove those that are None; durable on return."""
        rows = [_row(entry) for entry in changes.values() if entry is not None]
        gone = [(kind.value, i) for (kind, i), entry in changes.items() if entry is None]

        def write(connection: sqlite3.Connection) -> None:
            connection.executemany("DELETE FROM members WHERE kind = ? AND id = ?", gone)
            connection.executemany(
                "INSERT OR REPLACE INTO members VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows
            )

        await self._database.write(write)


def _row(entry: Entry) -> _Row:
    return (
        entry.kind.value,
        entry.id,
        json.dumps(entry.capabilities),
        entry.endpoint,
        entry.status.value,
        entry.last_seen,
        entry.registered_at,
        entry.address,
        int(entry.withdrawn),
    )


def _entry(row: _Row) -> Entry:
    kind, member_id, capabilities, endpoint, status, seen, since, address, withdrawn = row
    return Entry(
        kind=Kind(kind),
        id=member_id,
        capabilities=tuple(json.loads(capabilities)),
        endpoint=endpoint,
        status=Status(status),
        last_seen=seen,
        registered_at=since,
        address=Address(address) if address else None,
        withdrawn=bool(withdrawn),
    )
