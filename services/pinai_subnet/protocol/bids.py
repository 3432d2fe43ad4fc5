"""A bid: an agent's offer for one intent. Values only; admission and ranking live in the matcher."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from pinai_subnet.protocol.ids import Address, AgentId, BidId, IntentId


class BidStatus(IntEnum):
    """What became of a bid, numbered as on the wire."""

    UNSPECIFIED = 0
    SUBMITTED = 1
    ACCEPTED = 2
    REJECTED = 3
    WINNER = 4
    RUNNER_UP = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Bid:
    """One sealed offer. `price` is in the budget unit; `submitted_at` is the agent's claim, unix seconds."""

    bid_id: BidId
    intent_id: IntentId
    agent_id: AgentId
    """The agent's name, free text of safe characters."""
    agent_address: Address
    """The chain address that is paid and that the assignment names."""
    price: int
    token: str
    settle_chain: str
    submitted_at: int
    received_at_ms: int
    """When this matcher took it, unix milliseconds."""
    nonce: str
    metadata: Mapping[str, str]
