"""An assignment: who does an intent, signed by the matcher; and the record of it that validators keep.

`record_digest` is what the matcher signs, plainly, for the validators. The chain's own digest is in `digests`.
"""

from dataclasses import dataclass
from enum import IntEnum

from pinai_subnet.protocol.commitments import commitment, number, texts
from pinai_subnet.protocol.ids import (
    Address,
    AgentId,
    AssignmentId,
    BidId,
    IntentId,
    SubnetId,
    address_bytes,
    bytes32,
)

_RECORD_TAG = b"pinai/assignment-record/1"


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


def record_digest(record: AssignmentRecord, *, subnet_id: SubnetId) -> bytes:
    """Return the digest of every field but `record_signature`; the matcher signs it plainly, v 27 or 28.

    It names the subnet, so that a record cannot be replayed in another one. Raises `InvalidInput` SN-N101, SN-N102 or
    SN-N116 for a malformed id, address or number.
    """
    assignment = record.assignment
    return commitment(
        _RECORD_TAG,
        bytes32(subnet_id, "subnet_id"),
        bytes32(assignment.assignment_id, "assignment_id"),
        bytes32(assignment.intent_id, "intent_id"),
        bytes32(assignment.bid_id, "bid_id"),
        address_bytes(assignment.agent_address, "agent_address"),
        number(assignment.status, "status"),
        address_bytes(assignment.matcher, "matcher"),
        assignment.signature,
        *texts(record.agent_id, record.intent_type),
        number(record.assigned_at, "assigned_at"),
        number(record.deadline, "deadline"),
        number(record.attempt, "attempt"),
        record.intent_params_hash,
    )
