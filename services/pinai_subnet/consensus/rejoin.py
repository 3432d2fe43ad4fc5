"""How a member that lost or damaged its data comes back: empty, without a vote, until it has everything again.

A member that forgot what it acknowledged must not help to elect a leader that lacks it. So it
follows and stores, but neither votes nor stands, until a no-op that it asked for after its return
is applied here: then it holds every entry that was committed before, its own former ones included.
Valid term and vote are kept; where they are lost too, it also waits until elections of its former
life are over.
"""

from pathlib import Path

import msgspec

from pinai_subnet.consensus.durable import sync_directory
from pinai_subnet.consensus.fence import FILE_NAME as FENCE
from pinai_subnet.consensus.meta import MetaFile
from pinai_subnet.consensus.segment import segment_serials
from pinai_subnet.ports.errors import Damaged, DependencyError, Refused

_MARK = "REJOIN"
_FOUND_SECONDS = 2.0
_LOST = "term and vote lost\n"
_KEPT = "term and vote kept\n"
_FOUNDING = "never had an entry\n"


def prepare_rejoin(directory: Path, *, cluster: str, node: str) -> Path:
    """Put every data file aside and mark the directory, so that the next start fetches everything from the quorum.

    Returns where the files are now; nothing is deleted. Raises `Refused` SN-R018 if there is nothing that needs it.
    """
    damaged = directory / "DAMAGED"
    if not damaged.exists() and not segment_serials(directory):
        raise Refused("SN-R018", f"{directory} holds no log; just start the validator")
    meta_file = MetaFile(directory / "meta", fsync=True)
    try:
        meta = meta_file.load(cluster=cluster, node=node)
    except DependencyError as error:
        if error.code == "SN-R004":
            raise
        meta = None
    (directory / _MARK).write_text(_KEPT if meta else _LOST)
    target = _put_aside(directory, but=damaged.name)
    if meta is not None:
        meta_file.store(msgspec.structs.replace(meta, durable_serial=0, durable_offset=0))
    damaged.unlink(missing_ok=True)
    sync_directory(directory)
    return target


def start_over(directory: Path) -> Path:
    """Put a member's whole log aside, intact or not: it begins as one that has forgotten everything, votes too.

    Returns where the files are now; nothing is deleted. For a member that does not run.
    """
    directory.mkdir(mode=0o700, exist_ok=True)
    begin_empty(directory, forgotten=True)
    target = _put_aside(directory)
    sync_directory(directory)
    return target


def _put_aside(directory: Path, *, but: str = "") -> Path:
    aside = directory / "quarantine"
    aside.mkdir(exist_ok=True)
    target = aside / f"before-rejoin-{sum(1 for _ in aside.iterdir())}"
    target.mkdir()
    for path in sorted(directory.iterdir()):
        if path.is_file() and path.name not in {"lock", FENCE, _MARK, but}:
            path.rename(target / path.name)
    return target


def untouched(directory: Path) -> bool:
    """Whether the directory never held a log: no segment, no snapshot, no term and vote, no mark of damage."""
    names = ("meta", "snapshot", "DAMAGED", _MARK)
    return not segment_serials(directory) and not any((directory / name).exists() for name in names)


def begin_empty(directory: Path, *, forgotten: bool) -> None:
    """Begin an untouched directory without a vote: as a founder, or as a member that has forgotten everything."""
    (directory / _MARK).write_text(_LOST if forgotten else _FOUNDING)
    sync_directory(directory)


def founding(directory: Path) -> bool:
    """Whether this member waits for either all others, as new as itself, or a network that exists already."""
    return _mark(directory) == _FOUNDING


def rejoining(directory: Path) -> bool:
    """Whether this member has no vote yet."""
    return _mark(directory) is not None


def marked(directory: Path) -> bool:
    """Whether there is a mark, readable or not."""
    return (directory / _MARK).exists()


def forgot_votes(directory: Path) -> bool:
    """Whether term and vote of the former life are lost."""
    return _mark(directory) == _LOST


def _mark(directory: Path) -> str | None:
    """Return what the directory is marked with, None if it is not; raise `Damaged` SN-R090 for anything unknown."""
    path = directory / _MARK
    try:
        text = path.read_bytes().decode("ascii", "replace")
    except FileNotFoundError:
        return None
    if text not in {_LOST, _KEPT, _FOUNDING}:
        raise Damaged("SN-R090", f"{path} holds something else than a mark of this member")
    return text


def end_rejoin(directory: Path) -> None:
    """Give the member its vote back, durably."""
    (directory / _MARK).unlink(missing_ok=True)
    sync_directory(directory)


class Founders:
    """Decides when a group is founded by members that all hold nothing.

    At once when they are all there; by a majority after a while in which none that holds something could be reached.
    """

    def __init__(self, others: int, *, wait_seconds: float) -> None:
        """`others` is how many members the group has besides this one."""
        self._others = others
        self._wait_seconds = min(wait_seconds, _FOUND_SECONDS)
        self._majority_since: float | None = None

    def complete(self, connected: int, now: float) -> bool:
        """Whether the group may be founded with so many others connected now, all of them empty."""
        if connected == self._others:
            return True
        if (1 + connected) * 2 <= 1 + self._others:
            self._majority_since = None
            return False
        if self._majority_since is None:
            self._majority_since = now
        return now - self._majority_since >= self._wait_seconds
