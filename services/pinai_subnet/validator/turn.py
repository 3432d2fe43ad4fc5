"""One command being applied: its time, its proposer, and what happened so far. Lives for one `Ledger.apply`."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from pinai_subnet.protocol.commitments import commitment
from pinai_subnet.protocol.errors import SubnetError
from pinai_subnet.protocol.ids import Address
from pinai_subnet.protocol.network import ValidatorIdentity
from pinai_subnet.validator.applied import Reply, ReplyStatus
from pinai_subnet.validator.events import Event

_DIGEST_TAG = b"pinai/ledger-step/1"


@dataclass(slots=True, kw_only=True)
class Turn:
    """Collects the facts of one command. Rules check first and change afterwards, so an error leaves no half change."""

    index: int
    now_ms: int
    """The ledger's time; only this ends anything."""
    at_ms: int
    """When the command counts as made: the proposer's own time, as far as it is believed."""
    proposer: ValidatorIdentity
    keys: tuple[Address, ...]
    """The addresses that speak for the proposer now: its key, and a former one while that is accepted."""
    events: list[Event] = field(default_factory=list)
    notes: list[bytes] = field(default_factory=list)

    def emit(self, event: Event, note: str, content: bytes = b"") -> None:
        """Add a fact; `note` and `content` say in the ledger's digest what exactly happened."""
        self.events.append(event)
        self.note(note, content)

    def note(self, text: str, content: bytes = b"") -> None:
        """Add to the ledger's digest something that is no event."""
        self.notes.append(text.encode())
        self.notes.append(content)

    def accepted(self) -> Reply:
        """Return the reply for what is taken now."""
        return Reply(status=ReplyStatus.ACCEPTED, at_ms=self.at_ms)

    def rejected(self, error: SubnetError) -> Reply:
        """Return the reply for what a rule refused."""
        return Reply(
            status=ReplyStatus.REJECTED,
            at_ms=self.at_ms,
            code=error.code,
            message=error.message,
            retryable=error.retryable,
        )


def duplicate(at_ms: int) -> Reply:
    """Return the reply for what was taken before, at that time."""
    return Reply(status=ReplyStatus.DUPLICATE, at_ms=at_ms)


def next_digest(
    previous: bytes, *, index: int, kind: str, notes: Iterable[bytes], replies: tuple[Reply, ...]
) -> bytes:
    """Return the ledger's digest after one more command."""
    return commitment(
        _DIGEST_TAG,
        previous,
        index.to_bytes(8, "big"),
        kind.encode(),
        *notes,
        *(f"{reply.status.value} {reply.code} {reply.at_ms}".encode() for reply in replies),
    )
