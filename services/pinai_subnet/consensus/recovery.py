"""Reads a journal back from its segments and decides whether it can be trusted. Writes nothing but quarantine."""

from pathlib import Path

from pinai_subnet.consensus.durable import quarantine
from pinai_subnet.consensus.meta import Meta, MetaFile
from pinai_subnet.consensus.segment import LogEntry, Segment, Start, read_segment, segment_path
from pinai_subnet.ports.errors import Damaged

NO_OP = b"\x01"
"""The command of an entry that changes nothing; the value is pysyncobj's."""


def load_meta(file: MetaFile, *, cluster: str, node: str) -> Meta | None:
    """Return term and vote, None if there never were any; put a damaged file aside and raise `Damaged`."""
    try:
        return file.load(cluster=cluster, node=node)
    except Damaged as damage:
        quarantine(file.path, damage)
        raise


def load_segments(directory: Path, serials: list[int], tag: bytes, meta: Meta) -> list[Segment]:
    """Read the segments from the newest reset on and check that none is missing, short or damaged.

    Older ones are leftovers of an interrupted removal; they are neither read nor removed here.
    Raises `Damaged` SN-R010 or SN-R012.
    """
    segments: list[Segment] = []
    for serial in reversed(serials):
        segments.insert(0, _read(segment_path(directory, serial), tag))
        if segments[0].header.start is Start.RESET:
            break
    kept = [segment.header.serial for segment in segments]
    if kept != list(range(kept[0], kept[0] + len(kept))):
        raise Damaged("SN-R012", f"{directory}: segments {kept} have a gap")
    for segment in segments[:-1]:
        if segment.torn_bytes:
            damage = Damaged("SN-R010", f"{segment.path}: cut short at byte {segment.size}")
            quarantine(segment.path, damage)
            raise damage
    _check_watermark(directory, segments, meta)
    return segments


def _read(path: Path, tag: bytes) -> Segment:
    try:
        return read_segment(path, tag)
    except Damaged as damage:
        quarantine(path, damage)
        raise


def _check_watermark(directory: Path, segments: list[Segment], meta: Meta) -> None:
    """Refuse a journal that lost bytes which were durable when term and vote were last written."""
    newest = segments[-1]
    sizes = {segment.header.serial: segment.size for segment in segments}
    short = sizes.get(meta.durable_serial, meta.durable_offset) < meta.durable_offset
    if short or newest.header.serial < meta.durable_serial:
        raise Damaged(
            "SN-R012",
            f"{directory}: segment {meta.durable_serial} had {meta.durable_offset} durable bytes, "
            f"now the newest is {newest.header.serial} with {newest.size}",
        )


def replay(segments: list[Segment]) -> list[LogEntry]:
    """Return the living entries behind their base; raise `Damaged` SN-R012 if the segments do not connect."""
    entries: list[LogEntry] = []
    for segment in segments:
        header = segment.header
        base = (header.base_index, header.base_term)
        if not entries or header.start is Start.RESET or base[0] < entries[0][1]:
            entries = [(NO_OP, *base)]
        elif header.start is Start.CUT:
            del entries[base[0] - entries[0][1] + 1 :]
        if entries[-1][1:] != base:
            raise Damaged(
                "SN-R012",
                f"{segment.path}: continues entry {base}, but {entries[-1][1:]} is there",
            )
        entries.extend(segment.entries)
    return entries
