"""A member's log, read and written from outside while the member does not run: for restore and recovery only."""

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pinai_subnet.consensus.group import Group
from pinai_subnet.consensus.journal import Journal
from pinai_subnet.consensus.replicas import REGULAR
from pinai_subnet.consensus.segment import segment_serials
from pinai_subnet.consensus.snapshot import SnapshotStore
from pinai_subnet.ports.errors import Damaged
from pinai_subnet.ports.replication import Peer


@dataclass(frozen=True, slots=True, kw_only=True)
class Salvaged:
    """Everything that a member had: its newest snapshot and the commands behind it."""

    state: bytes | None
    """What the snapshot holds; None where there never was one."""
    commands: tuple[tuple[int, bytes], ...]
    """Log position and bytes of every command behind the snapshot; the last ones may never have been committed."""
    last_index: int
    last_term: int


def salvage(directory: Path, *, cluster: str, node: str) -> Salvaged:
    """Read a member's log directory without changing it: a copy is read.

    Raises `Damaged` where the files are not intact, SN-R012 where there are none.
    """
    if not directory.is_dir() or not segment_serials(directory):
        raise Damaged("SN-R012", f"{directory} holds no log")
    with tempfile.TemporaryDirectory(prefix="salvage-", dir=directory.parent) as scratch:
        copy = Path(scratch) / "log"
        shutil.copytree(directory, copy, ignore=shutil.ignore_patterns("quarantine", "lock"))
        return _read(copy, cluster=cluster, node=node)


def _read(copy: Path, *, cluster: str, node: str) -> Salvaged:
    snapshot = SnapshotStore(copy, cluster=cluster, fsync=False).load()
    journal = Journal(
        copy,
        cluster=cluster,
        node=node,
        segment_bytes=1 << 30,
        segment_entries=1 << 30,
        fsync=False,
    )
    try:
        begin = snapshot.header.last_index if snapshot else 0
        term = snapshot.header.last_term if snapshot else 0
        held = [journal[place] for place in range(len(journal))]
        entries = [entry for entry in held if entry[1] > begin]
    finally:
        journal.abandon()
    return Salvaged(
        state=snapshot.data if snapshot else None,
        commands=tuple(
            (index, command[1:]) for command, index, _ in entries if command[:1] == REGULAR
        ),
        last_index=entries[-1][1] if entries else begin,
        last_term=entries[-1][2] if entries else term,
    )


def seed(
    directory: Path,
    *,
    cluster: str,
    state: bytes,
    last_index: int,
    last_term: int,
    group: Sequence[Peer] = (),
) -> None:
    """Give an empty log directory a snapshot to start from; the member then begins behind it.

    `group` are the voters where they are not the ones that the network began with.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if segment_serials(directory) or (directory / "snapshot").exists():
        raise Damaged("SN-R083", f"{directory} is not empty")
    voters = Group.of(group).encode() if group else b""
    SnapshotStore(directory, cluster=cluster, fsync=True).write(
        last_index, last_term, state, voters
    )
