"""What is wrong on purpose: stock behaviour and careless rules, one fault each, for proving that the simulator sees it.

Findings A to D are pysyncobj's own (consensus.md); the others are what a validator must never do.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests.simulation.consensus.simulator import FragileJournal, FragileStore, World
from tests.simulation.ledger.process import FragileRecord
from tests.simulation.ledger.world import LedgerWorld

from pinai_subnet.consensus.messages import Append
from pinai_subnet.consensus.replicas import Replicas
from pinai_subnet.consensus.segment import HEADER_BYTES, Start, segment_path
from pinai_subnet.consensus.snapshot import SnapshotHeader
from pinai_subnet.protocol.digests import keccak256
from pinai_subnet.validator.commands import RecordSignature, Seal
from pinai_subnet.validator.intake import Intake
from pinai_subnet.validator.records import AssignmentState, Stage
from pinai_subnet.validator.sealing import Sealing
from pinai_subnet.validator.turn import Turn

# -- the engine's findings ---------------------------------------------------------------------------


def _delete_behind_previous(engine: Replicas, message: Append) -> int:
    """A: everything behind `prev_index` that is not known to be committed goes, also where the entries agree."""
    journal = engine._journal
    keep = max(message.prev_index, engine.commit_index())
    position = keep - journal.head_index
    if 0 <= position < len(journal) - 1:
        journal._begin(Start.CUT, keep, journal.term_at(keep) or 0)
        del journal._entries[position + 1 :]
    index = message.prev_index
    for term, command in message.entries:
        index += 1
        if index > journal.head_index:
            journal.add(command, index, term)
    return index


def _send_again_until_answered(engine: Replicas, node: Any, following: int, encoded: Any) -> None:
    """A, the leader's part: what has no answer yet is sent again and again."""
    _send_entries(engine, node, following, encoded)
    engine._SyncObj__raftNextIndex[node] = following


_send_entries = Replicas._send_entries


class ClearingJournal(FragileJournal):
    """B: found to disagree with the snapshot at a start, the journal is cleared."""

    def install(self, index: int, term: int) -> bool:
        if self.head_index < index and self.last_index > index:
            self._entries = [entry for entry in self._entries if entry[1] <= self.head_index]
        return super().install(index, term)


class RewritingJournal(FragileJournal):
    """C: compaction rewrites the one file in place, and nothing tells a short file from a whole one."""

    def roll(self) -> None:
        """There is one file."""

    def compact_to(self, index: int) -> None:
        self._write()
        path = segment_path(self.directory, self._parts[-1].serial)
        whole = path.read_bytes()
        os.truncate(path, HEADER_BYTES)
        self.fate("during rewrite")
        path.write_bytes(whole)
        super().compact_to(index)

    def _store_meta(self, term: int, vote: str | None) -> None:
        unsynced, self._unsynced = self._unsynced, True
        super()._store_meta(term, vote)
        self._unsynced = unsynced


class NoStore(FragileStore):
    """D: the journal is cut, but the state behind it is written nowhere."""

    def write(
        self, last_index: int, last_term: int, data: bytes, group: bytes = b""
    ) -> SnapshotHeader:
        header = super().write(last_index, last_term, data, group)
        self.path.unlink()
        return header


class ClearingWorld(World):
    journal_class = ClearingJournal


class RewritingWorld(World):
    journal_class = RewritingJournal

    def dies(self, name: str, where: str) -> bool:
        often = where == "during rewrite" and self.crash_odds > 0
        return self.chance.random() < 0.1 if often else super().dies(name, where)


class StorelessWorld(World):
    store_class = NoStore


class UnsyncedJournal(FragileJournal):
    """Acknowledges what is not on disk yet."""

    def sync(self) -> None:
        self.durable_index = self.last_index
        if len(self._pending) > 20:
            super().sync()


class UnsyncedWorld(World):
    journal_class = UnsyncedJournal


# -- the validator's ---------------------------------------------------------------------------------


