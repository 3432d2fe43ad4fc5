"""`make bounds`: very many intents through one validator's ledger, log and archive: disk, memory and time stay bounded.

The product's own ledger with its own limits, its replicated log in a group of one (real journal, real syncs, snapshots
and compaction as always) and its archive. No network: the commands of three validators come from a process beside it.
Prints progress and a curve, writes `build/bench/bounds.json`, ends with 1 when what must be bounded grows.
"""

import argparse
import asyncio
import json
import logging
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
import structlog
from rich.console import Console
from rich.table import Table
from tests.bench.bounds_feed import LENGTH
from tests.bench.child import ROOT
from tests.bench.intent_lives import (
    DEADLINE_SECONDS,
    HUNDRED,
    KEYS,
    NAMES,
    PARAMETERS,
    PER_SECOND,
    seal,
    until_settled,
)
from tests.free_ports import free_ports

from pinai_subnet.consensus.node import ReplicatedLog
from pinai_subnet.consensus.options import ReplicationOptions
from pinai_subnet.ports.replication import Peer
from pinai_subnet.runtime.clock import SystemClock
from pinai_subnet.runtime.metrics import Metrics
from pinai_subnet.runtime.sqlite import SqliteDatabase
from pinai_subnet.validator.applied import Applied
from pinai_subnet.validator.archive import MIGRATIONS, Archive
from pinai_subnet.validator.command_codec import encode_command
from pinai_subnet.validator.commands import Command
from pinai_subnet.validator.ledger import Ledger
from pinai_subnet.validator.limits import LedgerLimits
from pinai_subnet.validator.loops.archive import ArchiveChanges, Changes
from pinai_subnet.validator.metrics import ValidatorMetrics
from pinai_subnet.validator.settings import ArchiveSection
from pinai_subnet.validator.state_machine import LedgerMachine

OUTPUT = ROOT / "build" / "bench"
BOUNDED = ("rss_mb", "journal_mb", "snapshot_mb", "archive_mb", "assignments", "epochs")
"""What may not grow once every table is full."""
GROWTH = 1.25
"""By this factor the second half of the curve may exceed its first: journal and memory are saw-toothed."""
_ARCHIVE_RECORDS = 200_000
_SUBMIT_SECONDS = 3600.0
"""Nobody is waited for, but the whole run may be paused."""
_POINTS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """What everything occupies after so many intents."""

    intents: int
    seconds: float
    cpu_seconds: float
    """Of the process under measure, without the one that makes the commands."""
    rss_mb: float
    journal_mb: float
    snapshot_mb: float
    archive_mb: float
    assignments: int
    epochs: int
    snapshot_seconds: float
    """How long the ledger takes to write its state; the log waits for that long."""


