"""Opens a SQLite file safely: identity, format version, damage, migrations. Not its use (see `sqlite`).

A file of another network or of a newer version is refused before anything in it is changed.
"""

import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from pinai_subnet.runtime.errors import StartupError, cannot_start
from pinai_subnet.runtime.sqlite_seal import broken_seal, remove_seal

_STAMP = "runtime_stamp"
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def open_writer(
    path: Path, migrations: Sequence[str], identity: str, synchronous: str
) -> sqlite3.Connection:
    """Return the writing connection of a checked and migrated file; raise `StartupError` SN-H004 to SN-H008."""
    connection: sqlite3.Connection | None = None
    try:
        _create(path)
        connection = sqlite3.connect(
            path, isolation_level=None, check_same_thread=False, timeout=5.0
        )
        _check(connection, path, len(migrations), identity)
        remove_seal(path)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA temp_store = MEMORY")
        _stamp(connection, identity)
        _migrate(connection, path, migrations)
    except sqlite3.Error as exc:
        _close(connection)
        raise _failed(path, exc) from exc
    except OSError as exc:
        _close(connection)
        raise _unusable(path, exc.strerror or str(exc)) from exc
    except StartupError:
        _close(connection)
        raise
    return connection


def examine_database(path: Path, migrations: Sequence[str], identity: str) -> None:
    """Raise `StartupError` SN-H004 to SN-H008 where a file that nobody uses could not be converted; change nothing."""
    try:
        connection = sqlite3.connect(path, isolation_level=None)
        try:
            _check(connection, path, len(migrations), identity)
        finally:
            connection.close()
    except sqlite3.Error as exc:
        raise _failed(path, exc) from exc


def convert_database(path: Path, migrations: Sequence[str], identity: str) -> None:
    """Apply the migrations that a file lacks and close it; raise `StartupError` SN-H004 to SN-H008."""
    connection = open_writer(path, migrations, identity, "FULL")
    try:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.Error as exc:
        raise _failed(path, exc) from exc
    finally:
        connection.close()


def open_reader(path: Path) -> sqlite3.Connection:
    """Return a connection on which every write fails."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5.0)
    connection.execute("PRAGMA query_only = ON")
    return connection


def _create(path: Path) -> None:
    """Make the file private and its name durable before SQLite writes to it."""
    if path.exists():
        return
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _check(connection: sqlite3.Connection, path: Path, known: int, identity: str) -> None:
    """Read the stamp, the format version and the structure; change nothing."""
    connection.execute("PRAGMA query_only = ON")
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
    if tables:
        found = _identity(connection) if _STAMP in tables else None
        if found != identity:
            raise cannot_start(
                "SN-H004",
                f"{path} belongs to {found or 'another program'}, this process is {identity}",
                where=str(path),
                fix="configure this process's own data directory, or move the file away",
            )
    version = _version(connection)
    if version > known:
        raise cannot_start(
            "SN-H005",
            f"{path} has data format {version}, this version reads up to {known}; the file is untouched",
            where=str(path),
            fix="run the newer version that wrote it, or restore a backup taken before the upgrade",
        )
    findings = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if findings != "ok":
        raise _damaged(path, str(findings))
    broken = broken_seal(path)
    if broken is not None:
        raise _damaged(path, broken)
    connection.execute("PRAGMA query_only = OFF")


def _identity(connection: sqlite3.Connection) -> str | None:
    row = connection.execute(f"SELECT identity FROM {_STAMP}").fetchone()  # noqa: S608 - a constant name
    return None if row is None else str(row[0])


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _stamp(connection: sqlite3.Connection, identity: str) -> None:
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(f"CREATE TABLE IF NOT EXISTS {_STAMP} (identity TEXT NOT NULL)")
    if _identity(connection) is None:
        connection.execute(f"INSERT INTO {_STAMP} VALUES (?)", (identity,))  # noqa: S608 - a constant name
    connection.execute("COMMIT")


def _migrate(connection: sqlite3.Connection, path: Path, migrations: Sequence[str]) -> None:
    """Apply the missing migrations, each with its version in one transaction."""
    for number in range(_version(connection) + 1, len(migrations) + 1):
        script = migrations[number - 1]
        try:
            connection.executescript(
                f"BEGIN IMMEDIATE;\n{script}\n;PRAGMA user_version = {number};\nCOMMIT;"
            )
        except sqlite3.Error as exc:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise cannot_start(
                "SN-H007",
                f"{path}: migration to data format {number} failed and was undone: {exc}",
                where=str(path),
                fix="free disk space if it is full, then start again; otherwise restore a backup",
            ) from exc


def _failed(path: Path, exc: sqlite3.Error) -> StartupError:
    code = getattr(exc, "sqlite_errorcode", 0) & 0xFF
    if code in _DAMAGE:
        return _damaged(path, str(exc))
    return _unusable(path, str(exc))


def _damaged(path: Path, finding: str) -> StartupError:
    return cannot_start(
        "SN-H006",
        f"{path} is damaged: {finding}",
        where=str(path),
        fix="keep a copy of the file and its .seal, move both away and restore a backup; `subnetctl explain SN-H006`",
    )


def _unusable(path: Path, reason: str) -> StartupError:
    return cannot_start(
        "SN-H008",
        f"{path} cannot be opened: {reason}",
        where=str(path),
        fix="check owner, permissions and free space of its directory, and that no other process uses it",
    )


def _close(connection: sqlite3.Connection | None) -> None:
    if connection is not None:
        connection.close()
