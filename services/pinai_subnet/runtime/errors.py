"""The process cannot start, or a local resource is exhausted. Not what the network refuses, not a failed dependency."""

from collections.abc import Sequence
from dataclasses import dataclass

EXIT_OK = 0
EXIT_FAILURE = 1
EXIT_CONFIG = 78
"""`EX_CONFIG` of sysexits.h: restarting without a change will not help."""
EXIT_INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class StartupProblem:
    """One reason why a process cannot start, complete enough to be fixed without reading code.

    `message` says what is wrong, with the value seen (never a secret) and what was expected; `where` is a
    file and line, a variable or a path; `fix` is one concrete action.
    """

    code: str
    message: str
    where: str | None
    fix: str

    def __str__(self) -> str:
        """Return the problem on one line."""
        place = f"{self.where}: " if self.where else ""
        return f"{self.code} {place}{self.message} (fix: {self.fix})"

    def block(self) -> str:
        """Return the problem as the block an operator reads on stderr."""
        lines = [f"{self.code} {self.message}"]
        if self.where:
            lines.append(f"  where: {self.where}")
        lines.append(f"  fix:   {self.fix}")
        return "\n".join(lines)


class StartupError(Exception):
    """Everything that keeps a process from starting, reported at once; the process exits with status 78."""

    exit_code = EXIT_CONFIG

    def __init__(self, problems: Sequence[StartupProblem]) -> None:
        """Keep the problems in the order in which they were found; at least one is required."""
        if not problems:
            raise ValueError("a StartupError needs at least one problem")
        self.problems = tuple(problems)
        super().__init__("; ".join(str(problem) for problem in self.problems))

    def report(self) -> str:
        """Return all problems, one block each, as printed on stderr."""
        return "\n\n".join(problem.block() for problem in self.problems)


def cannot_start(code: str, message: str, *, where: str | None, fix: str) -> StartupError:
    """Return a `StartupError` with this one problem."""
    return StartupError([StartupProblem(code, message, where, fix)])


class ResourceBusy(Exception):
    """A bounded local queue or the disk is full; the caller may try again later. `code` is a catalogue code."""

    def __init__(self, code: str, message: str) -> None:
        """Keep the catalogue code and the message."""
        super().__init__(message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        """Return `CODE message`."""
        return f"{self.code} {self.message}"


class NoRoom(ResourceBusy):
    """The disk had no room for a write: nothing of it is stored, and the same write may succeed later (SN-H011)."""


class StoredDataDamaged(Exception):
    """Stored data failed its check while the process ran; nothing of it is served as truth (SN-H006)."""

    def __init__(self, code: str, message: str) -> None:
        """Keep the catalogue code and the message."""
        super().__init__(message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        """Return `CODE message`."""
        return f"{self.code} {self.message}"