class Feed:
    """The process that makes the commands."""

    def __init__(self, hundreds: int) -> None:
        """Start it; it runs as far ahead as its pipe allows."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.bounds_feed", str(hundreds)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
        )

    def hundred(self) -> list[bytes]:
        """Return the commands of the next hundred intents."""
        return [self._read(self._length()) for _ in range(self._length())]

    def _length(self) -> int:
        found: tuple[int] = LENGTH.unpack(self._read(LENGTH.size))
        return found[0]

    def _read(self, size: int) -> bytes:
        if self._process.stdout is None:
            raise AssertionError("started with a pipe")
        data = self._process.stdout.read(size)
        if len(data) < size:
            raise RuntimeError("the process that makes commands ended early")
        return data

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


class Subject:
    """One validator's ledger with everything that it writes to the disk."""

    def __init__(self, directory: Path, *, archive_records: int) -> None:
        """Bind everything; the archive keeps at most so many records."""
        self._directory = directory
        self._changes = Changes()
        self._archive_records = archive_records
        self.machine = LedgerMachine(
            ledger=Ledger(PARAMETERS, LedgerLimits()), parameters=PARAMETERS, listener=self._note
        )
        me = Peer(
            id=NAMES[0],
            address=KEYS[NAMES[0]].address,
            endpoint=f"127.0.0.1:{free_ports(1)[0]}",
        )
        self.log = ReplicatedLog(
            me=me,
            others=[],
            listen=me.endpoint,
            cluster_id=PARAMETERS.subnet_id,
            directory=directory / "log",
            state_machine=self.machine,
            signer=KEYS[NAMES[0]],
            options=ReplicationOptions(),
        )
        self.database = SqliteDatabase(
            directory / "archive.sqlite", MIGRATIONS, identity="bounds", synchronous="NORMAL"
        )
        self._archive = Archive(self.database)
        self._archiving = ArchiveChanges(
            changes=self._changes,
            archive=self._archive,
            read=self.machine.read,
            clock=SystemClock(),
            keep_days=ArchiveSection().keep_days,
            max_records=archive_records,
            metrics=ValidatorMetrics(Metrics("bounds")),
        )

    def _note(self, index: int, applied: Applied) -> None:
        # Runs inside `apply`, on the engine's thread, right behind the command: the state is the one it left.
        self._changes.note(index, applied, self.machine.read(lambda ledger: ledger))

    async def submit(self, data: bytes) -> None:
        """Commit one command; one that is refused in any part ends the run."""
        applied = await self.log.submit(data, timeout_seconds=_SUBMIT_SECONDS)
        if not isinstance(applied, Applied):
            raise TypeError(f"the ledger answered with {type(applied).__name__}")
        refused = [reply for reply in applied.replies if reply.code]
        if refused:
            raise RuntimeError(f"refused: {refused[0].code} {refused[0].message}")

    async def hundred(self, number: int, commands: Sequence[bytes]) -> None:
        """Let a hundred intents live their whole life."""
        for data in commands:
            await self.submit(data)
        await self._do(self.machine.read(lambda ledger: seal(number, ledger)))
        for command in self.machine.read(lambda ledger: list(until_settled(number, ledger))):
            await self._do(command)
        await self._archiving.catch_up()

    async def _do(self, command: Command) -> None:
        await self.submit(
            encode_command(command, KEYS[command.stamp.proposer], PARAMETERS.subnet_id)
        )

    async def point(self, intents: int, seconds: float) -> Point:
        """Measure, after the archive did what it otherwise does every hour."""
        await self._archive.forget(before_ms=0, max_records=self._archive_records)
        log = self._directory / "log"
        snapshot = _size([log / "snapshot"])
        begun = time.perf_counter()
        self.machine.snapshot()
        snapshot_seconds = time.perf_counter() - begun
        assignments, epochs = self.machine.read(
            lambda ledger: (sum(1 for _ in ledger.assignments()), sum(1 for _ in ledger.epochs()))
        )
        process = psutil.Process()
        times = process.cpu_times()
        return Point(
            intents=intents,
            seconds=seconds,
            cpu_seconds=sum(times[:2]),
            rss_mb=process.memory_info().rss / 1e6,
            journal_mb=_size(log.rglob("*")) - snapshot,
            snapshot_mb=snapshot,
            archive_mb=_size(self._directory.glob("archive.sqlite*")),
            assignments=assignments,
            epochs=epochs,
            snapshot_seconds=snapshot_seconds,
        )


def _size(paths: Iterable[Path]) -> float:
    return sum(path.stat().st_size for path in paths if path.is_file()) / 1e6


