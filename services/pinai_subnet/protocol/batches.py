"""One settled result as the chain sees it. A value only; its hash is in `digests`, its order is the seal's."""

from dataclasses import dataclass

from pinai_subnet.protocol.ids import Address, AssignmentId, IntentId


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchItem:
    """One item of a validation batch (wire-contract 3.7)."""

    intent_id: IntentId
    assignment_id: AssignmentId
    agent: Address
    result_hash: bytes
    """32 bytes."""
    proof_hash: bytes
    """32 bytes."""
    executed_at: int
    """Unix seconds. Travels beside the signed words: the items hash does not cover it."""
