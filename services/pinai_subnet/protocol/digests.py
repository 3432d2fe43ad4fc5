"""The digests that requesters, matchers and validators sign for the chain (wire-contract 3.1 to 3.7). No keys here.

Each is keccak256 over ABI words: a type hash, the fields, the verifying contract and the chain id. The digest is
returned bare; `eip191` wraps it into what is signed. Ids are canonical texts, hashes are 32 raw bytes, and anything
malformed raises `InvalidInput` instead of being padded or cut (known defect S15).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from eth_hash.auto import keccak

from pinai_subnet.protocol.batches import BatchItem
from pinai_subnet.protocol.ids import Address, AssignmentId, BidId, IntentId, SubnetId, bytes32
from pinai_subnet.protocol.words import address_word, hash32, uint_word

INTENT_TYPE = (
    "PIN_INTENT_V1(bytes32,bytes32,address,bytes32,bytes32,uint256,address,uint256,address,uint256)"
)
ASSIGNMENT_TYPE = "PIN_ASSIGNMENT_V1(bytes32,bytes32,bytes32,address,uint8,address,address,uint256)"
VALIDATION_TYPE = "PIN_VALIDATION_V1(bytes32,bytes32,bytes32,address,bytes32,bytes32,uint64,bytes32,address,uint256)"
VALIDATION_BATCH_TYPE = "PIN_VALIDATION_BATCH_V1(bytes32,bytes32,uint64,bytes32,address,uint256)"

_EIP191_PREFIX = b"\x19Ethereum Signed Message:\n32"


def keccak256(data: bytes) -> bytes:
    """Return the 32-byte Keccak-256 of `data` (the original padding, not NIST SHA-3)."""
    return bytes(keccak(data))


INTENT_TYPEHASH = keccak256(INTENT_TYPE.encode())
ASSIGNMENT_TYPEHASH = keccak256(ASSIGNMENT_TYPE.encode())
VALIDATION_TYPEHASH = keccak256(VALIDATION_TYPE.encode())
VALIDATION_BATCH_TYPEHASH = keccak256(VALIDATION_BATCH_TYPE.encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainDomain:
    """Which chain and which contracts a digest is meant for. There is no default: a digest names its verifier."""

    chain_id: int
    intent_manager: Address
    checkpoint_manager: Address


def eip191(digest: bytes) -> bytes:
    """Return the EIP-191 personal-message hash of a 32-byte digest: what is signed for the chain."""
    return keccak256(_EIP191_PREFIX + hash32(digest, "digest"))


def params_hash(intent_raw: bytes, metadata: bytes) -> bytes:
    """Return the hash of an intent's parameters. The boundary between the two parts is not covered (S17)."""
    return keccak256(intent_raw + metadata)


def intent_digest(
    *,
    intent_id: IntentId,
    subnet_id: SubnetId,
    requester: Address,
    intent_type: str,
    params_hash: bytes,
    deadline: int,
    budget_token: Address,
    budget: int,
    domain: ChainDomain,
) -> bytes:
    """Return the digest a requester signs (wire-contract 3.4); `budget_token` zero is the native coin."""
    return keccak256(
        INTENT_TYPEHASH
        + bytes32(intent_id, "intent_id")
        + bytes32(subnet_id, "subnet_id")
        + address_word(requester, "requester")
        + keccak256(intent_type.encode())
        + hash32(params_hash, "params_hash")
        + uint_word(deadline, 256, "deadline")
        + address_word(budget_token, "budget_token")
        + uint_word(budget, 256, "budget")
        + _verifier(domain)
    )


def assignment_digest(
    *,
    assignment_id: AssignmentId,
    intent_id: IntentId,
    bid_id: BidId,
    agent: Address,
    status: int,
    matcher: Address,
    domain: ChainDomain,
) -> bytes:
    """Return the digest a matcher signs (wire-contract 3.6); `status` is numbered as on the wire, 1 is active."""
    return keccak256(
        ASSIGNMENT_TYPEHASH
        + bytes32(assignment_id, "assignment_id")
        + bytes32(intent_id, "intent_id")
        + bytes32(bid_id, "bid_id")
        + address_word(agent, "agent")
        + uint_word(status, 8, "status")
        + address_word(matcher, "matcher")
        + _verifier(domain)
    )


def items_hash(items: Sequence[BatchItem]) -> bytes:
    """Return keccak256 of `abi.encode` of the items; the order counts (wire-contract 3.7)."""
    words = [uint_word(0x20, 256, "offset"), uint_word(len(items), 256, "items")]
    for item in items:
        words += (
            bytes32(item.intent_id, "intent_id"),
            bytes32(item.assignment_id, "assignment_id"),
            address_word(item.agent, "agent"),
            hash32(item.result_hash, "result_hash"),
            hash32(item.proof_hash, "proof_hash"),
        )
    return keccak256(b"".join(words))


def batch_digest(
    *,
    subnet_id: SubnetId,
    items_hash: bytes,
    root_height: int,
    root_hash: bytes,
    domain: ChainDomain,
) -> bytes:
    """Return the digest every validator signs for one epoch; `root_height` is the epoch (wire-contract 3.7)."""
    return keccak256(
        VALIDATION_BATCH_TYPEHASH
        + bytes32(subnet_id, "subnet_id")
        + hash32(items_hash, "items_hash")
        + uint_word(root_height, 64, "root_height")
        + hash32(root_hash, "root_hash")
        + _verifier(domain)
    )


def single_validation_digest(
    item: BatchItem,
    *,
    subnet_id: SubnetId,
    root_height: int,
    root_hash: bytes,
    domain: ChainDomain,
) -> bytes:
    """Return the older digest over one item, which RootLayer's single-bundle call verifies (wire-contract 3.7)."""
    return keccak256(
        VALIDATION_TYPEHASH
        + bytes32(item.intent_id, "intent_id")
        + bytes32(item.assignment_id, "assignment_id")
        + bytes32(subnet_id, "subnet_id")
        + address_word(item.agent, "agent")
        + hash32(item.result_hash, "result_hash")
        + hash32(item.proof_hash, "proof_hash")
        + uint_word(root_height, 64, "root_height")
        + hash32(root_hash, "root_hash")
        + _verifier(domain)
    )


def _verifier(domain: ChainDomain) -> bytes:
    return address_word(domain.intent_manager, "intent_manager") + uint_word(
        domain.chain_id, 256, "chain_id"
    )
