"""The digest the CheckpointManager contract verifies (wire-contract 3.11). Not what validators sign for each other."""

from collections.abc import Sequence
from dataclasses import dataclass

from pinai_subnet.protocol.digests import ChainDomain, keccak256
from pinai_subnet.protocol.errors import InvalidInput
from pinai_subnet.protocol.ids import SubnetId, bytes32
from pinai_subnet.protocol.words import address_word, hash32, hash32_or_zero, uint_word

CHECKPOINT_TYPE = (
    "PIN_CHECKPOINT_V1(bytes32,uint64,bytes32,uint256,uint32,bytes32,bytes32,bytes32,bytes32,bytes32,"
    "bytes32,bytes32,bytes32,bytes32,address,uint256)"
)
CHECKPOINT_TYPEHASH = keccak256(CHECKPOINT_TYPE.encode())
ROOT_COUNT = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class DataCommitment:
    """Where the data behind a checkpoint is kept."""

    kind: str
    pointer: str
    size_hint: int
    segment_hashes: tuple[bytes, ...]
    expiry: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractCheckpoint:
    """A checkpoint in the contract's terms. A hash is 32 bytes or empty, and empty counts as zeros."""

    subnet_id: SubnetId
    epoch: int
    timestamp: int
    roots: tuple[bytes, ...]
    """Eight: agent, agent_service, rank, metrics, data_usage, state, event, cross_subnet."""
    parent_hash: bytes = b""
    version: int = 1
    params_hash: bytes = b""
    data_commitments: tuple[DataCommitment, ...] = ()
    slot: int = 0
    stats: bytes = b""
    aux_hash: bytes = b""
    assignments_root: bytes = b""
    validation_commitment: bytes = b""
    policy_root: bytes = b""


def contract_checkpoint_digest(checkpoint: ContractCheckpoint, domain: ChainDomain) -> bytes:
    """Return the digest before EIP-191; raise `InvalidInput` for anything malformed."""
    return keccak256(
        CHECKPOINT_TYPEHASH
        + bytes32(checkpoint.subnet_id, "subnet_id")
        + uint_word(checkpoint.epoch, 64, "epoch")
        + hash32_or_zero(checkpoint.parent_hash, "parent_hash")
        + uint_word(checkpoint.timestamp, 256, "timestamp")
        + uint_word(checkpoint.version, 32, "version")
        + hash32_or_zero(checkpoint.params_hash, "params_hash")
        + roots_hash(checkpoint.roots)
        + da_hash(checkpoint.data_commitments)
        + epoch_slot_hash(checkpoint.epoch, checkpoint.slot)
        + keccak256(checkpoint.stats)
        + hash32_or_zero(checkpoint.aux_hash, "aux_hash")
        + hash32_or_zero(checkpoint.assignments_root, "assignments_root")
        + hash32_or_zero(checkpoint.validation_commitment, "validation_commitment")
        + hash32_or_zero(checkpoint.policy_root, "policy_root")
        + address_word(domain.checkpoint_manager, "checkpoint_manager")
        + uint_word(domain.chain_id, 256, "chain_id")
    )


def roots_hash(roots: Sequence[bytes]) -> bytes:
    """Return the hash of the eight roots in the contract's order; raise `InvalidInput` SN-N115 for another count."""
    if len(roots) != ROOT_COUNT:
        raise InvalidInput("SN-N115", f"roots: expected {ROOT_COUNT} hashes, got {len(roots)}")
    return keccak256(b"".join(hash32_or_zero(root, "root") for root in roots))


def da_hash(commitments: Sequence[DataCommitment]) -> bytes:
    """Return keccak256 of `abi.encode` of the commitments: (string, string, uint256, bytes32[], uint256)[]."""
    return keccak256(
        uint_word(0x20, 256, "offset") + _dynamic_array([_abi_tuple(one) for one in commitments])
    )


def epoch_slot_hash(epoch: int, slot: int) -> bytes:
    """Return the hash of epoch and slot, a word each."""
    return keccak256(uint_word(epoch, 256, "epoch") + uint_word(slot, 256, "slot"))


def _abi_tuple(commitment: DataCommitment) -> bytes:
    kind = _abi_bytes(commitment.kind.encode())
    pointer = _abi_bytes(commitment.pointer.encode())
    segments = uint_word(len(commitment.segment_hashes), 256, "segment_hashes") + b"".join(
        hash32(one, "segment_hash") for one in commitment.segment_hashes
    )
    head = 5 * 32
    return (
        uint_word(head, 256, "offset")
        + uint_word(head + len(kind), 256, "offset")
        + uint_word(commitment.size_hint, 256, "size_hint")
        + uint_word(head + len(kind) + len(pointer), 256, "offset")
        + uint_word(commitment.expiry, 256, "expiry")
        + kind
        + pointer
        + segments
    )


def _abi_bytes(data: bytes) -> bytes:
    return uint_word(len(data), 256, "length") + data + bytes(-len(data) % 32)


def _dynamic_array(elements: Sequence[bytes]) -> bytes:
    offsets = []
    position = 32 * len(elements)
    for element in elements:
        offsets.append(uint_word(position, 256, "offset"))
        position += len(element)
    return uint_word(len(elements), 256, "length") + b"".join(offsets) + b"".join(elements)
