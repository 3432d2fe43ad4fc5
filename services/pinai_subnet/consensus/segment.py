"""One journal file: a checked header and checked records. Which entries are alive is the journal's matter."""

import hashlib
import re
import struct
import zlib
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from pinai_subnet.ports.errors import Damaged, Refused

FORMAT = 1
_MAGIC = b"PINAIJRN"
_HEADER = struct.Struct("<8sIIQQQ16s")
_RECORD = struct.Struct("<IQQI")
_CRC = struct.Struct("<I")
HEADER_BYTES = _HEADER.size + _CRC.size
RECORD_BYTES = _RECORD.size + _CRC.size
_SECTOR = 512
_NAME = re.compile(r"(\d{16})\.seg")

LogEntry = tuple[bytes, int, int]
"""(command, index, term): the shape pysyncobj gives to a log entry."""


class Start(IntEnum):
    """How a segment relates to the ones before it."""

    CONTINUE = 0
    """Its base is the last entry before it."""
    CUT = 1
    """Entries after its base are void: they conflicted with a newer leader's."""
    RESET = 2
    """Everything before it is void: a new journal, or one that starts behind an installed snapshot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The first bytes of a segment."""

    serial: int
    start: Start
    base_index: int
    """Index of the entry that the first record follows."""
    base_term: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A segment that was read completely."""

    path: Path
    header: Header
    entries: list[LogEntry]
    size: int
    """Bytes that passed every check."""
    torn_bytes: int
    """Bytes behind them that an interrupted write left; only allowed at the end of the newest segment."""


def segment_path(directory: Path, serial: int) -> Path:
    """Return the file of a segment."""
    return directory / f"{serial:016d}.seg"


def segment_serials(directory: Path) -> list[int]:
    """Return the numbers of all segments in the directory, oldest first."""
    found = (_NAME.fullmatch(path.name) for path in directory.iterdir())
    return sorted(int(match[1]) for match in found if match)


def cluster_tag(cluster: str) -> bytes:
    """Return 16 bytes that tell one cluster's files from another's."""
    return hashlib.sha256(cluster.encode()).digest()[:16]


def encode_header(header: Header, tag: bytes) -> bytes:
    """Return the header's bytes, checksum included."""
    raw = _HEADER.pack(
        _MAGIC,
        FORMAT,
        header.start,
        header.serial,
        header.base_index,
        header.base_term,
        tag,
    )
    return raw + _CRC.pack(zlib.crc32(raw))


def encode_record(serial: int, command: bytes, index: int, term: int) -> bytes:
    """Return one record; its header checksum is bound to the segment, so that a stray record never passes."""
    raw = _RECORD.pack(len(command), index, term, zlib.crc32(command))
    return b"".join((raw, _CRC.pack(zlib.crc32(raw, serial & 0xFFFFFFFF)), command))


def read_segment(path: Path, tag: bytes) -> Segment:
    """Read and check a whole segment; raise `Damaged` SN-R010 where bytes changed after they were written."""
    data = path.read_bytes()
    header = _decode_header(path, data, tag)
    entries: list[LogEntry] = []
    offset = HEADER_BYTES
    expected = header.base_index + 1
    while offset < len(data):
        record = _decode_record(path, data, offset, header.serial)
        if record is None:
            break
        command, index, _ = record
        if index != expected:
            raise Damaged("SN-R010", f"{path}: entry {index} at byte {offset}, expected {expected}")
        entries.append(record)
        offset += RECORD_BYTES + len(command)
        expected += 1
    return Segment(
        path=path, header=header, entries=entries, size=offset, torn_bytes=len(data) - offset
    )


def _decode_header(path: Path, data: bytes, tag: bytes) -> Header:
    if len(data) < HEADER_BYTES:
        raise Damaged("SN-R010", f"{path}: {len(data)} bytes are no segment")
    (checksum,) = _CRC.unpack_from(data, _HEADER.size)
    if zlib.crc32(data[: _HEADER.size]) != checksum:
        raise Damaged("SN-R010", f"{path}: checksum of the segment header does not match")
    magic, version, start, serial, base_index, base_term, found = _HEADER.unpack_from(data)
    if magic != _MAGIC:
        raise Damaged("SN-R010", f"{path}: not a journal segment")
    if version != FORMAT:
        raise Refused("SN-R016", f"{path} has format {version}; this build reads {FORMAT}")
    if found != tag:
        raise Refused("SN-R004", f"{path} belongs to another cluster")
    if path.name != segment_path(path.parent, serial).name:
        raise Damaged("SN-R010", f"{path}: is segment {serial} by its header")
    return Header(serial=serial, start=Start(start), base_index=base_index, base_term=base_term)


def _decode_record(path: Path, data: bytes, offset: int, serial: int) -> LogEntry | None:
    """Return the record at `offset`, None for a torn tail."""
    head = data[offset : offset + RECORD_BYTES]
    if len(head) < RECORD_BYTES:
        return None
    length, index, term, checksum = _RECORD.unpack_from(head)
    if (
        zlib.crc32(head[: _RECORD.size], serial & 0xFFFFFFFF)
        != _CRC.unpack_from(head, _RECORD.size)[0]
    ):
        if _was_interrupted(data, offset, offset + RECORD_BYTES):
            return None
        raise Damaged("SN-R010", f"{path}: record header at byte {offset} fails its check")
    start = offset + RECORD_BYTES
    command = data[start : start + length]
    if len(command) < length:
        return None
    if zlib.crc32(command) != checksum:
        if _was_interrupted(data, offset, start + length):
            return None
        raise Damaged("SN-R010", f"{path}: entry {index} at byte {offset} fails its check")
    return command, index, term


def _was_interrupted(data: bytes, start: int, end: int) -> bool:
    """Tell an interrupted write from damage.

    A sector is written as a whole or reads as zeros, and nothing valid follows: from some point
    inside the record (its start or a sector boundary) everything to the end of the file is zero. A
    complete record with wrong bits is damage.
    """
    boundary = start
    while boundary < end:
        if not any(data[boundary:]):
            return True
        boundary = (boundary // _SECTOR + 1) * _SECTOR
    return False
