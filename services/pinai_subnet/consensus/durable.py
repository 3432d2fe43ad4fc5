"""Small durable file operations: write beside, fsync, rename, fsync the directory. Knows no format."""

import contextlib
import errno
import fcntl
import os
from pathlib import Path

from pinai_subnet.ports.errors import Damaged, DependencyError, Refused

FILE_MODE = 0o600


class WriteFailed(DependencyError):
    """The disk refused a write or a sync: nothing that was not synced before may be acknowledged any more."""

    def __init__(self, path: Path, error: OSError) -> None:
        """Name the file and the system's reason (SN-R015)."""
        super().__init__(
            "SN-R015", f"cannot write {path}: {error.strerror or error}", retryable=False
        )
        self.out_of_space = error.errno in (errno.ENOSPC, errno.EDQUOT)
        """Whether only room is missing: then the log can be opened again from what is durable once there is some."""


def sync_directory(directory: Path) -> None:
    """Make renames and removals inside `directory` durable."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """Write every byte; a short write continues."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def replace_file(path: Path, parts: list[bytes], *, fsync: bool) -> None:
    """Replace `path` by `parts` so that a crash leaves either the old or the new content, never a mixture."""
    beside = path.with_name(path.name + ".tmp")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, FILE_MODE)
        try:
            for part in parts:
                write_all(descriptor, part)
            if fsync:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        beside.rename(path)
        if fsync:
            sync_directory(path.parent)
    except OSError as error:
        raise WriteFailed(path, error) from error


def quarantine(path: Path, damage: Damaged) -> None:
    """Move a damaged file aside, never delete it, and leave a mark that makes later starts refuse too."""
    aside = path.parent / "quarantine"
    with contextlib.suppress(OSError):
        aside.mkdir(exist_ok=True)
        mark_damaged(path.parent, damage)
        path.rename(aside / path.name)
        sync_directory(path.parent)


def mark_damaged(directory: Path, damage: Damaged) -> None:
    """Note in the directory why it must not be served from."""
    (directory / "DAMAGED").write_text(f"{damage.code} {damage.message}\n")


def refuse_marked(directory: Path) -> None:
    """Raise `Damaged` if an earlier start found this directory damaged."""
    try:
        text = (directory / "DAMAGED").read_text().strip()
    except FileNotFoundError:
        return
    raise Damaged("SN-R017", f"{directory} was found damaged before: {text}")


class DirectoryLock:
    """One process per data directory: an advisory lock that dies with its holder."""

    def __init__(self, directory: Path) -> None:
        """Take the lock or raise `Refused` SN-R003."""
        self._descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, FILE_MODE)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._descriptor)
            raise Refused("SN-R003", f"{directory} is in use by another process") from error

    def release(self) -> None:
        """Give the directory free; safe to call twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
