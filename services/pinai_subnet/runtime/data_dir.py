"""A process's data directory: private, writable, used by one process, of one identity. Not what is kept in it."""

import fcntl
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from pinai_subnet.runtime.errors import StartupError, cannot_start

_LOCK = "process.lock"
_STAMP = "identity.json"
DATA_FORMAT = 1
"""Of the directory as a whole; the files in it have formats of their own. Directories without it are format 1."""
_IGNORED = frozenset({_LOCK, _STAMP, _STAMP + ".partial", "lost+found"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Whose data a directory holds."""

    subnet_id: str
    role: str
    node_id: str

    def __str__(self) -> str:
        """Return the text with which databases in the directory are stamped."""
        return f"{self.role} {self.node_id} of subnet {self.subnet_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskSpace:
    """What the file system of the directory has."""

    free_bytes: int
    total_bytes: int

    @property
    def free_ratio(self) -> float:
        """Return free space as a part of all space."""
        return self.free_bytes / self.total_bytes if self.total_bytes else 0.0


class DataDirectory:
    """An open data directory; the lock is held until `close` or until the process ends, however it ends."""

    def __init__(self, path: Path, identity: Identity, lock: int) -> None:
        """Made by `open`."""
        self._path = path
        self._identity = identity
        self._lock = lock

    @classmethod
    def open(cls, path: Path, *, identity: Identity) -> Self:
        """Open or create the directory; raise `StartupError` SN-H003 (not ours to write), SN-H010 (in use), SN-H004."""
        _prepare(path)
        lock = _acquire(path)
        try:
            _check_identity(path, identity)
        except BaseException:
            os.close(lock)
            raise
        return cls(path, identity, lock)

    @property
    def path(self) -> Path:
        """Return the directory."""
        return self._path

    @property
    def identity(self) -> Identity:
        """Return whose data it is."""
        return self._identity

    def file(self, name: str) -> Path:
        """Return the path of a file in the directory."""
        return self._path / name

    def disk_space(self) -> DiskSpace:
        """Return free and total space as an unprivileged process sees them."""
        stats = os.statvfs(self._path)
        return DiskSpace(
            free_bytes=stats.f_bavail * stats.f_frsize, total_bytes=stats.f_blocks * stats.f_frsize
        )

    def close(self) -> None:
        """Release the lock; may be called twice."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _prepare(path: Path) -> None:
    """Create the directory 0700 or prove that the existing one can be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=0o700, exist_ok=True)
    except OSError as exc:
        raise _not_usable(path, exc.strerror or str(exc)) from exc
    if not path.is_dir():
        raise _not_usable(path, "it is not a directory")
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        stats = path.stat()
        if stats.st_uid != os.geteuid():
            raise cannot_start(
                "SN-H003",
                f"{path} is owned by {stats.st_uid}:{stats.st_gid}, "
                f"this process runs as {os.geteuid()}:{os.getegid()}",
                where=str(path),
                fix=f"sudo chown -R {os.geteuid()}:{os.getegid()} {path}",
            )
        raise _not_usable(path, "it is not writable")


def _acquire(path: Path) -> int:
    lock = path / _LOCK
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as exc:
        raise _not_usable(path, f"{_LOCK}: {exc.strerror}") from exc
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, 32, 0).decode("ascii", errors="replace").strip()
        os.close(descriptor)
        raise cannot_start(
            "SN-H010",
            f"{path} is in use by process {holder or 'unknown'}",
            where=str(lock),
            fix="stop that process, or give this one its own data directory",
        ) from None
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    except OSError as exc:
        os.close(descriptor)
        raise _not_usable(path, f"{_LOCK}: {exc.strerror}") from exc
    return descriptor


def _check_identity(path: Path, identity: Identity) -> None:
    stamp = path / _STAMP
    try:
        found = dict(json.loads(stamp.read_text("utf-8")))
    except FileNotFoundError:
        _write_stamp(path, identity)
        return
    except (OSError, TypeError, ValueError) as exc:
        raise cannot_start(
            "SN-H006",
            f"{stamp} cannot be read: {exc}",
            where=str(stamp),
            fix="restore the directory from a backup",
        ) from exc
    written = found.get("format", DATA_FORMAT)
    if written != DATA_FORMAT:
        raise cannot_start(
            "SN-H005",
            f"{path} has data format {written}; this version reads format {DATA_FORMAT}",
            where=str(stamp),
            fix="run the version that wrote it, or restore a backup taken before the upgrade",
        )
    differing = [
        f"{name} {found.get(name)}, this process is configured for {value}"
        for name, value in asdict(identity).items()
        if found.get(name) != value
    ]
    if differing:
        raise cannot_start(
            "SN-H004",
            f"{path} holds the data of another node or network: {'; '.join(differing)}",
            where=str(stamp),
            fix="configure this process's own data directory; move this one away if it is no longer needed",
        )


def _write_stamp(path: Path, identity: Identity) -> None:
    """Stamp an empty directory; the stamp appears whole or not at all."""
    others = sorted(entry.name for entry in path.iterdir() if entry.name not in _IGNORED)
    if others:
        raise cannot_start(
            "SN-H004",
            f"{path} is not empty and has no {_STAMP}: it holds {', '.join(others[:5])}",
            where=str(path),
            fix="configure an empty directory for this process",
        )
    partial = path / (_STAMP + ".partial")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump({"format": DATA_FORMAT, **asdict(identity)}, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path / _STAMP)
        directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as exc:
        raise _not_usable(path, exc.strerror or str(exc)) from exc


def _not_usable(path: Path, reason: str) -> StartupError:
    return cannot_start(
        "SN-H003",
        f"data directory {path} cannot be used: {reason}",
        where=str(path),
        fix="make the directory writable for the user that runs this process, or configure another one",
    )
