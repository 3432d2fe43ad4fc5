"""What applying one command gives back: an answer per item, and the facts. Values only."""

from dataclasses import dataclass
from enum import StrEnum

from pinai_subnet.validator.events import Event


class ReplyStatus(StrEnum):
    """What became of one item of a command."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    HELD = "held"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The answer for one item. `at_ms` is when it was first accepted, or the ledger's time if it never was."""

    status: ReplyStatus
    at_ms: int
    code: str = ""
    message: str = ""
    retryable: bool = False
    """Whether the same item may be accepted later."""

    @property
    def taken(self) -> bool:
        """Whether the ledger has the item: accepted now or before."""
        return self.status in (ReplyStatus.ACCEPTED, ReplyStatus.DUPLICATE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """The outcome of one command.

    `replies` has one entry per record, report or verdict in command order, and exactly one for every other command.
    A command that as a whole broke a rule also has a `CommandRefused` among its events. A command whose request id
    was seen before gets the replies of that time and no events but that refusal.
    """

    index: int
    replies: tuple[Reply, ...]
    events: tuple[Event, ...]
