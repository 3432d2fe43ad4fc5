"""What an agent must not forget: tasks it accepted, results nobody has acknowledged yet, tasks it has done.

Not a queue: the worker and the reporter keep their own order in memory and write every step here first.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import msgspec

from pinai_subnet.agent.work import Task
from pinai_subnet.protocol.reports import ExecutionReport
from pinai_subnet.runtime.sqlite import SqliteDatabase

T = TypeVar("T")
KEPT_CLOSED = 10_000
"""How many finished tasks are remembered, so that a task sent again is not done again."""

DATABASE = "agent.sqlite"
"""Its file in the data directory."""

MIGRATIONS: Sequence[str] = (
    """
    CREATE TABLE tasks (
        ordinal INTEGER PRIMARY KEY AUTOINCREMENT,
        task_id TEXT NOT NULL UNIQUE,
        state TEXT NOT NULL CHECK (state IN ('accepted', 'finished', 'closed')),
        body BLOB NOT NULL
    ) STRICT;
    CREATE INDEX tasks_by_state ON tasks (state, ordinal);
    """,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """What an earlier run left behind, in order."""

    accepted: tuple[Task, ...] = ()
    finished: tuple[ExecutionReport, ...] = ()
    closed: tuple[str, ...] = ()


class Journal(Protocol):
    """Every method returns after the fact is as durable as the journal makes it."""

    async def load(self) -> Remembered:
        """Return what is on record."""
        ...

    async def accepted(self, task: Task) -> None:
        """Record that the agent is about to accept a task; raise `NoRoom` SN-H011 where the disk does not take it."""
        ...

    async def dropped(self, task_id: str) -> None:
        """Forget an accepted task that is not ours after all."""
        ...

    async def finished(self, report: ExecutionReport) -> None:
        """Record the result of an accepted task."""
        ...

    async def closed(self, task_ids: Sequence[str]) -> None:
        """Record that the reports of these tasks need no more repeating."""
        ...


class NoJournal(Journal):
    """Keeps nothing: a restart forgets accepted tasks and unsent results."""

    async def load(self) -> Remembered:
        """Return nothing."""
        return Remembered()

    async def accepted(self, task: Task) -> None:
        """Keep nothing."""

    async def dropped(self, task_id: str) -> None:
        """Keep nothing."""

    async def finished(self, report: ExecutionReport) -> None:
        """Keep nothing."""

    async def closed(self, task_ids: Sequence[str]) -> None:
        """Keep nothing."""


_ACCEPTED = "INSERT OR REPLACE INTO tasks (task_id, state, body) VALUES (?, 'accepted', ?)"


class SqliteJournal(Journal):
    """Keeps the journal in a database made with `MIGRATIONS`. What is done already waits for room on a full disk."""

    def __init__(self, database: SqliteDatabase) -> None:
        """Use an open database."""
        self._database = database

    async def load(self) -> Remembered:
        """Return what is on record."""

        def select(connection: sqlite3.Connection) -> Remembered:
            rows = connection.execute("SELECT state, task_id, body FROM tasks ORDER BY ordinal")
            by_state: dict[str, list[tuple[str, bytes]]] = {}
            for state, task_id, body in rows:
                by_state.setdefault(state, []).append((task_id, body))
            return Remembered(
                accepted=tuple(_decoded(body, Task) for _, body in by_state.get("accepted", ())),
                finished=tuple(
                    _decoded(body, ExecutionReport) for _, body in by_state.get("finished", ())
                ),
                closed=tuple(task_id for task_id, _ in by_state.get("closed", ())),
            )

        return await self._database.read(select)

    async def accepted(self, task: Task) -> None:
        """Insert the task."""
        body = msgspec.msgpack.encode(task)
        await self._database.write(
            lambda connection: connection.execute(_ACCEPTED, (task.task_id, body)).rowcount
        )

    async def dropped(self, task_id: str) -> None:
        """Delete the task."""
        await self._execute("DELETE FROM tasks WHERE task_id = ?", task_id)

    async def finished(self, report: ExecutionReport) -> None:
        """Replace the task by its report."""
        body = msgspec.msgpack.encode(report)
        await self._execute(
            "INSERT OR REPLACE INTO tasks (task_id, state, body) VALUES (?, 'finished', ?)",
            report.assignment_id,
            body,
        )

    async def closed(self, task_ids: Sequence[str]) -> None:
        """Keep the ids only, the newest of them."""

        def write(connection: sqlite3.Connection) -> None:
            connection.executemany(
                "UPDATE tasks SET state = 'closed', body = x'' WHERE task_id = ?",
                [(task_id,) for task_id in task_ids],
            )
            connection.execute(
                "DELETE FROM tasks WHERE state = 'closed' AND ordinal <= "
                "(SELECT max(ordinal) FROM tasks) - ?",
                (KEPT_CLOSED,),
            )

        await self._database.write_when_possible(write)

    async def _execute(self, statement: str, *values: str | bytes) -> None:
        def write(connection: sqlite3.Connection) -> None:
            connection.execute(statement, values)

        await self._database.write_when_possible(write)


def _decoded(body: bytes, kind: type[T]) -> T:
    return msgspec.msgpack.decode(body, type=kind)
