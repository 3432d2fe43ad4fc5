"""SQLite: durable groups, isolation of failures, safe opening."""

import asyncio
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.full_disk import Disk

from pinai_subnet.runtime.errors import NoRoom, ResourceBusy, StartupError, StoredDataDamaged
from pinai_subnet.runtime.sqlite import DatabaseClosed, SqliteDatabase
from pinai_subnet.runtime.sqlite_seal import seal_path

SCHEMA = ("CREATE TABLE item (number INTEGER PRIMARY KEY) STRICT",)
ME = "matcher matcher-1 of subnet 0x07"


def database(path: Path, migrations: tuple[str, ...] = SCHEMA, **options) -> SqliteDatabase:
    return SqliteDatabase(path, migrations, **{"identity": ME, **options})


def insert(number: int) -> Callable[[sqlite3.Connection], int]:
    def work(connection: sqlite3.Connection) -> int:
        connection.execute("INSERT INTO item VALUES (?)", (number,))
        return number

    return work


def numbers(connection: sqlite3.Connection) -> list[int]:
    return [row[0] for row in connection.execute("SELECT number FROM item ORDER BY number")]


async def refused(db: SqliteDatabase) -> tuple[str, str]:
    with pytest.raises(StartupError) as caught:
        await db.start()
    (problem,) = caught.value.problems
    assert str(db.path) in problem.message
    return problem.code, problem.message


