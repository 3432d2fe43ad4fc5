"""A log file of bounded size: a process that writes into one begins a new one in time. Not what is written.

Whoever starts a process may let its output go to a file and say so in `LOG_FILE`. The process then renames that file
when it is full and lets its output, whatever writes it, go to a new one, without losing a line.
"""

import os
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import TextIO


class RotatingOutput:
    """A text stream over another one that writes into a file. Everything of the process that went there goes along."""

    def __init__(self, stream: TextIO, path: Path, *, max_bytes: int, keep: int) -> None:
        """Keep `keep` full files, `PATH.1` the newest of them. `stream` must write into `path`; see `open_output`."""
        self._stream = stream
        self._path = path
        self._max_bytes = max_bytes
        self._keep = keep
        self._lock = Lock()

    def write(self, text: str) -> int:
        """Write as the stream does."""
        return self._stream.write(text)

    def flush(self) -> None:
        """Flush, and begin a new file where this one is full; where the disk does not let us, go on in this one."""
        self._stream.flush()
        with self._lock, suppress(OSError):
            if os.fstat(self._stream.fileno()).st_size >= self._max_bytes:
                self._begin_new()

    def isatty(self) -> bool:
        """Say that this is no terminal."""
        return False

    def fileno(self) -> int:
        """Return the stream's descriptor."""
        return self._stream.fileno()

    def _begin_new(self) -> None:
        full = os.fstat(self._stream.fileno())
        self._shift()
        fresh = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            for descriptor in {1, 2, self._stream.fileno()}:
                with suppress(OSError):
                    if os.path.samestat(os.fstat(descriptor), full):
                        os.dup2(fresh, descriptor)
        finally:
            os.close(fresh)

    def _shift(self) -> None:
        for number in range(self._keep, 0, -1):
            newer = self._numbered(number - 1) if number > 1 else self._path
            with suppress(FileNotFoundError):
                newer.replace(self._numbered(number))
        if not self._keep:
            self._path.unlink(missing_ok=True)

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")


def open_output(stream: TextIO, path: Path, *, max_bytes: int, keep: int) -> RotatingOutput:
    """Return an output into this file: over `stream` where that writes into it already, else over the opened file."""
    with suppress(OSError):
        if os.path.samestat(os.fstat(stream.fileno()), path.stat()):
            return RotatingOutput(stream, path, max_bytes=max_bytes, keep=keep)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    opened = os.fdopen(descriptor, "a", encoding="utf-8")
    return RotatingOutput(opened, path, max_bytes=max_bytes, keep=keep)
