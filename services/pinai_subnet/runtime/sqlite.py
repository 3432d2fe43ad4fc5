"""One SQLite file with durable, grouped writes. Not a schema: each store brings its migrations and statements.

One thread owns the writing connection and one the reading connection. Writes that wait are committed together: each in
a savepoint of its own, all in one transaction, so that one fsync serves many callers; nobody hears of success before.
"""

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter
from types import TracebackType
from typing import Any, Literal, NamedTuple, Self, TypeVar

from pinai_subnet.runtime.errors import NoRoom, ResourceBusy, StoredDataDamaged
from pinai_subnet.runtime.logs import get_logger
from pinai_subnet.runtime.sqlite_file import open_reader, open_writer
from pinai_subnet.runtime.sqlite_seal import write_seal

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], Any]

_NO_ROOM_SECONDS = 1.0
"""Pause between two attempts of a write that the disk has no room for."""

Synchronous = Literal["FULL", "NORMAL", "EXTRA"]


@dataclass(slots=True)
class _Job:
    work: Work
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop


class _Outcome(NamedTuple):
    job: _Job
    result: Any
    error: Exception | None


class DatabaseClosed(RuntimeError):
    """The database was used before `start` or after `close`."""


class SqliteDatabase:
    """Reads and writes of one database file; an async context manager, or `start` and `close`."""

    def __init__(
        self,
        path: Path,
        migrations: Sequence[str],
        *,
        identity: str,
        synchronous: Synchronous = "FULL",
        max_queued: int = 4096,
        max_group: int = 512,
        synced: Callable[[float], None] | None = None,
    ) -> None:
        """Use this file, at the format that the migrations lead to; `identity` says whose data it is.

        `migrations` are only ever appended to: their number is the format version. `max_queued` bounds the waiting
        jobs, `max_group` the writes per commit. `synced` takes the seconds of every commit, on the writing thread.
        """
        self._path = path
        self._migrations = tuple(migrations)
        self._identity = identity
        self._synchronous = synchronous
        self._max_queued = max_queued
        self._max_group = max_group
        self._synced = synced or (lambda _: None)
        self._writer: _Worker | None = None
        self._reader: _Worker | None = None

    @property
    def path(self) -> Path:
        """Return the database file."""
        return self._path

    @property
    def max_queued(self) -> int:
        """Return how many jobs may wait for each of the two threads."""
        return self._max_queued

    def queued(self) -> int:
        """Return how many writes wait."""
        return 0 if self._writer is None else self._writer.waiting

    async def start(self) -> None:
        """Open, check and migrate the file; raise `StartupError` SN-H004 to SN-H008 if that cannot be done safely."""
        connection = await asyncio.to_thread(
            open_writer, self._path, self._migrations, self._identity, self._synchronous
        )
        name = self._path.name
        commit = partial(_timed, self._synced)
        self._writer = _Worker(
            f"{name}-writer", connection, commit, self._max_queued, self._max_group
        )
        self._reader = _Worker(
            f"{name}-reader", open_reader(self._path), _read_each, self._max_queued, 64
        )

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` in a savepoint and return its result after it is durable.

        What `work` raises undoes only its own changes and is raised here. It must not commit or roll back. If the
        commit itself fails, every write of the group raises that error. After a cancellation the write may or may not
        have happened. Raises `ResourceBusy` SN-H009 when too many writes wait, `NoRoom` SN-H011 when the disk is full
        and nothing was stored, and `StoredDataDamaged` SN-H006.
        """
        return await self._coded(self._writer, work)

    async def write_when_possible(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` as `write` does, again and again while the disk has no room: for what must not be given up."""
        waited = False
        while True:
            try:
                result = await self.write(work)
            except NoRoom as exc:
                if not waited:
                    get_logger().error("database_without_room", code=exc.code, reason=exc.message)
                waited = True
                await asyncio.sleep(_NO_ROOM_SECONDS)
                continue
            if waited:
                get_logger().info("database_has_room", file=self._path.name)
            return result

    async def _coded(self, worker: "_Worker | None", work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` and give what the disk did to it a code; an error of `work` itself stays as it is."""
        try:
            return await _submit(worker, work)
        except sqlite3.Error as exc:
            match _result_code(exc):
                case sqlite3.SQLITE_FULL:
                    raise NoRoom(
                        "SN-H011", f"{self._path}: no room on the disk; nothing was stored"
                    ) from exc
                case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
                    raise StoredDataDamaged("SN-H006", f"{self._path} is damaged: {exc}") from exc
                case _:
                    raise

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` on one read-only snapshot that has every write reported durable before the call."""
        return await self._coded(self._reader, work)

    async def close(self) -> None:
        """Finish everything queued, then close and seal the file; may be called twice."""
        reader, writer = self._reader, self._writer
        self._reader = self._writer = None
        for worker in (reader, writer):
            if worker is not None:
                await asyncio.to_thread(worker.finish)
        if writer is not None:
            try:
                await asyncio.to_thread(write_seal, self._path)
            except OSError as exc:
                get_logger().warning("database_not_sealed", file=self._path.name, reason=str(exc))

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()


class _Worker:
    """A thread that owns one connection and takes queued jobs in groups."""

    def __init__(
        self,
        name: str,
        connection: sqlite3.Connection,
        run_group: Callable[[sqlite3.Connection, list[_Job]], list[_Outcome]],
        max_queued: int,
        max_group: int,
    ) -> None:
        self._name = name
        self._connection = connection
        self._run_group = run_group
        self._max_group = max_group
        self._jobs: queue.Queue[_Job | None] = queue.Queue(max_queued)
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        return self._jobs.qsize()

    def submit(self, job: _Job) -> None:
        try:
            self._jobs.put_nowait(job)
        except queue.Full:
            raise ResourceBusy(
                "SN-H009", f"{self._name}: {self._jobs.maxsize} jobs wait already"
            ) from None

    def finish(self) -> None:
        """Run what is queued, close the connection and end the thread."""
        self._jobs.put(None)
        self._thread.join()

    def _work(self) -> None:
        open_ended = True
        while open_ended:
            group, open_ended = self._next_group()
            if group:
                _deliver(self._run_group(self._connection, group))
        self._connection.close()

    def _next_group(self) -> tuple[list[_Job], bool]:
        """Return the jobs that wait, at least one or the end."""
        group: list[_Job] = []
        job = self._jobs.get()
        while job is not None:
            group.append(job)
            if len(group) >= self._max_group:
                return group, True
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return group, True
        return group, False


def _timed(
    synced: Callable[[float], None], connection: sqlite3.Connection, group: list[_Job]
) -> list[_Outcome]:
    began = perf_counter()
    outcomes = _commit_group(connection, group)
    synced(perf_counter() - began)
    return outcomes


def _commit_group(connection: sqlite3.Connection, group: list[_Job]) -> list[_Outcome]:
    """Run a group of writes in one transaction; the outcomes hold once this returns."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        outcomes = [_in_savepoint(connection, job) for job in group]
        connection.execute("COMMIT")
    except sqlite3.Error as exc:
        _undo(connection)
        return [_Outcome(job, None, exc) for job in group]
    return outcomes


def _in_savepoint(connection: sqlite3.Connection, job: _Job) -> _Outcome:
    connection.execute("SAVEPOINT job")
    try:
        result = job.work(connection)
    except Exception as exc:
        if not connection.in_transaction:
            # A full disk or an I/O error makes SQLite roll everything back on its own.
            rolled_back = sqlite3.OperationalError(f"the group was rolled back: {exc}")
            rolled_back.sqlite_errorcode = _result_code(exc)
            raise rolled_back from exc
        connection.execute("ROLLBACK TO job")
        connection.execute("RELEASE job")
        return _Outcome(job, None, exc)
    if not connection.in_transaction:
        raise sqlite3.ProgrammingError("a write committed or rolled back by itself")
    connection.execute("RELEASE job")
    return _Outcome(job, result, None)


def _result_code(exc: Exception) -> int:
    """Return SQLite's primary result code of an error, 0 where it has none."""
    return int(getattr(exc, "sqlite_errorcode", 0)) & 0xFF


def _undo(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:
        connection.execute("ROLLBACK")


def _read_each(connection: sqlite3.Connection, group: list[_Job]) -> list[_Outcome]:
    outcomes = []
    for job in group:
        connection.execute("BEGIN")
        try:
            outcomes.append(_Outcome(job, job.work(connection), None))
        except Exception as exc:  # noqa: BLE001 - not handled here: delivered to the caller
            outcomes.append(_Outcome(job, None, exc))
        finally:
            _undo(connection)
    return outcomes


def _deliver(outcomes: list[_Outcome]) -> None:
    """Wake the callers, one hop into each event loop for the whole group."""
    by_loop: dict[asyncio.AbstractEventLoop, list[_Outcome]] = {}
    for outcome in outcomes:
        by_loop.setdefault(outcome.job.loop, []).append(outcome)
    for loop, of_loop in by_loop.items():
        with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits any more
            loop.call_soon_threadsafe(_settle, of_loop)


def _settle(outcomes: list[_Outcome]) -> None:
    for outcome in outcomes:
        future = outcome.job.future
        if future.done():
            continue
        if outcome.error is not None:
            future.set_exception(outcome.error)
        else:
            future.set_result(outcome.result)


async def _submit(worker: _Worker | None, work: Callable[[sqlite3.Connection], T]) -> T:
    if worker is None:
        raise DatabaseClosed("the database is not open")
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()
    worker.submit(_Job(work, future, loop))
    return await future
