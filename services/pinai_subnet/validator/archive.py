"""The archive: results, verdicts, epochs and signatures in SQLite, for questions asked after the ledger forgot.

A projection of committed commands: it can always be made again from the ledger, writing it twice changes nothing, and
agreement never waits for it. It is not a source of truth.
"""

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from pinai_subnet.ports.errors import Unreachable
from pinai_subnet.runtime.errors import NoRoom, StoredDataDamaged
from pinai_subnet.runtime.sqlite import SqliteDatabase
from pinai_subnet.validator.documents import Document

T = TypeVar("T")

DATABASE = "archive.sqlite"
"""Its file in the data directory."""

MIGRATIONS = (
    """
    CREATE TABLE assignments (
        assignment_id TEXT PRIMARY KEY,
        intent_id TEXT NOT NULL,
        agent_id TEXT NOT NULL,
        agent_address TEXT NOT NULL,
        report_id TEXT,
        caller_report_id TEXT,
        reported_at_ms INTEGER,
        updated_at_ms INTEGER NOT NULL,
        result_bytes INTEGER,
        document BLOB NOT NULL,
        report BLOB
    );
    CREATE INDEX assignments_by_intent ON assignments (intent_id, reported_at_ms);
    CREATE INDEX assignments_by_agent ON assignments (agent_id, reported_at_ms);
    CREATE INDEX assignments_by_address ON assignments (agent_address, reported_at_ms);
    CREATE INDEX assignments_by_report ON assignments (report_id);
    CREATE INDEX assignments_by_caller_report ON assignments (caller_report_id);
    CREATE INDEX assignments_by_time ON assignments (reported_at_ms);
    CREATE INDEX assignments_by_update ON assignments (updated_at_ms);
    CREATE TABLE epochs (
        epoch INTEGER PRIMARY KEY,
        header_hash TEXT NOT NULL,
        checkpoint_hash TEXT NOT NULL,
        updated_at_ms INTEGER NOT NULL,
        document BLOB NOT NULL,
        checkpoint BLOB NOT NULL
    );
    CREATE INDEX epochs_by_header ON epochs (header_hash);
    CREATE INDEX epochs_by_checkpoint ON epochs (checkpoint_hash);
    CREATE INDEX epochs_by_update ON epochs (updated_at_ms);
    CREATE TABLE progress (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
    """,
)

_APPLIED = "applied_index"
_NUMBERS_END = 2**63
"""SQLite's integers end before it; anybody may ask for a larger one."""
_ONE_REPORT = 1
FORGOTTEN_AT_ONCE = 1_000
"""Rows deleted in one transaction."""
_ANY = "true"
_BEFORE = "updated_at_ms < ?"
_BEFORE_ALL_ASSIGNMENTS = "updated_at_ms < (SELECT min(updated_at_ms) FROM assignments)"


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignmentRow:
    """One assignment to keep. `report` is the encoded report with its result; None leaves what is kept already."""

    document: Document
    report: bytes | None
    updated_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochRow:
    """One epoch to keep. `checkpoint` is the encoded header with its signatures."""

    document: Document
    checkpoint: bytes
    updated_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedReport:
    """One report as it is kept; `report` is None where this validator never had its result."""

    document: Document
    report: bytes | None


def copy_archive(source: Path, target: Path) -> bool:
    """Copy an archive that no process has open, for another life of its ledger; False where it cannot be read.

    The copy does not claim to hold everything up to some log position: positions are counted anew.
    """
    try:
        with (
            closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as former,
            closing(sqlite3.connect(target)) as copy,
        ):
            former.backup(copy)
            with copy:
                copy.execute("DELETE FROM progress WHERE name = ?", (_APPLIED,))
    except sqlite3.Error:
        target.unlink(missing_ok=True)
        return False
    target.chmod(source.stat().st_mode & 0o777)
    return True