async def run(
    intents: int, archive_records: int, directory: Path, keep: Callable[[Sequence[Point]], None]
) -> list[Point]:
    """Feed the ledger; hand over the curve as it grows, and return it."""
    hundreds = intents // HUNDRED
    every = max(1, hundreds // _POINTS)
    subject = Subject(directory, archive_records=archive_records)
    feed, points = Feed(hundreds), list[Point]()
    begun = time.monotonic()
    async with subject.database:
        await subject.log.start()
        try:
            for number in range(hundreds):
                await subject.hundred(number, await asyncio.to_thread(feed.hundred))
                if (number + 1) % every:
                    continue
                done, passed = (number + 1) * HUNDRED, time.monotonic() - begun
                points.append(await subject.point(done, passed))
                keep(points)
        finally:
            feed.close()
            await subject.log.stop()
    return points


def grown(points: Sequence[Point]) -> dict[str, float]:
    """Return what grew by more than `GROWTH` from the curve's first half to its second, and the factor.

    What is written out and cut now and then is a saw, whose teeth may be as long as a quarter of the curve.
    """
    half = len(points) // 2
    found = {}
    for name in BOUNDED:
        before = max((getattr(point, name) for point in points[:half]), default=0)
        after = max((getattr(point, name) for point in points[half:]), default=0)
        if after > GROWTH * before:
            found[name] = after / before if before else float("inf")
    return found


def full_at(archive_records: int) -> int:
    """Return after how many intents every table that is bounded has reached its bound."""
    limits = LedgerLimits()
    return max(
        limits.max_sealed_intents * 17 // 16,
        limits.max_ended + DEADLINE_SECONDS * PER_SECOND,
        archive_records,
    )


def _table(points: Sequence[Point]) -> Table:
    table = Table(title="Bounds of one validator", title_justify="left", pad_edge=False)
    names = [*asdict(points[0])] if points else []
    for name in names:
        table.add_column(name.replace("_", " "), justify="right")
    for point in points:
        values = asdict(point).values()
        table.add_row(*(f"{v:,.2f}" if isinstance(v, float) else f"{v:,}" for v in values))
    return table


def main(argv: Sequence[str] | None = None) -> int:
    """Run, print, write; 1 when something that is bounded grew."""
    parser = argparse.ArgumentParser(prog="make bounds", description=__doc__)
    parser.add_argument("--intents", type=int, default=1_000_000)
    parser.add_argument(
        "--archive-records",
        type=int,
        default=_ARCHIVE_RECORDS,
        help="what the archive keeps at most; less than the product's default, so that it is reached",
    )
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args(argv)
    intents, records = options.intents, options.archive_records
    output: Path = options.output.resolve()
    output.mkdir(parents=True, exist_ok=True)
    path = output / "bounds.json"
    progress = Console(stderr=True, highlight=False)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    # The first quarter fills the tables; a shorter run shows numbers, but proves nothing.
    judged = intents >= 4 * full_at(records)

    def keep(points: Sequence[Point]) -> None:
        """Show how far it is, and write what there is: a run that is ended early was not in vain."""
        last = points[-1]
        left = last.seconds / last.intents * (intents - last.intents)
        progress.print(
            f"{last.intents / intents:4.0%} {last.intents:>11,} intents"
            f" {last.intents / last.seconds:7,.0f}/s {left:6.0f} s left, RSS {last.rss_mb:.0f} MB",
            markup=False,
        )
        complete = judged and last.intents + HUNDRED > intents
        document = {
            "version": 1,
            "intents": intents,
            "archive_records": records,
            "judged": complete,
            "grown": grown(points) if complete else {},
            "points": [asdict(point) for point in points],
        }
        path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")

    directory = Path(tempfile.mkdtemp(prefix="bounds-", dir=output))
    try:
        points = asyncio.run(run(intents, records, directory, keep))
    finally:
        shutil.rmtree(directory)
    growing = grown(points) if judged else {}
    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    console.print(_table(points))
    console.print(_verdict(judged, growing), markup=False)
    console.print(f"written to {path}")
    return 1 if growing else 0


def _verdict(judged: bool, growing: dict[str, float]) -> str:
    if not judged:
        return "too few intents to fill every table: nothing is judged"
    if growing:
        return "GROWS: " + ", ".join(f"{name} x {factor:.2f}" for name, factor in growing.items())
    return "everything that is bounded stayed within its bound"


if __name__ == "__main__":
    sys.exit(main())
