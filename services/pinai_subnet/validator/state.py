"""Everything the ledger must remember, and nothing that follows from it. A snapshot is exactly this.

Dictionaries are in log order, so equal histories give equal snapshots. Indexes over it are in `tables`.
"""

from dataclasses import dataclass, field

from pinai_subnet.protocol.ids import (
    ZERO_BYTES32,
    Address,
    AgentId,
    AssignmentId,
    IntentId,
    ValidatorId,
)
from pinai_subnet.validator.applied import Reply
from pinai_subnet.validator.records import (
    AssignmentState,
    DoubleSign,
    EpochState,
    HeldReport,
    ProposedChange,
    SetState,
    SettlementDispute,
    Stage,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptReplies:
    """What a request was answered, for a retry of it."""

    replies: tuple[Reply, ...]
    refused: tuple[str, str] | None = None
    """Code and message if the command as a whole was refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The latest step of one assignment, as the matcher is told of it."""

    sequence: int
    intent_id: IntentId
    assignment_id: AssignmentId
    agent_id: AgentId
    agent_address: Address
    stage: Stage
    code: str
    reason: str
    at_ms: int
    epoch: int | None


@dataclass(slots=True, kw_only=True)
class LedgerState:
    """The state itself; owned and changed by the ledger alone. Times are unix milliseconds."""

    index: int = 0
    """Log position of the last command."""
    now_ms: int = 0
    """The time that the clocks of a majority have reached; 0 until a majority has spoken."""
    clocks: dict[ValidatorId, int] = field(default_factory=dict)
    """The highest time that each member's commands carried, as it claimed."""
    digest: bytes = ZERO_BYTES32
    """Chain of digests over everything that happened."""
    sequence: int = 0
    """Last place taken in the outcome feed."""
    forgotten_sequence: int = 0
    """The highest place in the feed whose assignment is forgotten: a reader behind it has missed something."""
    assignments: dict[AssignmentId, AssignmentState] = field(default_factory=dict)
    held: dict[AssignmentId, list[HeldReport]] = field(default_factory=dict)
    epochs: dict[int, EpochState] = field(default_factory=dict)
    last_epoch: int = 0
    last_header_hash: bytes = b""
    last_timestamp: int = 0
    sealed_intents: dict[IntentId, int] = field(default_factory=dict)
    """The epoch of each intent that was ever sealed, also after its assignment is forgotten."""
    double_signs: list[DoubleSign] = field(default_factory=list)
    settlement_disputes: list[SettlementDispute] = field(default_factory=list)
    requests: dict[str, KeptReplies] = field(default_factory=dict)
    kept_replies: int = 0
    sets: list[SetState] = field(default_factory=list)
    """The sets after the first, oldest first."""
    proposed: ProposedChange | None = None
    tombstones: dict[Address, int] = field(default_factory=dict)
    """Keys that were a validator's, and the epoch from which they count for nothing."""
