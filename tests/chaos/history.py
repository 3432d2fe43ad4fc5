"""What clients asked and what they were told, each with the times of both. Pure values; nothing is judged here."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from math import inf


class Kind(Enum):
    """What was asked."""

    RECORD = "record"
    """The matcher tells of an assignment."""
    REPORT = "report"
    """An agent reports on it."""


class Outcome(Enum):
    """What was answered."""

    RECORDED = "recorded"
    ACCEPTED = "accepted"
    """The report is the assignment's first."""
    DUPLICATE = "duplicate"
    """Another report was first; the receipt names it."""
    UNASSIGNED = "unassigned"
    """The assignment is not known."""
    REFUSED = "refused"
    """Not taken, for a reason that says nothing about the state."""
    UNKNOWN = "unknown"
    """No answer, or one that promises nothing: it may happen at any later time, or never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One call about one assignment. Times are seconds of one monotonic clock."""

    key: str
    """The assignment."""
    kind: Kind
    outcome: Outcome
    invoked: float
    returned: float
    """Infinite where the outcome is unknown."""
    value: str = ""
    """The id of the report that was sent."""
    seen: str = ""
    """The id of the report in the receipt."""
    client: str = ""
    validator: str = ""
    code: str = ""

    def __str__(self) -> str:
        """Return one line for people."""
        until = "…" if self.returned == inf else f"{self.returned:.3f}"
        value = f" {self.value.rpartition(':')[2]}" if self.value else ""
        seen = f" of {self.seen.rpartition(':')[2]}" if self.seen else ""
        code = f" {self.code}" if self.code else ""
        return (
            f"{self.invoked:.3f}-{until} {self.client}->{self.validator} "
            f"{self.kind.value}{value}: {self.outcome.value}{seen}{code}"
        )


def acknowledged(history: Iterable[Operation]) -> dict[str, set[str]]:
    """Return every assignment whose report some receipt promised, with the ids of all reports that were promised.

    More than one is a broken promise already: each of them has to be found.
    """
    promised: dict[str, set[str]] = {}
    for operation in history:
        if operation.outcome in (Outcome.ACCEPTED, Outcome.DUPLICATE):
            promised.setdefault(operation.key, set()).add(operation.seen)
    return promised


def next_acknowledged(history: Iterable[Operation], after: float) -> float | None:
    """Return the seconds from a moment to the first acknowledgement of a report that was sent after it."""
    times = [
        operation.returned - after
        for operation in history
        if operation.outcome is Outcome.ACCEPTED and operation.invoked >= after
    ]
    return min(times, default=None)