class ForgettingRecord(FragileRecord):
    """Begins anew whenever its process does."""

    def __init__(self, path: Path, **options: Any) -> None:
        path.unlink(missing_ok=True)
        super().__init__(path, **options)


class LateRecord(FragileRecord):
    """Lets signatures leave first and writes only every fourth epoch."""

    def _append(self, records: Any) -> None:
        if all(record.epoch % 4 == 0 for record in records):
            super()._append(records)
        else:
            for record in records:
                self._accept(record)


class ForgettingWorld(LedgerWorld):
    record_class = ForgettingRecord


class LateWorld(LedgerWorld):
    record_class = LateRecord


def _seal_anything(sealing: Sealing, _turn: Turn, command: Seal) -> list[AssignmentState]:
    """Take a seal for whatever epoch and whatever was sealed before."""
    states = sealing._tables.state.assignments
    return [states[key.assignment_id] for key in command.keys if key.assignment_id in states]


def _seal_twice(sealing: Sealing, turn: Turn, command: Seal) -> Any:
    if command.epoch <= sealing._tables.state.last_epoch:
        # "The next epoch is another one by now": helpfully moved there.
        states = _seal_anything(sealing, turn, command)
        open_states = [state for state in states if not state.stage.ended]
        if not open_states:
            return turn.accepted()
        moved = Seal(
            stamp=command.stamp,
            epoch=sealing._tables.state.last_epoch + 1,
            keys=tuple(state.key for state in open_states),
            timestamp=command.timestamp,
        )
        with patch.object(Sealing, "_check_seal", lambda *_: open_states):
            return _seal(sealing, turn, moved)
    return _seal(sealing, turn, command)


_seal = Sealing.seal


def _count_anybody(sealing: Sealing, turn: Turn, command: RecordSignature) -> Any:
    """Count what a member sends without looking whose signature it is."""
    epoch = sealing._tables.state.epochs.get(command.epoch)
    if epoch is None or turn.proposer.id in epoch.signatures:
        return turn.accepted()
    sealing._count(turn, epoch, command, former=None)
    return turn.accepted()


def _replace_report(
    intake: Intake, turn: Turn, state: AssignmentState, report: Any, **more: Any
) -> Any:
    """Let a second report take the place of the first."""
    if state.stage is Stage.REPORTED:
        state.report = report
        state.times[Stage.REPORTED] = turn.at_ms
    return _take(intake, turn, state, report, **more)


_take = Intake._take


def _digest_of_time(*_: Any, **__: Any) -> bytes:
    """An apply that is not a function of the log alone."""
    return keccak256(os.urandom(8))


_PATCHES: dict[str, dict[tuple[object, str], Any]] = {
    "A": {
        (Replicas, "_store_entries"): _delete_behind_previous,
        (Replicas, "_send_entries"): _send_again_until_answered,
    },
    "seals twice": {(Sealing, "seal"): _seal_twice},
    "counts anybody's signature": {(Sealing, "record_signature"): _count_anybody},
    "replaces a report": {(Intake, "_take"): _replace_report},
}
_WORLDS: dict[str, type[World]] = {
    "B": ClearingWorld,
    "C": RewritingWorld,
    "D": StorelessWorld,
    "acknowledges unsynced entries": UnsyncedWorld,
    "forgets what it signed": ForgettingWorld,
    "writes late what it signed": LateWorld,
}
ENGINE = ("A", "B", "C", "D", "acknowledges unsynced entries")
LEDGER = ("seals twice", "counts anybody's signature", "replaces a report")
SIGNING = ("forgets what it signed", "writes late what it signed")


@contextmanager
def broken(name: str, world: type[Any]) -> Iterator[type[Any]]:
    """Give a world in which one thing is wrong."""
    with ExitStack() as stack:
        for (owner, attribute), wrong in _PATCHES.get(name, {}).items():
            stack.enter_context(patch.object(owner, attribute, wrong))
        yield _WORLDS.get(name, world)
