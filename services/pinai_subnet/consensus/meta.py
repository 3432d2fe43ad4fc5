"""Term and vote on disk, with a checksum. Not the log: a lost term or vote would allow two leaders in one term."""

import zlib
from pathlib import Path

import msgspec

from pinai_subnet.consensus.durable import replace_file
from pinai_subnet.ports.errors import Damaged, Refused

FORMAT = 1
_MAGIC = b"PINAIMETA1\n"


class Meta(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a node must not forget: whose it is, its term, its vote, and how much of its journal was durable."""

    format: int
    cluster: str
    node: str
    term: int = 0
    vote: str | None = None
    durable_serial: int = 0
    """Number of the newest segment when this was written; 0 before the first."""
    durable_offset: int = 0
    """Bytes of that segment known to be on disk; fewer after a restart means that somebody lost them."""


class MetaFile:
    """Reads and replaces the meta file."""

    def __init__(self, path: Path, *, fsync: bool) -> None:
        """Bind the file; nothing is read yet."""
        self.path = path
        self._fsync = fsync

    def load(self, *, cluster: str, node: str) -> Meta | None:
        """Return what was stored, None if there is no file.

        Raises `Damaged` SN-R011 for anything that fails its check and `Refused` SN-R004 for another
        network's or node's.
        """
        try:
            raw = self.path.read_bytes()
        except FileNotFoundError:
            return None
        meta = self._decode(raw)
        if meta.format != FORMAT:
            raise Refused(
                "SN-R016", f"{self.path} has format {meta.format}; this build reads {FORMAT}"
            )
        if (meta.cluster, meta.node) != (cluster, node):
            raise Refused(
                "SN-R004",
                f"{self.path.parent} belongs to node {meta.node!r} of cluster {meta.cluster!r}, "
                f"this is node {node!r} of cluster {cluster!r}",
            )
        return meta

    def _decode(self, raw: bytes) -> Meta:
        start = len(_MAGIC)
        if raw[:start] != _MAGIC or len(raw) < start + 4:
            raise Damaged("SN-R011", f"{self.path}: not a meta file (term and vote unknown)")
        body = raw[start + 4 :]
        if zlib.crc32(body) != int.from_bytes(raw[start : start + 4], "little"):
            raise Damaged("SN-R011", f"{self.path}: checksum of term and vote does not match")
        try:
            return msgspec.msgpack.decode(body, type=Meta)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise Damaged("SN-R011", f"{self.path}: {error}") from error

    def store(self, meta: Meta) -> None:
        """Replace the file durably; returns only when term and vote are on disk."""
        body = msgspec.msgpack.encode(meta)
        checksum = zlib.crc32(body).to_bytes(4, "little")
        replace_file(self.path, [_MAGIC, checksum, body], fsync=self._fsync)