async def test_writes_return_their_result_and_are_seen_by_reads(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    async with database(path) as db:
        assert await asyncio.gather(*(db.write(insert(n)) for n in range(200))) == list(range(200))
        assert await db.read(numbers) == list(range(200))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    async with database(path) as db:
        assert len(await db.read(numbers)) == 200


async def test_a_failing_write_undoes_only_itself(tmp_path: Path) -> None:
    async with database(tmp_path / "a.db") as db:
        gate = threading.Event()

        def hold(connection: sqlite3.Connection) -> None:
            gate.wait(10)

        def half(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT INTO item VALUES (100)")
            raise ValueError("half way")

        held = asyncio.create_task(db.write(hold))
        await asyncio.sleep(0.05)
        group = asyncio.gather(
            db.write(insert(1)),
            db.write(half),
            db.write(insert(1)),
            db.write(insert(2)),
            return_exceptions=True,
        )
        await asyncio.sleep(0)
        gate.set()
        await held
        first, failed, duplicate, second = await group
        assert (first, second) == (1, 2)
        assert isinstance(failed, ValueError)
        assert isinstance(duplicate, sqlite3.IntegrityError)
        assert await db.read(numbers) == [1, 2]


async def test_a_write_that_commits_by_itself_is_refused(tmp_path: Path) -> None:
    async with database(tmp_path / "a.db") as db:
        with pytest.raises(sqlite3.ProgrammingError, match="committed or rolled back by itself"):
            await db.write(lambda connection: connection.commit())
        assert await db.write(insert(5)) == 5


async def test_a_read_cannot_write(tmp_path: Path) -> None:
    async with database(tmp_path / "a.db") as db:
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            await db.read(insert(1))
        assert await db.read(numbers) == []


async def test_the_queue_is_bounded_and_closing_flushes_it(tmp_path: Path) -> None:
    """operators.md row 33: full means refused, not memory."""
    path = tmp_path / "a.db"
    db = database(path, max_queued=3)
    await db.start()
    gate = threading.Event()
    held = asyncio.create_task(db.write(lambda _: gate.wait(10)))
    await asyncio.sleep(0.05)
    waiting = [asyncio.create_task(db.write(insert(n))) for n in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(ResourceBusy, match="SN-H009"):
        await db.write(insert(9))
    closing = asyncio.create_task(db.close())
    await asyncio.sleep(0)
    gate.set()
    await closing
    assert await asyncio.gather(held, *waiting) == [True, 0, 1, 2]
    with pytest.raises(DatabaseClosed):
        await db.write(insert(4))
    await db.close()
    async with database(path) as again:
        assert await again.read(numbers) == [0, 1, 2]


async def test_migrations_run_once_and_in_order(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    async with database(path) as db:
        await db.write(insert(1))
    more = (*SCHEMA, "ALTER TABLE item ADD COLUMN note TEXT; UPDATE item SET note = 'old';")
    for _ in range(2):
        async with database(path, more) as db:
            assert await db.read(lambda c: c.execute("SELECT * FROM item").fetchall()) == [
                (1, "old")
            ]


async def test_a_failed_migration_is_undone(tmp_path: Path) -> None:
    """operators.md row 38."""
    path = tmp_path / "a.db"
    async with database(path) as db:
        await db.write(insert(1))
    broken = (*SCHEMA, "ALTER TABLE item ADD COLUMN note TEXT; INSERT INTO nowhere VALUES (1);")
    assert (await refused(database(path, broken)))[0] == "SN-H007"
    async with database(path) as db:
        assert await db.read(lambda c: c.execute("SELECT * FROM item").fetchall()) == [(1,)]


async def test_data_of_a_newer_version_is_refused_untouched(tmp_path: Path) -> None:
    """operators.md row 27."""
    path = tmp_path / "a.db"
    async with database(path, (*SCHEMA, "CREATE TABLE newer (a INTEGER)")):
        pass
    before = path.read_bytes()
    code, message = await refused(database(path))
    assert code == "SN-H005"
    assert "data format 2, this version reads up to 1" in message
    assert path.read_bytes() == before


async def test_data_of_another_network_is_refused_untouched(tmp_path: Path) -> None:
    """operators.md rows 20 and 25."""
    path = tmp_path / "a.db"
    async with database(path, identity="matcher matcher-1 of subnet 0x08"):
        pass
    before = path.read_bytes()
    code, message = await refused(database(path))
    assert code == "SN-H004"
    assert "subnet 0x08" in message
    assert "subnet 0x07" in message
    assert path.read_bytes() == before


async def test_a_database_of_another_program_is_refused(tmp_path: Path) -> None:
    """operators.md row 25."""
    path = tmp_path / "a.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE theirs (a)")
    connection.close()
    assert (await refused(database(path)))[0] == "SN-H004"


@pytest.mark.parametrize("damage", ["header", "pages", "truncated"])
async def test_a_damaged_file_is_named_and_kept(tmp_path: Path, damage: str) -> None:
    """operators.md row 24."""
    path = tmp_path / "a.db"
    async with database(path) as db:
        await asyncio.gather(*(db.write(insert(n)) for n in range(3000)))
    raw = bytearray(path.read_bytes())
    if damage == "header":
        raw[:64] = b"x" * 64
    elif damage == "pages":
        raw[8192:] = b"\xaa" * (len(raw) - 8192)
    else:
        raw = raw[: len(raw) // 2]
    path.write_bytes(raw)
    code, _ = await refused(database(path))
    assert code == "SN-H006"
    assert path.read_bytes() == bytes(raw)


async def test_a_directory_that_does_not_exist_is_a_coded_problem(tmp_path: Path) -> None:
    assert (await refused(database(tmp_path / "none" / "a.db")))[0] == "SN-H008"


WRITER = """
import asyncio, sys
from pathlib import Path
from pinai_subnet.runtime.sqlite import SqliteDatabase

async def main() -> None:
    async with SqliteDatabase(Path(sys.argv[1]), [{schema!r}], identity={identity!r}) as db:
        def insert(n):
            return lambda c: (c.execute("INSERT INTO item VALUES (?)", (n,)), n)[1]
        n = 0
        while True:
            group = [db.write(insert(n + i)) for i in range(20)]
            for done in asyncio.as_completed(group):
                sys.stdout.write(f"{{await done}}\\n")
            sys.stdout.flush()
            n += 20

asyncio.run(main())
"""


@pytest.mark.parametrize("after_lines", [1, 150, 400])
async def test_what_was_reported_durable_survives_kill_9(tmp_path: Path, after_lines: int) -> None:
    """Claim 3 of known-defects section 11, L17: fsync before the receipt."""
    path = tmp_path / "a.db"
    script = WRITER.format(schema=SCHEMA[0], identity=ME)
    process = subprocess.Popen(  # noqa: ASYNC220 - nothing else runs in this loop meanwhile
        [sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    acknowledged = [int(process.stdout.readline()) for _ in range(after_lines)]
    os.kill(process.pid, signal.SIGKILL)
    acknowledged += [
        int(line) for line in process.stdout.read().splitlines(keepends=True) if line.endswith("\n")
    ]
    process.wait()
    process.stdout.close()
    async with database(path) as db:
        stored = await db.read(numbers)
    assert set(acknowledged) <= set(stored)
    assert len(acknowledged) >= after_lines


def filler(connection: sqlite3.Connection) -> int:
    return connection.execute("INSERT INTO filler VALUES (zeroblob(9000))").rowcount


async def test_on_a_full_disk_a_group_stores_nothing_and_says_so_with_a_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """operators.md row 10."""
    disk = Disk().install(monkeypatch)
    schema = (*SCHEMA, "CREATE TABLE filler (data BLOB)")
    async with database(tmp_path / "a.db", schema) as db:
        await db.write(insert(1))
        disk.full = True
        results = await asyncio.gather(
            db.write(insert(2)), db.write(filler), db.write(insert(3)), return_exceptions=True
        )
        assert [type(result) for result in results] in ([NoRoom] * 3, [int, NoRoom, NoRoom])
        assert "SN-H011" in str(results[-1])
        kept = [1] if isinstance(results[0], NoRoom) else [1, 2]
        assert await db.read(numbers) == kept
        waiting = asyncio.create_task(db.write_when_possible(filler))
        await asyncio.sleep(0.2)
        assert not waiting.done()
        disk.full = False
        assert await waiting == 1
        await db.write(insert(4))
        assert await db.read(numbers) == [*kept, 4]


async def test_damage_that_is_met_while_running_is_a_coded_error(tmp_path: Path) -> None:
    """operators.md row 24: a page that goes bad under the process is never served."""
    path = tmp_path / "a.db"
    async with database(path) as db:
        await asyncio.gather(*(db.write(insert(n)) for n in range(4000)))
    async with database(path) as db:
        raw = bytearray(path.read_bytes())
        raw[8192:] = b"\xaa" * (len(raw) - 8192)
        path.write_bytes(raw)
        with pytest.raises(StoredDataDamaged, match=r"SN-H006.*a\.db is damaged"):
            await db.read(numbers)


async def filled(path: Path, *, sealed: bool) -> bytes:
    """A file with tables, an index and an overflow page; as a clean stop leaves it, or without its seal."""
    schema = (*SCHEMA, "CREATE TABLE note (text TEXT); CREATE INDEX notes ON note (text)")
    async with database(path, schema) as db:
        await asyncio.gather(*(db.write(insert(n)) for n in range(300)))
        for n in range(40):
            await db.write(
                lambda c, n=n: c.execute("INSERT INTO note VALUES (?)", (f"{n} " * 900,)).rowcount
            )
    if not sealed:
        seal_path(path).unlink()
    return await asyncio.to_thread(path.read_bytes)


def notes(connection: sqlite3.Connection) -> list[str]:
    return [row[0] for row in connection.execute("SELECT text FROM note ORDER BY rowid")]


NOTE_SCHEMA = (*SCHEMA, "CREATE TABLE note (text TEXT); CREATE INDEX notes ON note (text)")


async def test_a_flipped_bit_anywhere_in_a_file_that_was_closed_is_refused(tmp_path: Path) -> None:
    """operators.md row 24: also inside values, which SQLite's own checks let pass."""
    path = tmp_path / "a.db"
    whole = await filled(path, sealed=True)
    for place in range(17, len(whole), max(1, len(whole) // 150)):
        damaged = bytearray(whole)
        damaged[place] ^= 0x04
        path.write_bytes(damaged)
        code, _ = await refused(database(path, NOTE_SCHEMA))
        assert code in {"SN-H004", "SN-H005", "SN-H006", "SN-H008"}, place
        assert path.read_bytes() == bytes(damaged)
    path.write_bytes(whole)
    async with database(path, NOTE_SCHEMA) as db:
        assert len(await db.read(notes)) == 40


@pytest.mark.parametrize("kind", ["zeroed page", "torn page", "truncated"])
async def test_lost_pages_in_every_region_are_refused_or_change_no_value(
    tmp_path: Path, kind: str
) -> None:
    """operators.md row 24: after a kill there is no seal; SQLite misses no page that lost its head."""
    path = tmp_path / "a.db"
    whole = await filled(path, sealed=False)
    truth = [f"{n} " * 900 for n in range(40)]
    codes: set[str] = set()
    for page in range(len(whole) // 4096):
        start = page * 4096
        damaged = bytearray(whole)
        if kind == "zeroed page":
            damaged[start : start + 4096] = bytes(4096)
        elif kind == "torn page":
            damaged[start : start + 2048] = bytes(2048)
        else:
            del damaged[start:]
        if not damaged:
            continue  # an empty file is a new one
        path.write_bytes(damaged)
        db = database(path, NOTE_SCHEMA)
        try:
            await db.start()
        except StartupError as exc:
            (problem,) = exc.problems
            codes.add(problem.code)
            assert str(path) in problem.message
            continue
        try:
            assert await db.read(numbers) == list(range(300)), page
            assert await db.read(notes) == truth, page
        except StoredDataDamaged as exc:
            codes.add(exc.code)
        finally:
            await db.close()
            seal_path(path).unlink()
    assert codes <= {"SN-H004", "SN-H006", "SN-H008"}
    assert codes


async def test_a_seal_holds_for_one_start_only(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    async with database(path) as db:
        await db.write(insert(1))
    assert seal_path(path).exists()
    async with database(path) as db:
        assert not seal_path(path).exists()
        await db.write(insert(2))
    async with database(path) as db:
        assert await db.read(numbers) == [1, 2]
