"""Opens a process's database and lets its metrics see it. Knows no schema."""

from collections.abc import Sequence
from pathlib import Path

from pinai_subnet.runtime.data_dir import Identity
from pinai_subnet.runtime.lifecycle import Process
from pinai_subnet.runtime.sqlite import SqliteDatabase, Synchronous


async def open_database(
    process: Process,
    path: Path,
    migrations: Sequence[str],
    *,
    identity: Identity,
    synchronous: Synchronous = "FULL",
) -> SqliteDatabase:
    """Open this file until the process ends, with its queue and its commits in the process's metrics."""
    database = await process.enter(
        SqliteDatabase(
            path,
            migrations,
            identity=str(identity),
            synchronous=synchronous,
            synced=process.vitals.synced(path.name),
        )
    )
    process.vitals.watch_queue(path.name, database.queued, database.max_queued)
    return database