class Archive:
    """Reads and writes of the archive. Raises `Unreachable` SN-V096 when the database cannot do it now."""

    def __init__(self, database: SqliteDatabase) -> None:
        """Use this open database, which has `MIGRATIONS`."""
        self._database = database

    async def applied_index(self) -> int:
        """Return up to which log position everything is archived."""

        def work(connection: sqlite3.Connection) -> int:
            row = connection.execute(
                "SELECT value FROM progress WHERE name = ?", (_APPLIED,)
            ).fetchone()
            return int(row[0]) if row else 0

        return await self._read(work)

    async def store(
        self, assignments: Sequence[AssignmentRow], epochs: Sequence[EpochRow], applied_index: int
    ) -> None:
        """Keep these records as they are now, in one transaction."""
        assignment_rows = [_assignment_values(row) for row in assignments]
        epoch_rows = [_epoch_values(row) for row in epochs]

        def work(connection: sqlite3.Connection) -> None:
            connection.executemany(_UPSERT_ASSIGNMENT, assignment_rows)
            connection.executemany(_UPSERT_EPOCH, epoch_rows)
            connection.execute(
                "INSERT INTO progress (name, value) VALUES (?, ?)"
                " ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)",
                (_APPLIED, applied_index),
            )

        await self._write(work)

    async def forget(self, *, before_ms: int, max_records: int) -> int:
        """Delete what was last touched before a time, and the oldest beyond a number; return how many assignments."""
        count = await self._delete("assignments", _BEFORE, before_ms)
        excess = await self._read(_count_assignments) - max_records
        if excess > 0:
            count += await self._delete("assignments", _ANY, most=excess)
            # An epoch changes last, so one from before every result that is left has none left.
            await self._delete("epochs", _BEFORE_ALL_ASSIGNMENTS)
        await self._delete("epochs", _BEFORE, before_ms)
        return count

    async def _delete(
        self, table: str, condition: str, *values: int, most: int = _NUMBERS_END
    ) -> int:
        """Delete the oldest rows that fit, `most` at most, and return how many these were.

        A few at a time: SQLite holds what a transaction has changed in memory, and every other write waits for its end.
        """
        oldest = f"SELECT rowid FROM {table} WHERE {condition} ORDER BY updated_at_ms LIMIT ?"  # noqa: S608 - fixed text
        statement = f"DELETE FROM {table} WHERE rowid IN ({oldest})"  # noqa: S608 - fixed text
        count = 0
        while count < most:
            size = min(FORGOTTEN_AT_ONCE, most - count)
            deleted = await self._write(partial(_execute, statement, (*values, size)))
            count += deleted
            if deleted < size:
                break
        return count

    async def attempts(self, intent_id: str) -> list[Document]:
        """Return every assignment of an intent, earliest attempt first."""
        rows = await self._rows("WHERE intent_id = ? LIMIT 100", (intent_id,), max_bytes=0)
        documents = [row.document for row in rows]
        return sorted(documents, key=lambda document: int(document["attempt"]))

    async def report(self, report_id: str) -> ArchivedReport | None:
        """Return a report by the computed id or the caller's own; the earliest where a caller's id is not unique."""
        for column in ("report_id", "caller_report_id"):
            rows = await self._rows(
                f"WHERE {column} = ? ORDER BY reported_at_ms LIMIT 1", (report_id,)
            )
            if rows:
                return rows[0]
        return None

    async def report_of(self, assignment_id: str) -> ArchivedReport | None:
        """Return the report of an assignment."""
        rows = await self._rows(
            "WHERE assignment_id = ? AND report_id IS NOT NULL", (assignment_id,)
        )
        return rows[0] if rows else None

    async def reports(
        self, *, intent_id: str = "", agent_id: str = "", limit: int, max_bytes: int = 0
    ) -> tuple[list[ArchivedReport], int]:
        """Return the newest reports that fit the filters, and how many fit in all.

        An agent is a name or an address. Reports are read until they hold `max_bytes`; 0 reads documents only.
        """
        conditions, values = ["report_id IS NOT NULL"], []
        agent_column = "agent_address" if agent_id.startswith("0x") else "agent_id"
        for column, value in (("intent_id", intent_id), (agent_column, agent_id)):
            if value:
                conditions.append(f"{column} = ?")
                values.append(value)
        where = "WHERE " + " AND ".join(conditions)
        rows = await self._rows(
            f"{where} ORDER BY reported_at_ms DESC LIMIT ?", (*values, limit), max_bytes=max_bytes
        )

        def count(connection: sqlite3.Connection) -> int:
            statement = f"SELECT count(*) FROM assignments {where}"  # noqa: S608 - fixed column names
            return int(connection.execute(statement, values).fetchone()[0])

        return rows, await self._read(count)

    async def epoch(self, number: int) -> tuple[Document, bytes] | None:
        """Return an epoch's document and its encoded checkpoint."""
        if not 0 <= number < _NUMBERS_END:
            return None
        return await self._epoch("epoch = ?", number)

    async def checkpoint(self, cp_hash: str) -> tuple[Document, bytes] | None:
        """Return the epoch whose header hash, or parent-hash form of it, this is."""
        found = await self._epoch("checkpoint_hash = ?", cp_hash)
        return found or await self._epoch("header_hash = ?", cp_hash)

    async def _epoch(self, condition: str, value: int | str) -> tuple[Document, bytes] | None:
        def work(connection: sqlite3.Connection) -> tuple[Document, bytes] | None:
            statement = f"SELECT document, checkpoint FROM epochs WHERE {condition} LIMIT 1"  # noqa: S608 - fixed text
            row = connection.execute(statement, (value,)).fetchone()
            return None if row is None else (msgspec.json.decode(row[0]), bytes(row[1]))

        return await self._read(work)

    async def _rows(
        self, clause: str, values: Sequence[Any], *, max_bytes: int = _ONE_REPORT
    ) -> list[ArchivedReport]:
        report = "report" if max_bytes else "NULL"

        def work(connection: sqlite3.Connection) -> list[ArchivedReport]:
            statement = f"SELECT document, result_bytes, {report} FROM assignments {clause}"  # noqa: S608 - fixed text
            found: list[ArchivedReport] = []
            size = 0
            for row in connection.execute(statement, values):
                size += len(row[2] or b"")
                if found and size > max_bytes > 0:
                    break
                document = msgspec.json.decode(row[0])
                if document["report"] is not None:
                    document["report"]["result_bytes"] = row[1]
                found.append(ArchivedReport(document=document, report=row[2]))
            return found

        return await self._read(work)

    async def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return await self._database.read(work)
        except (sqlite3.Error, NoRoom, StoredDataDamaged) as exc:
            raise Unreachable("SN-V096", f"the archive cannot be read: {exc}") from exc

    async def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return await self._database.write(work)
        except (sqlite3.Error, NoRoom, StoredDataDamaged) as exc:
            raise Unreachable("SN-V096", f"the archive cannot be written: {exc}") from exc


