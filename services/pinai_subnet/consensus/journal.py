"""The log on disk: append-only segments, grouped sync, durable term and vote. Not the state: that is the snapshot's.

Why not pysyncobj's own: consensus.md findings A to D and F. Nothing is rewritten in place; a
conflict starts a new segment that voids the entries behind its base, compaction removes whole old
segments, and every byte read back passes a checksum. The public camel-case names are the ones that
pysyncobj calls.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import msgspec
import structlog
from pysyncobj.journal import Journal as EngineJournal

from pinai_subnet.consensus.durable import (
    WriteFailed,
    replace_file,
    sync_directory,
    write_all,
)
from pinai_subnet.consensus.meta import FORMAT, Meta, MetaFile
from pinai_subnet.consensus.recovery import NO_OP, load_meta, load_segments, replay
from pinai_subnet.consensus.segment import (
    HEADER_BYTES,
    RECORD_BYTES,
    Header,
    LogEntry,
    Segment,
    Start,
    cluster_tag,
    encode_header,
    encode_record,
    segment_path,
    segment_serials,
)
from pinai_subnet.ports.errors import Damaged, Refused

_log = structlog.get_logger(__name__)

FIRST_INDEX = 1
"""Index of the entry that every log begins with: a no-op of term 0, never sent and never stored."""
_WRITE_BYTES = 1 << 20


@dataclass(slots=True)
class _Part:
    """What is remembered of one segment file."""

    serial: int
    base_index: int
    size: int


class Journal(EngineJournal):  # type: ignore[misc]  # pysyncobj has no types
    """The log of one node. Not thread-safe: the engine's thread owns it."""

    def __init__(
        self,
        directory: Path,
        *,
        cluster: str,
        node: str,
        segment_bytes: int,
        segment_entries: int,
        fsync: bool,
        synced: Callable[[float], None] = lambda _: None,
    ) -> None:
        """Open or create the journal in `directory`; `synced` takes the seconds of every fsync.

        Raises `Damaged` (SN-R010 to SN-R012) where the disk lies, `Refused` where the directory is not this node's.
        """
        self.directory = directory
        self.syncs = 0
        self._tag = cluster_tag(cluster)
        self._segment_bytes = segment_bytes
        self._segment_entries = segment_entries
        self._fsync = fsync
        self._synced = synced
        self._meta_file = MetaFile(directory / "meta", fsync=fsync)
        self._descriptor = -1
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._unsynced = False
        self._commit_index = FIRST_INDEX
        self._parts: list[_Part] = []
        self._entries: list[LogEntry] = [(NO_OP, FIRST_INDEX, 0)]
        self.live_bytes = 0
        try:
            self._open(cluster, node)
        except Damaged as damage:
            _log.error("journal_refused", code=damage.code, reason=damage.message)
            raise
        self.durable_index = self.last_index

    # -- opening ---------------------------------------------------------------------------------

    def _open(self, cluster: str, node: str) -> None:
        meta = load_meta(self._meta_file, cluster=cluster, node=node)
        serials = segment_serials(self.directory)
        if meta is None:
            if serials:
                raise Damaged("SN-R011", f"{self.directory}: segments without term and vote")
            meta = Meta(format=FORMAT, cluster=cluster, node=node)
            self._meta_file.store(meta)
        self._meta = meta
        if not serials:
            if meta.durable_serial:
                raise Damaged("SN-R012", f"{self.directory}: all segments are missing")
            self._begin(Start.RESET, FIRST_INDEX, 0)
            return
        segments = load_segments(self.directory, serials, self._tag, meta)
        self._entries = replay(segments)
        self._parts = [
            _Part(segment.header.serial, segment.header.base_index, segment.size)
            for segment in segments
        ]
        self._count_bytes()
        self._continue(segments[-1])
        for serial in serials:
            if serial < self._parts[0].serial:
                segment_path(self.directory, serial).unlink()

    def _continue(self, newest: Segment) -> None:
        """Open the newest segment for appending, without the tail that an interrupted write left."""
        self._descriptor = os.open(newest.path, os.O_WRONLY)
        if newest.torn_bytes:
            os.ftruncate(self._descriptor, newest.size)
            os.fsync(self._descriptor)
            _log.warning(
                "journal_tail_cut",
                segment=newest.path.name,
                bytes=newest.torn_bytes,
                last_index=self.last_index,
            )
        os.lseek(self._descriptor, newest.size, os.SEEK_SET)

    def _count_bytes(self) -> None:
        self.live_bytes = sum(len(entry[0]) + RECORD_BYTES for entry in self._entries)

    # -- reading ---------------------------------------------------------------------------------

    @property
    def head_index(self) -> int:
        """Index of the entry before the first one that is stored; its term is known, its command is not."""
        return self._entries[0][1]

    @property
    def last_index(self) -> int:
        """Index of the newest entry."""
        return self._entries[-1][1]

    def term_at(self, index: int) -> int | None:
        """Return the term of an entry, None where it is not in the journal."""
        position = index - self._entries[0][1]
        return self._entries[position][2] if 0 <= position < len(self._entries) else None

    def first_index_of_term_at(self, index: int) -> int:
        """Return the first index of the run of entries that share the term of the entry at `index`."""
        position = index - self._entries[0][1]
        term = self._entries[position][2]
        while position > 1 and self._entries[position - 1][2] == term:
            position -= 1
        return self._entries[position][1]

    def index_behind(self, index: int, *, entries: int, max_bytes: int) -> int:
        """Return the index so far behind `index` that what is between keeps both limits."""
        position = index - self._entries[0][1]
        lowest = max(0, position - entries)
        while position > lowest and max_bytes > 0:
            max_bytes -= len(self._entries[position][0]) + RECORD_BYTES
            position -= 1
        return self._entries[max(0, position)][1]

    def batch(self, index: int, max_bytes: int) -> list[LogEntry]:
        """Return entries from `index` on, at least one if there is one, as many as fit into `max_bytes`."""
        position = index - self._entries[0][1]
        chosen: list[LogEntry] = []
        size = 0
        while position < len(self._entries):
            entry = self._entries[position]
            size += len(entry[0]) + RECORD_BYTES
            if chosen and size > max_bytes:
                break
            chosen.append(entry)
            position += 1
        return chosen

    def __getitem__(self, item: int) -> LogEntry:
        return self._entries[item]

    def __len__(self) -> int:
        return len(self._entries)

    # -- writing ---------------------------------------------------------------------------------

    def add(self, command: bytes, idx: int, term: int) -> None:
        """Append an entry, or replace a conflicting one and all behind it; one that is there already is left alone.

        Nothing is durable before `sync`. Raises `Refused` SN-R032 rather than replace a committed entry.
        """
        position = idx - self._entries[0][1]
        if position < len(self._entries):
            if position <= 0 or self._entries[position][2] == term:
                return
            self._cut(idx, position)
        elif position > len(self._entries):
            raise Refused("SN-R032", f"entry {idx} does not follow entry {self.last_index}")
        record = encode_record(self._parts[-1].serial, command, idx, term)
        self._entries.append((command, idx, term))
        self._pending.append(record)
        self._pending_bytes += len(record)
        self.live_bytes += len(record)
        if self._pending_bytes >= _WRITE_BYTES:
            self._write()

    def _cut(self, index: int, position: int) -> None:
        if index <= self._commit_index:
            raise Refused(
                "SN-R032",
                f"a leader wants to replace entry {index}, but {self._commit_index} is committed here",
            )
        _log.info("journal_conflict_cut", from_index=index, last_index=self.last_index)
        base_index, base_term = self._entries[position - 1][1:]
        self._begin(Start.CUT, base_index, base_term)
        del self._entries[position:]

    def _write(self) -> None:
        if not self._pending:
            return
        part = self._parts[-1]
        try:
            write_all(self._descriptor, b"".join(self._pending))
        except OSError as error:
            raise WriteFailed(segment_path(self.directory, part.serial), error) from error
        part.size += self._pending_bytes
        self._pending.clear()
        self._pending_bytes = 0
        self._unsynced = True

    def sync(self) -> None:
        """Make every added entry durable. After a failure the node must stop: the kernel may have dropped the bytes."""
        self._write()
        self._sync_written()
        self.durable_index = self.last_index
        part = self._parts[-1]
        entries = self.last_index - part.base_index
        if part.size >= self._segment_bytes or entries >= self._segment_entries:
            self.roll()

    def _sync_written(self) -> None:
        if not self._unsynced:
            return
        try:
            if self._fsync:
                began = perf_counter()
                os.fdatasync(self._descriptor)
                self._synced(perf_counter() - began)
        except OSError as error:
            raise WriteFailed(
                segment_path(self.directory, self._parts[-1].serial), error
            ) from error
        self._unsynced = False
        self.syncs += 1

    def _begin(self, start: Start, base_index: int, base_term: int) -> None:
        """Start a new segment; the one before is durable first, so that only the newest can ever have a torn tail."""
        if self._descriptor >= 0:
            self._write()
            self._sync_written()
            os.close(self._descriptor)
            self._descriptor = -1
        serial = self._parts[-1].serial + 1 if self._parts else 1
        header = Header(serial=serial, start=start, base_index=base_index, base_term=base_term)
        path = segment_path(self.directory, serial)
        replace_file(path, [encode_header(header, self._tag)], fsync=self._fsync)
        self._descriptor = os.open(path, os.O_WRONLY)
        os.lseek(self._descriptor, HEADER_BYTES, os.SEEK_SET)
        self._parts.append(_Part(serial, base_index, HEADER_BYTES))

    def roll(self) -> None:
        """Start a new segment behind the newest entry, so that compaction can remove the ones before."""
        if self._parts[-1].base_index != self.last_index:
            self._begin(Start.CONTINUE, self.last_index, self._entries[-1][2])

    def compact_to(self, index: int) -> None:
        """Forget whole segments whose entries all lie at or below `index`; a snapshot must cover them."""
        doomed: list[_Part] = []
        while len(self._parts) > 1 and self._parts[1].base_index <= index:
            doomed.append(self._parts.pop(0))
        if not doomed:
            return
        self._remove(doomed)
        head = min(part.base_index for part in self._parts)
        position = head - self.head_index
        if position > 0:
            self._entries[: position + 1] = [(NO_OP, *self._entries[position][1:])]
        self._count_bytes()

    def install(self, index: int, term: int) -> bool:
        """Continue behind a snapshot that ends at `index`; True if the entries behind it could be kept (finding B)."""
        if self.term_at(index) == term:
            return True
        doomed = list(self._parts)
        self._begin(Start.RESET, index, term)
        self._entries = [(NO_OP, index, term)]
        self.durable_index = index
        self.live_bytes = 0
        self._parts = self._parts[len(doomed) :]
        self._remove(doomed)
        return False

    def _remove(self, parts: list[_Part]) -> None:
        for part in parts:
            segment_path(self.directory, part.serial).unlink(missing_ok=True)
        if self._fsync:
            sync_directory(self.directory)

    def close(self) -> None:
        """Sync, note how much is durable and close; safe to call twice."""
        if self._descriptor < 0:
            return
        self.sync()
        self._store_meta(self._meta.term, self._meta.vote)
        os.close(self._descriptor)
        self._descriptor = -1

    def abandon(self) -> None:
        """Close without another write, after a failure."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    # -- term, vote and the rest of what pysyncobj asks for ----------------------------------------

    def _store_meta(self, term: int, vote: str | None) -> None:
        part = self._parts[-1]
        durable = part.size if not self._unsynced else self._meta.durable_offset
        serial = part.serial if not self._unsynced else self._meta.durable_serial
        self._meta = msgspec.structs.replace(
            self._meta, term=term, vote=vote, durable_serial=serial, durable_offset=durable
        )
        self._meta_file.store(self._meta)

    def setCurrentTerm(self, term: int, votedForNodeId: str | None) -> None:  # noqa: N802, N803  # pysyncobj's names
        """Store term and vote durably; returns only when they are on disk."""
        if (term, votedForNodeId) != (self._meta.term, self._meta.vote):
            self._store_meta(term, votedForNodeId)

    def getCurrentTerm(self) -> int:  # noqa: N802  # pysyncobj's name
        """Return the stored term."""
        return self._meta.term

    def getVotedForNodeId(self) -> str | None:  # noqa: N802  # pysyncobj's name
        """Return the stored vote of the term."""
        return self._meta.vote

    def setRaftCommitIndex(self, raftCommitIndex: int) -> None:  # noqa: N802, N803  # pysyncobj's names
        """Remember what must never be replaced; not stored, because a restart learns it from the next leader."""
        self._commit_index = raftCommitIndex

    def getRaftCommitIndex(self) -> int:  # noqa: N802  # pysyncobj's name
        """Return the commit index of this run."""
        return self._commit_index

    def deleteEntriesFrom(self, entryFrom: int) -> None:  # noqa: N802, N803  # pysyncobj's names
        """Do nothing: truncation happens in `add`, and only on a conflict (finding A)."""

    def deleteEntriesTo(self, entryTo: int) -> None:  # noqa: N802, N803  # pysyncobj's names
        """Do nothing: `compact_to` removes entries, and only behind a durable snapshot."""

    def clear(self) -> None:
        """Refuse: nothing in our engine clears a journal (finding B)."""
        raise Refused("SN-R032", "the journal is never cleared")

    def onOneSecondTimer(self) -> None:  # noqa: N802  # pysyncobj's name
        """Do nothing: nothing here is stored late."""

    def _destroy(self) -> None:
        self.close()
