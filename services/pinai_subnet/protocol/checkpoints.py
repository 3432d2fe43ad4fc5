"""Checkpoint headers: their published hashes and roots (wire-contract 3.5), and our own roots. Nothing signs here.

The published header hash covers the subnet, epoch, time, parent and three roots, but neither version, set, parameters
nor the other commitments (known defect S8). We keep it, since it is what the network signs, and let `state_root` carry
the rest: `commitment_state_root` folds every other field and the ledger's digest into that one covered root.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from pinai_subnet.protocol.ids import ZERO_BYTES32, SubnetId
from pinai_subnet.protocol.words import big_endian, hash32, hash32_or_zero

_HEADER_FORMAT = 1
_COMMITMENT_TAG = b"pinai/checkpoint-commitment/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The checkpoint of one epoch. A hash is 32 bytes or empty, and empty counts as zeros."""

    subnet_id: SubnetId
    epoch: int
    timestamp: int
    """Unix seconds."""
    parent_hash: bytes = b""
    """`parent_hash` of the epoch before; empty for the first."""
    state_root: bytes = b""
    """`commitment_state_root` of this header."""
    agent_root: bytes = b""
    event_root: bytes = b""
    validator_set_id: str = ""
    params_hash: bytes = b""
    assignments_root: bytes = b""
    validation_commitment: bytes = b""
    policy_root: bytes = b""
    aux_hash: bytes = b""
    version: int = 1


def header_hash(header: Header) -> bytes:
    """Return what validators sign for a header, plainly; raise `InvalidInput` SN-N115 for a hash of wrong length."""
    subnet_id = header.subnet_id.encode()
    return sha256(
        big_endian(_HEADER_FORMAT, 32, "format")
        + big_endian(header.epoch, 64, "epoch")
        + _prefixed(subnet_id)
        + big_endian(header.timestamp, 64, "timestamp")
        + hash32_or_zero(header.parent_hash, "parent_hash")
        + hash32_or_zero(header.state_root, "state_root")
        + hash32_or_zero(header.agent_root, "agent_root")
        + hash32_or_zero(header.event_root, "event_root")
    ).digest()


def parent_hash(
    header_digest: bytes, signatures: Iterable[bytes] | None = None, signers_bitmap: bytes = b""
) -> bytes:
    """Return the next header's `parent_hash` for a header hash and, unless None, its signatures.

    Without signatures it depends on the header alone, so every validator computes the same.
    """
    hashed = sha256(hash32(header_digest, "header_hash"))
    if signatures is not None:
        ordered = sorted(signatures)
        hashed.update(big_endian(len(ordered), 32, "signatures") + b"".join(ordered))
        if signers_bitmap:
            hashed.update(_prefixed(signers_bitmap))
    return hashed.digest()


def commitment_state_root(header: Header, *, ledger_digest: bytes) -> bytes:
    """Return the `state_root` that covers the ledger and all fields of `header` that `header_hash` leaves out.

    The `state_root` already in the header is not read. A domain tag and length prefixes make the encoding injective.
    """
    parts = (
        big_endian(header.version, 32, "version"),
        hash32_or_zero(header.params_hash, "params_hash"),
        header.validator_set_id.encode(),
        hash32_or_zero(header.aux_hash, "aux_hash"),
        hash32_or_zero(header.assignments_root, "assignments_root"),
        hash32_or_zero(header.validation_commitment, "validation_commitment"),
        hash32_or_zero(header.policy_root, "policy_root"),
        hash32(ledger_digest, "ledger_digest"),
    )
    return sha256(_COMMITMENT_TAG + b"".join(map(_prefixed, parts))).digest()


def tagged_merkle_root(leaves: Sequence[bytes]) -> bytes:
    """Return the Merkle tree hash of RFC 6962 section 2.1 over leaves of any length: the tree of all our own roots.

    Leaves and nodes hash under different tags and an odd node rises unpaired, so no two lists share a root (S9).
    """
    level = [sha256(b"\x00" + leaf).digest() for leaf in leaves]
    if not level:
        return sha256(b"").digest()
    while len(level) > 1:
        odd = level[-1:] if len(level) % 2 else []
        level = [
            sha256(b"\x01" + left + right).digest()
            for left, right in zip(level[::2], level[1::2], strict=False)
        ] + odd
    return level[0]


def published_merkle_root(leaves: Sequence[bytes]) -> bytes:
    """Return the root of 32-byte leaves by the published rule: untagged, odd node paired with itself, none is zeros."""
    level = [hash32(leaf, "leaf") for leaf in leaves]
    if not level:
        return ZERO_BYTES32
    while len(level) > 1:
        if len(level) % 2:
            level.append(level[-1])
        level = [
            sha256(left + right).digest()
            for left, right in zip(level[::2], level[1::2], strict=True)
        ]
    return level[0]


def published_state_root(validators: Iterable[tuple[str, int]]) -> bytes:
    """Return the published state root of (validator id, weight) pairs in configured order."""
    return published_merkle_root(
        [
            sha256(name.encode() + big_endian(weight, 64, "weight")).digest()
            for name, weight in validators
        ]
    )


def published_event_root(reports: Iterable[tuple[str, str, str, int]]) -> bytes:
    """Return the published event root of (assignment id, intent id, agent id, timestamp) reports, in that order."""
    return published_merkle_root(
        [
            sha256(
                (assignment_id + intent_id + agent_id).encode()
                + big_endian(timestamp, 64, "timestamp")
            ).digest()
            for assignment_id, intent_id, agent_id, timestamp in reports
        ]
    )


def _prefixed(data: bytes) -> bytes:
    return big_endian(len(data), 32, "length") + data
