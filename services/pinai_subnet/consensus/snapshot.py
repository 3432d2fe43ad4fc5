"""The state on disk, as one checked file. Not the log; what the bytes inside mean is the state machine's matter."""

import hashlib
import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import msgspec

from pinai_subnet.consensus.durable import (
    FILE_MODE,
    WriteFailed,
    quarantine,
    replace_file,
    sync_directory,
    write_all,
)
from pinai_subnet.ports.errors import Damaged, Refused

FORMAT = 2
"""1 knows no configuration; a group that never changed is still written so."""
_MAGIC = b"PINAISNP"
_PREFIX = struct.Struct("<8sII")
_MAX_HEADER = 64 * 1024


class SnapshotHeader(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a snapshot says about itself."""

    format: int
    cluster: str
    last_index: int
    last_term: int
    size: int
    digest: bytes
    """SHA-256 of the state bytes: equal on every node that snapshots at the same index."""
    group: bytes = b""
    """The configuration at `last_index`; empty while it is the one that everybody began with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A snapshot that passed every check."""

    header: SnapshotHeader
    data: bytes


class SnapshotStore:
    """Holds the newest snapshot of one node."""

    def __init__(self, directory: Path, *, cluster: str, fsync: bool) -> None:
        """Bind the directory; nothing is read yet."""
        self.path = directory / "snapshot"
        self._incoming = directory / "snapshot.incoming"
        self._cluster = cluster
        self._fsync = fsync

    def load(self) -> Snapshot | None:
        """Return the newest snapshot, None if there is none; put a damaged one aside and raise `Damaged` SN-R013."""
        for leftover in (self._incoming, self.path.with_name("snapshot.tmp")):
            leftover.unlink(missing_ok=True)
        try:
            raw = self.path.read_bytes()
        except FileNotFoundError:
            return None
        try:
            return self._decode(raw, self.path)
        except Damaged as damage:
            quarantine(self.path, damage)
            raise

    def _decode(self, raw: bytes, path: Path) -> Snapshot:
        if len(raw) < _PREFIX.size:
            raise Damaged("SN-R013", f"{path}: {len(raw)} bytes are no snapshot")
        magic, length, checksum = _PREFIX.unpack_from(raw)
        encoded = raw[_PREFIX.size : _PREFIX.size + length]
        if magic != _MAGIC or length > _MAX_HEADER or zlib.crc32(encoded) != checksum:
            raise Damaged("SN-R013", f"{path}: the snapshot header fails its check")
        try:
            header = msgspec.msgpack.decode(encoded, type=SnapshotHeader)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise Damaged("SN-R013", f"{path}: {error}") from error
        if not 1 <= header.format <= FORMAT:
            raise Refused(
                "SN-R016", f"{path} has format {header.format}; this build reads up to {FORMAT}"
            )
        if header.cluster != self._cluster:
            raise Refused("SN-R004", f"{path} belongs to cluster {header.cluster!r}")
        data = raw[_PREFIX.size + length :]
        if len(data) != header.size or hashlib.sha256(data).digest() != header.digest:
            raise Damaged("SN-R013", f"{path}: the state does not match its digest")
        return Snapshot(header=header, data=data)

    def write(
        self, last_index: int, last_term: int, data: bytes, group: bytes = b""
    ) -> SnapshotHeader:
        """Store a snapshot durably beside the old one and rename it over; callable from a worker thread."""
        header = SnapshotHeader(
            format=FORMAT if group else 1,
            cluster=self._cluster,
            last_index=last_index,
            last_term=last_term,
            size=len(data),
            digest=hashlib.sha256(data).digest(),
            group=group,
        )
        encoded = msgspec.msgpack.encode(header)
        prefix = _PREFIX.pack(_MAGIC, len(encoded), zlib.crc32(encoded))
        replace_file(self.path, [prefix, encoded, data], fsync=self._fsync)
        return header

    def receive(self) -> "IncomingSnapshot":
        """Begin to take a snapshot from a leader, dropping one that was begun before."""
        return IncomingSnapshot(self._incoming)

    def install(self, incoming: "IncomingSnapshot") -> Snapshot:
        """Check a received file and make it the newest snapshot; raise `Damaged` SN-R013 if it is not one."""
        incoming.close()
        snapshot = self._decode(self._incoming.read_bytes(), self._incoming)
        try:
            self._incoming.rename(self.path)
            if self._fsync:
                sync_directory(self.path.parent)
        except OSError as error:
            raise WriteFailed(self.path, error) from error
        return snapshot


class IncomingSnapshot:
    """A snapshot file that arrives piece by piece."""

    def __init__(self, path: Path) -> None:
        """Create the file empty."""
        self._path = path
        self.size = 0
        try:
            self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, FILE_MODE)
        except OSError as error:
            raise WriteFailed(path, error) from error

    def append(self, data: bytes) -> None:
        """Add the next piece."""
        try:
            write_all(self._descriptor, data)
        except OSError as error:
            raise WriteFailed(self._path, error) from error
        self.size += len(data)

    def close(self) -> None:
        """Sync and close; safe to call twice."""
        if self._descriptor < 0:
            return
        descriptor, self._descriptor = self._descriptor, -1
        try:
            os.fsync(descriptor)
        except OSError as error:
            raise WriteFailed(self._path, error) from error
        finally:
            os.close(descriptor)


class OutgoingSnapshot:
    """One snapshot file as it is sent to one peer; a newer snapshot may replace the file meanwhile without harm."""

    def __init__(self, path: Path, last_index: int, last_term: int) -> None:
        """Open the file."""
        self.last_index = last_index
        self.last_term = last_term
        self._descriptor = os.open(path, os.O_RDONLY)
        self.total = os.fstat(self._descriptor).st_size
        self.offset = 0
        """Bytes the peer confirmed."""
        self.sent_at = 0.0

    def piece(self, size: int) -> bytes:
        """Return the bytes that follow what the peer confirmed."""
        return os.pread(self._descriptor, size, self.offset)

    def close(self) -> None:
        """Close the file; safe to call twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
