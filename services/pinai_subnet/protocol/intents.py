"""An intent: a task with a budget and a deadline, signed by its requester. Values only; the auction is elsewhere."""

from dataclasses import dataclass
from enum import IntEnum

from pinai_subnet.protocol.ids import Address, IntentId, SubnetId


class IntentStatus(IntEnum):
    """RootLayer's view of an intent, numbered as on the wire (wire-contract 2.1)."""

    UNSPECIFIED = 0
    PENDING = 1
    CHAINED = 2
    PROCESSING = 3
    COMPLETED = 4
    EXPIRED = 5
    FAILED = 6

    @property
    def terminal(self) -> bool:
        """Whether nothing can happen to the intent any more."""
        return self in (IntentStatus.COMPLETED, IntentStatus.EXPIRED, IntentStatus.FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """One intent as RootLayer holds it. Times are unix seconds, amounts are in the token's smallest unit."""

    intent_id: IntentId
    subnet_id: SubnetId
    requester: Address
    settle_chain: str
    intent_type: str
    intent_raw: bytes
    """Opaque payload; the agent receives exactly these bytes."""
    metadata: bytes
    params_hash: bytes
    """keccak256 of intent_raw followed by metadata, 32 bytes."""
    tips_token: Address
    tips: int
    budget_token: Address
    budget: int
    deadline: int
    """When the work must be finished."""
    intent_expiration: int
    """When the intent may no longer be assigned; 0 means at the deadline."""
    status: IntentStatus
    created_at: int
    signature: bytes
    """65 bytes over the EIP-191 wrapped intent digest (wire-contract 3.4)."""
