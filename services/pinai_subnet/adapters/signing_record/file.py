"""The sign-once store in one append-only file: CRC per record, synced before any signature leaves. No signing here.

Layout: a header (magic, address of the key, CRC), then records of fixed size (kind, epoch, two digests, CRC over the
record and its place). A tail that a crash left incomplete is cut, because nothing was signed before the sync returned.
Any other damage refuses to open: guessing could mean signing an epoch twice.
"""

import contextlib
import errno
import fcntl
import os
import struct
import zlib
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from pinai_subnet.ports.errors import Damaged, Refused
from pinai_subnet.ports.signing_record import SigningIntent, SigningRecord
from pinai_subnet.protocol.ids import Address, address_bytes

_MAGIC = b"PINAISR1"
_HEADER = struct.Struct(">8s20sI")
_BODY = struct.Struct(">BQ32s32s")
_CRC = struct.Struct(">I")
RECORD_SIZE = _BODY.size + _CRC.size
HEADER_SIZE = _HEADER.size

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)

_SIGNED = 1
_RAISED = 2
_KEPT = 4096
_COMPACT_ABOVE = 65_536


class _Record(NamedTuple):
    kind: int
    epoch: int
    batch_digest: bytes
    header_hash: bytes


class FileSigningRecord(SigningRecord):
    """A `SigningRecord` in one file, locked for this process for as long as it is open."""

    def __init__(
        self,
        path: Path,
        *,
        address: Address,
        keep: int = _KEPT,
        compact_above: int = _COMPACT_ABOVE,
    ) -> None:
        """Open or create the store of this key.

        Raises `Damaged` SN-K103 when the file is not intact, `Refused` SN-K104 when it is another key's or another
        process has it open, and SN-K106 when a newer build wrote it. `keep` epochs can be repeated after a compaction,
        which happens above `compact_above`.
        """
        self._path = path
        self._address = address
        self._keep = keep
        self._compact_above = compact_above
        self._signed: OrderedDict[int, tuple[bytes, bytes]] = OrderedDict()
        self._highest = -1
        self._count = 0
        self._failed = False
        if not path.exists():
            _write_new(path, _header(address))
        self._descriptor = self._open()
        try:
            self._load()
        except BaseException:
            self.close()
            raise

    @property
    def highest_epoch(self) -> int:
        """Return the highest epoch that was remembered or raised to; -1 when nothing was."""
        return self._highest

    def remember(self, intents: Sequence[SigningIntent]) -> None:
        """Store what is about to be signed; see the port for the rules."""
        fresh: dict[int, SigningIntent] = {}
        for intent in intents:
            if len(intent.batch_digest) != 32 or len(intent.header_hash) != 32:
                raise ValueError("a signing intent holds two 32-byte digests")
            digests = (intent.batch_digest, intent.header_hash)
            earlier = fresh.get(intent.epoch)
            known = self._signed.get(intent.epoch)
            if earlier is not None:
                known = (earlier.batch_digest, earlier.header_hash)
            if known == digests:
                continue
            if known is not None:
                raise Refused(
                    "SN-K101",
                    f"epoch {intent.epoch} is signed already: batch digest 0x{known[0].hex()}, "
                    f"header 0x{known[1].hex()}; refused batch digest 0x{digests[0].hex()}, "
                    f"header 0x{digests[1].hex()}",
                )
            if intent.epoch <= self._highest:
                raise Refused(
                    "SN-K102",
                    f"epoch {intent.epoch} is not in the record, whose highest epoch is {self._highest}",
                )
            fresh[intent.epoch] = intent
        ordered = sorted(fresh.values(), key=lambda intent: intent.epoch)
        self._append([_Record(_SIGNED, i.epoch, i.batch_digest, i.header_hash) for i in ordered])

    def raise_to(self, epoch: int) -> None:
        """Refuse unknown epochs up to this one from now on."""
        if epoch > self._highest:
            self._append([_Record(_RAISED, epoch, bytes(32), bytes(32))])

    def close(self) -> None:
        """Close the file and release its lock; safe to call twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _open(self) -> int:
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        except OSError as exc:
            raise Damaged(
                "SN-K105", f"{self._path} cannot be opened for writing: {exc.strerror}"
            ) from exc
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            os.close(descriptor)
            raise Refused("SN-K104", f"{self._path} is open in another process") from exc
        return descriptor

    def _load(self) -> None:
        data = self._path.read_bytes()
        self._check_header(data[:HEADER_SIZE])
        body = data[HEADER_SIZE:]
        good = 0
        for record in _intact(body):
            self._accept(record)
            good += 1
        self._count = good
        rest = body[good * RECORD_SIZE :]
        if not rest:
            return
        if not _torn(rest):
            raise Damaged(
                "SN-K103",
                f"{self._path}: record {good + 1} is damaged (offset {HEADER_SIZE + good * RECORD_SIZE})",
            )
        os.ftruncate(self._descriptor, HEADER_SIZE + good * RECORD_SIZE)
        os.fsync(self._descriptor)

    def _check_header(self, header: bytes) -> None:
        if len(header) != HEADER_SIZE:
            raise Damaged("SN-K103", f"{self._path}: the header is cut off")
        magic, address, crc = _HEADER.unpack(header)
        if magic[:-1] == _MAGIC[:-1] and magic > _MAGIC:
            raise Refused(
                "SN-K106",
                f"{self._path} has format {magic[-1:].decode('ascii', 'replace')}; this build reads format 1",
            )
        if magic != _MAGIC or crc != zlib.crc32(header[: -_CRC.size]):
            raise Damaged("SN-K103", f"{self._path}: the header is damaged")
        if address != address_bytes(self._address):
            raise Refused(
                "SN-K104",
                f"{self._path} belongs to the key of 0x{address.hex()}, this validator's is {self._address}",
            )

    def _accept(self, record: _Record) -> None:
        self._highest = max(self._highest, record.epoch)
        if record.kind == _SIGNED:
            self._signed[record.epoch] = (record.batch_digest, record.header_hash)
            while len(self._signed) > self._keep:
                self._signed.popitem(last=False)

    def _append(self, records: Sequence[_Record]) -> None:
        if not records:
            return
        if self._failed or self._descriptor < 0:
            raise Damaged("SN-K105", f"{self._path} is closed or failed before; nothing is signed")
        frames = b"".join(_frame(r, self._count + i) for i, r in enumerate(records))
        try:
            _write_all(self._descriptor, frames)
        except OSError as exc:
            self._undo(exc)
            raise Damaged("SN-K105", f"{self._path} cannot be written: {exc.strerror}") from exc
        try:
            os.fsync(self._descriptor)
        except OSError as exc:
            # After a failed sync the kernel may have dropped the pages: only a new start can tell what is on disk.
            self._failed = True
            raise Damaged("SN-K105", f"{self._path} cannot be written: {exc.strerror}") from exc
        self._count += len(records)
        for record in records:
            self._accept(record)
        if self._count > self._compact_above:
            self._compact()

    def _undo(self, failed: OSError) -> None:
        """Take a write back that the disk had no room for; only then may another be tried in this process."""
        self._failed = True
        if failed.errno not in _NO_ROOM:
            return
        with contextlib.suppress(OSError):
            os.ftruncate(self._descriptor, HEADER_SIZE + self._count * RECORD_SIZE)
            self._failed = False

    def _compact(self) -> None:
        """Replace the file by one with the newest epochs and the height of all older ones; without room, later."""
        kept = [_Record(_SIGNED, epoch, *digests) for epoch, digests in self._signed.items()]
        records = [_Record(_RAISED, self._highest, bytes(32), bytes(32)), *kept]
        frames = b"".join(_frame(record, place) for place, record in enumerate(records))
        try:
            _write_new(self._path, _header(self._address) + frames)
            fresh = self._open()
        except OSError as exc:
            if exc.errno in _NO_ROOM and self._still_this_file():
                return
            self._failed = True
            raise Damaged("SN-K105", f"{self._path} cannot be rewritten: {exc.strerror}") from exc
        os.close(self._descriptor)
        self._descriptor = fresh
        self._count = len(records)

    def _still_this_file(self) -> bool:
        """Whether the open file is the one under the path, after an attempt to replace it."""
        _partial(self._path).unlink(missing_ok=True)
        return os.path.samestat(os.fstat(self._descriptor), self._path.stat())


def carry_over(path: Path, *, former: Address, address: Address) -> None:
    """Give the store of a rotated key to the new one: what was signed under the former stays signed.

    Repeating it is harmless. Raises as `FileSigningRecord`, also while a process has the store open.
    """
    if path.read_bytes()[:HEADER_SIZE] == _header(address):
        return
    record = FileSigningRecord(path, address=former)
    try:
        _write_new(path, _header(address) + path.read_bytes()[HEADER_SIZE:])
    finally:
        record.close()


def _header(address: Address) -> bytes:
    start = _MAGIC + address_bytes(address)
    return start + _CRC.pack(zlib.crc32(start))


def _frame(record: _Record, place: int) -> bytes:
    body = _BODY.pack(*record)
    return body + _CRC.pack(zlib.crc32(body, place & 0xFFFFFFFF))


def _intact(body: bytes) -> Iterator[_Record]:
    """Yield records from the start for as long as they are whole and their CRC and place are right."""
    for place in range(len(body) // RECORD_SIZE):
        frame = body[place * RECORD_SIZE : (place + 1) * RECORD_SIZE]
        record = _Record(*_BODY.unpack_from(frame))
        (crc,) = _CRC.unpack_from(frame, _BODY.size)
        known = record.kind in (_SIGNED, _RAISED)
        if not known or crc != zlib.crc32(frame[: _BODY.size], place & 0xFFFFFFFF):
            return
        yield record


def _torn(rest: bytes) -> bool:
    """Say whether an unreadable end is what an interrupted append leaves: a piece of a record, or zeros after one."""
    first, more = rest[:RECORD_SIZE], rest[RECORD_SIZE:]
    if len(first) < RECORD_SIZE:
        return True
    return not any(first[-_CRC.size :]) and not any(more)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _partial(path: Path) -> Path:
    return path.with_name(path.name + ".partial")


def _write_new(path: Path, data: bytes) -> None:
    """Create or replace the file atomically: new file, sync, rename, sync of the directory."""
    partial = _partial(path)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        _write_all(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    partial.replace(path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
