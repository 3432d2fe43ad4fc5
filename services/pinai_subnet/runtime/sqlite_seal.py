"""What a clean stop left of a database file, to the last bit, so that the next start can tell. Not SQLite's own checks.

SQLite's pages carry no checksums: a flipped bit inside a value passes `quick_check`. So a clean stop writes a digest of
the whole file beside it, and the next start compares before it reads anything and removes the seal before it writes
anything. After a kill there is no seal, and SQLite's own checks must do.
"""

import hashlib
import os
from pathlib import Path

_LARGEST_BYTES = 1 << 30
"""Larger files are not sealed: reading them would hold up stops and starts."""


def seal_path(database: Path) -> Path:
    """Return where the seal of a database file is."""
    return database.with_name(database.name + ".seal")


def write_seal(database: Path) -> None:
    """Seal a closed database file; without effect for very large ones. Raises `OSError`."""
    if database.stat().st_size > _LARGEST_BYTES:
        return
    seal = seal_path(database)
    partial = seal.with_name(seal.name + ".partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(_digest(database) + "\n")
        file.flush()
        os.fsync(file.fileno())
    partial.replace(seal)


def broken_seal(database: Path) -> str | None:
    """Return what differs from the seal; None where the file is as it was left, or has no seal."""
    try:
        sealed = seal_path(database).read_text(encoding="ascii", errors="replace").strip()
    except FileNotFoundError:
        return None
    if sealed == _digest(database):
        return None
    return f"its content is not what the last clean stop left (see {seal_path(database).name})"


def remove_seal(database: Path) -> None:
    """Break the seal before the first write, durably. Raises `OSError`."""
    seal = seal_path(database)
    if not seal.exists():
        return
    seal.unlink()
    directory = os.open(database.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _digest(database: Path) -> str:
    with database.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()
