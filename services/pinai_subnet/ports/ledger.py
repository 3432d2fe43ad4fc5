"""The validators' ledger as the matcher needs it: assignments go in, outcomes come out."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from pinai_subnet.protocol.assignments import AssignmentRecord
from pinai_subnet.protocol.ids import Address, AgentId, AssignmentId, IntentId


class OutcomeKind(IntEnum):
    """What happened to an assignment, numbered as on the wire."""

    REPORTED = 1
    VERIFIED = 2
    REJECTED = 3
    SEALED = 4
    FINAL = 5
    SETTLED = 6
    EXPIRED = 7
    SETTLEMENT_REFUSED = 8
    RESYNC = 9
    """Older outcomes are no longer kept: there is a gap before the next one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordAnswer:
    """What became of one record. `code` and `message` are empty when it was accepted."""

    assignment_id: AssignmentId
    accepted: bool
    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One committed step of an assignment. Ids are empty texts and the address None for `RESYNC`."""

    sequence: int
    intent_id: IntentId
    assignment_id: AssignmentId
    agent_id: AgentId
    agent_address: Address | None
    kind: OutcomeKind
    code: str
    reason: str
    at_ms: int
    epoch: int


class Ledger(Protocol):
    """Any validator will do: an implementation tries the others when one does not answer.

    Calls raise `Unreachable` (retry later, outcome unknown) or `Refused` (final). Cancelling a call is safe.
    """

    async def record_assignments(
        self, records: Sequence[AssignmentRecord], *, request_id: str
    ) -> Sequence[RecordAnswer]:
        """Return one answer per record, in order, once a majority of the validators holds the accepted ones durably.

        Repeating a record is harmless and gives the same answer.
        """
        ...

    def watch_outcomes(
        self, after: int, opened: Callable[[], None] | None = None
    ) -> AsyncIterator[Outcome]:
        """Yield every outcome after a sequence number, in order, then live ones; at least once.

        `opened` is called when the other side has taken the call, which may be long before the first outcome.
        Ends or raises `Unreachable` when the stream breaks; call again with the last sequence seen.
        """
        ...

    async def close(self) -> None:
        """Close the connections; safe to call twice."""
        ...
