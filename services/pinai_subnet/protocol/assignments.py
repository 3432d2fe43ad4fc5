"""An assignment: who does an intent, signed by the matcher; and the record of it that validators keep."""

from dataclasses import dataclass
from enum import IntEnum

from pinai_subnet.protocol.ids import Address, AgentId, AssignmentId, BidId, IntentId


class AssignmentStatus(IntEnum):
    """RootLayer's view of an assignment, numbered as on the wire."""

    UNSPECIFIED = 0
    ACTIVE = 1
    FAILED = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """The part RootLayer and the chain know. `signature`: 65 bytes, EIP-191, over the digest of wire-contract 3.6."""

    assignment_id: AssignmentId
    intent_id: IntentId
    bid_id: BidId
    agent_address: Address
    status: AssignmentStatus
    matcher: Address
    signature: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignmentRecord:
    """The assignment plus what validators need to judge a report of it. Times are unix seconds.

    `record_signature` is the matcher's signature over `record_digest` (below), which covers every field here.
    """

    assignment: Assignment
    agent_id: AgentId
    intent_type: str
    assigned_at: int
    deadline: int
    attempt: int
    """1 for the winner, 2 and more for runners-up."""
    intent_params_hash: bytes
    record_signature: bytes