def _count_assignments(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT count(*) FROM assignments").fetchone()[0])


def _execute(statement: str, values: Sequence[int], connection: sqlite3.Connection) -> int:
    return connection.execute(statement, values).rowcount


_UPSERT_ASSIGNMENT = """
    INSERT INTO assignments VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (assignment_id) DO UPDATE SET
        report_id = excluded.report_id, caller_report_id = excluded.caller_report_id,
        reported_at_ms = excluded.reported_at_ms, updated_at_ms = excluded.updated_at_ms,
        result_bytes = coalesce(excluded.result_bytes, result_bytes),
        document = excluded.document, report = coalesce(excluded.report, report)
"""

_UPSERT_EPOCH = """
    INSERT INTO epochs VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (epoch) DO UPDATE SET
        updated_at_ms = excluded.updated_at_ms, document = excluded.document,
        checkpoint = excluded.checkpoint
"""


def _assignment_values(row: AssignmentRow) -> tuple[Any, ...]:
    document = row.document
    report = document["report"] or {}
    return (
        document["assignment_id"],
        document["intent_id"],
        document["agent_id"],
        document["agent_address"],
        report.get("report_id"),
        report.get("caller_report_id"),
        document["times_ms"].get("REPORTED"),
        row.updated_at_ms,
        report.get("result_bytes"),
        msgspec.json.encode(document),
        row.report,
    )


def _epoch_values(row: EpochRow) -> tuple[Any, ...]:
    document = row.document
    return (
        document["epoch"],
        document["header_hash"],
        document["checkpoint_hash"],
        row.updated_at_ms,
        msgspec.json.encode(document),
        row.checkpoint,
    )
