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
STAMP = "identity.json"
"""Says whose a directory is, and its format."""
DATA_FORMAT = 1
"""Of all data directories: raised with every change of what the files in them hold, a new migration for example."""
OLDEST_DATA_FORMAT = 1
"""The oldest one that this version converts; nothing is converted unless an operator says so."""
_UNSTAMPED = 1
_IGNORED = frozenset({_LOCK, STAMP, STAMP + ".partial", "lost+found"})


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

    def __init__(self, path: Path, identity: Identity, lock: int, data_format: int) -> None:
        """Made by `open` and `open_former`."""
        self._path = path
        self._identity = identity
        self._lock = lock
        self._format = data_format

    @classmethod
    def open(cls, path: Path, *, identity: Identity) -> Self:
        """Open or create the directory.

        Raises `StartupError` SN-H003 (not ours to write), SN-H010 (in use), SN-H004 (another's), SN-H005 (of a newer
        version), SN-H086 (of an older one, not converted yet).
        """
        _prepare(path)
        lock = _acquire(path)
        try:
            _check_identity(path, identity)
        except BaseException:
            os.close(lock)
            raise
        return cls(path, identity, lock, DATA_FORMAT)

    @classmethod
    def open_former(cls, path: Path) -> Self:
        """Open a directory that exists, whoever's it is and in any format that this version converts.

        Raises `StartupError` as `open` does; SN-H005 too for a format that is older than that.
        """
        _prepare(path)
        lock = _acquire(path)
        try:
            identity, written = _former(path)
        except BaseException:
            os.close(lock)
            raise
        return cls(path, identity, lock, written)

    @property
    def path(self) -> Path:
        """Return the directory."""
        return self._path

    @property
    def identity(self) -> Identity:
        """Return whose data it is."""
        return self._identity

    @property
    def data_format(self) -> int:
        """Return the format that everything in it has."""
        return self._format

    def converted(self) -> None:
        """Note that everything in it has `DATA_FORMAT` now."""
        _put_stamp(self._path, self._identity)
        self._format = DATA_FORMAT

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
    found = _read_stamp(path)
    if found is None:
        _write_stamp(path, identity)
        return
    written = _format_of(found)
    if OLDEST_DATA_FORMAT <= written < DATA_FORMAT:
        raise cannot_start(
            "SN-H086",
            f"{path} has data format {written} and was not converted; this version reads format {DATA_FORMAT}",
            where=str(path / STAMP),
            fix="in containers: ./scripts/deploy.sh upgrade IMAGE --stop; otherwise stop everything, keep a copy of "
            "the data directories, then: subnetctl migrate",
        )
    if written != DATA_FORMAT:
        raise _unknown_format(path, written)
    differing = [
        f"{name} {found.get(name)}, this process is configured for {value}"
        for name, value in asdict(identity).items()
        if found.get(name) != value
    ]
    if differing:
        raise cannot_start(
            "SN-H004",
            f"{path} holds the data of another node or network: {'; '.join(differing)}",
            where=str(path / STAMP),
            fix="configure this process's own data directory; move this one away if it is no longer needed",
        )


def _read_stamp(path: Path) -> dict[str, object] | None:
    """Return what the stamp says, None where there is none; raise `StartupError` SN-H006 for a damaged one."""
    stamp = path / STAMP
    try:
        return dict(json.loads(stamp.read_text("utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, TypeError, ValueError) as exc:
        raise cannot_start(
            "SN-H006",
            f"{stamp} cannot be read: {exc}",
            where=str(stamp),
            fix="restore the directory from a backup",
        ) from exc


def _former(path: Path) -> tuple[Identity, int]:
    """Return whose a directory is, and its format, which this version can convert or has itself."""
    found = _read_stamp(path)
    if found is None:
        raise _not_usable(path, f"it has no {STAMP}")
    written = _format_of(found)
    if not OLDEST_DATA_FORMAT <= written <= DATA_FORMAT:
        raise _unknown_format(path, written)
    subnet_id, role, node_id = (str(found.get(name)) for name in ("subnet_id", "role", "node_id"))
    return Identity(subnet_id=subnet_id, role=role, node_id=node_id), written


def _format_of(stamp: dict[str, object]) -> int:
    """Return the format that a stamp names; -1, which no version reads, for what is no number."""
    written = stamp.get("format", _UNSTAMPED)
    return written if isinstance(written, int) else -1


def _unknown_format(path: Path, written: int) -> StartupError:
    known = f"format {DATA_FORMAT}"
    if written < DATA_FORMAT and OLDEST_DATA_FORMAT < DATA_FORMAT:
        known = f"formats {OLDEST_DATA_FORMAT} to {DATA_FORMAT}"
    return cannot_start(
        "SN-H005",
        f"{path} has data format {written}; this version reads {known}",
        where=str(path / STAMP),
        fix="run the version that wrote it, or restore a backup taken before the upgrade",
    )


def _write_stamp(path: Path, identity: Identity) -> None:
    """Stamp an empty directory."""
    others = sorted(entry.name for entry in path.iterdir() if entry.name not in _IGNORED)
    if others:
        raise cannot_start(
            "SN-H004",
            f"{path} is not empty and has no {STAMP}: it holds {', '.join(others[:5])}",
            where=str(path),
            fix="configure an empty directory for this process",
        )
    _put_stamp(path, identity)


def _put_stamp(path: Path, identity: Identity) -> None:
    """Write the stamp, of the owner of the directory; it appears whole or not at all."""
    partial = path / (STAMP + ".partial")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump({"format": DATA_FORMAT, **asdict(identity)}, file)
            file.flush()
            os.fsync(file.fileno())
        owner = path.stat()
        if os.geteuid() == 0 and owner.st_uid != 0:
            os.chown(partial, owner.st_uid, owner.st_gid)
        partial.replace(path / STAMP)
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
