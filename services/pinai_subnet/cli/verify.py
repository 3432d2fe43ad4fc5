"""Checks a settled batch from its published data alone, with Ethereum's own libraries instead of this network's code.

Nothing of `pinai_subnet.protocol` is used on purpose: an error there must not be able to hide here.
"""

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eth_abi.abi import encode
from eth_account import Account
from eth_account.messages import encode_defunct
from eth_utils.crypto import keccak

BATCH_TYPE = b"PIN_VALIDATION_BATCH_V1(bytes32,bytes32,uint64,bytes32,address,uint256)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One settled result as published."""

    intent_id: str
    assignment_id: str
    agent: str
    result_hash: bytes
    proof_hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedBatch:
    """A batch as RootLayer publishes it."""

    subnet_id: str
    epoch: int
    root_hash: str
    items_hash: bytes
    items: Sequence[Item]
    signatures: Sequence[tuple[str, bytes]]
    """Claimed signer address and signature."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What an independent look at a batch found; `problems` is empty where everything holds."""

    digest: bytes
    signers: tuple[str, ...]
    required: int
    problems: tuple[str, ...]


def _raw(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


def items_hash(items: Iterable[Item]) -> bytes:
    """Recompute keccak256(abi.encode(items))."""
    rows = [
        (
            _raw(item.intent_id),
            _raw(item.assignment_id),
            item.agent,
            item.result_hash,
            item.proof_hash,
        )
        for item in items
    ]
    return keccak(encode(["(bytes32,bytes32,address,bytes32,bytes32)[]"], [rows]))


def batch_digest(batch: PublishedBatch, *, intent_manager: str, chain_id: int) -> bytes:
    """Recompute the digest that validators sign, before its EIP-191 prefix."""
    return keccak(
        encode(
            ["bytes32", "bytes32", "bytes32", "uint64", "bytes32", "address", "uint256"],
            [
                keccak(BATCH_TYPE),
                _raw(batch.subnet_id),
                items_hash(batch.items),
                batch.epoch,
                _raw(batch.root_hash),
                intent_manager,
                chain_id,
            ],
        )
    )


def verify_batch(
    batch: PublishedBatch,
    *,
    members: Mapping[str, str],
    required: int,
    intent_manager: str,
    chain_id: int,
) -> Finding:
    """Recompute every digest and recover every signer; `members` maps validator address to name."""
    problems = []
    if items_hash(batch.items) != batch.items_hash:
        problems.append("items_hash does not match the items")
    digest = batch_digest(batch, intent_manager=intent_manager, chain_id=chain_id)
    signers: list[str] = []
    for claimed, signature in batch.signatures:
        recovered = Account.recover_message(encode_defunct(primitive=digest), signature=signature)
        if recovered != claimed:
            problems.append(f"a signature said to be of {claimed} is of {recovered}")
        elif recovered not in members:
            problems.append(f"{recovered} signed but is no validator")
        elif recovered in signers:
            problems.append(f"{members[recovered]} signed twice")
        else:
            signers.append(recovered)
    if len(signers) < required:
        problems.append(f"{len(signers)} valid signatures, {required} are required")
    return Finding(
        digest=digest, signers=tuple(signers), required=required, problems=tuple(problems)
    )


def published_batch(data: Mapping[str, Any]) -> PublishedBatch:
    """Read the group that RootLayer publishes at `/api/v1/batches/{epoch}` (proto3 JSON, bytes in base64)."""
    group = data["group"]
    return PublishedBatch(
        subnet_id=group["subnetId"],
        epoch=int(group["rootHeight"]),
        root_hash=group["rootHash"],
        items_hash=base64.b64decode(group["itemsHash"]),
        items=[
            Item(
                intent_id=item["intentId"],
                assignment_id=item["assignmentId"],
                agent=item["agentId"],
                result_hash=base64.b64decode(item["resultHash"]),
                proof_hash=base64.b64decode(item["proofHash"]),
            )
            for item in group["items"]
        ],
        signatures=[
            (entry["validator"], base64.b64decode(entry["signature"]))
            for entry in group["signatures"]
        ],
    )
