"""rootlayer.v1 `ValidationItem`, `ValidationBatchGroup` and `ValidationBundle` to values and back (wire-contract 2.1).

Form only: hashes are not recomputed and signatures not checked here.
"""

from google.protobuf.message import DecodeError

from pinai_subnet.ports.root_layer import SignedBatch
from pinai_subnet.protocol.batches import BatchItem
from pinai_subnet.protocol.errors import InvalidInput
from pinai_subnet.protocol.ids import (
    Address,
    AssignmentId,
    IntentId,
    SubnetId,
    bytes32,
    bytes32_hex,
    parse_address,
    parse_bytes32,
)
from pinai_subnet.wire.codec.fields import exact_bytes, signature_bytes, unix_seconds
from pinai_subnet.wire.pb.rootlayer import validation_pb2


def decode_item(message: validation_pb2.ValidationItem, where: str = "item") -> BatchItem:
    """Return one item; raise `InvalidInput` that names `where` and the field."""
    return BatchItem(
        intent_id=IntentId(parse_bytes32(message.intent_id, f"{where}.intent_id")),
        assignment_id=AssignmentId(parse_bytes32(message.assignment_id, f"{where}.assignment_id")),
        agent=parse_address(message.agent_id, f"{where}.agent_id"),
        result_hash=exact_bytes(message.result_hash, 32, f"{where}.result_hash"),
        proof_hash=exact_bytes(message.proof_hash, 32, f"{where}.proof_hash"),
        executed_at=unix_seconds(message.executed_at, f"{where}.executed_at"),
    )


def encode_item(item: BatchItem) -> validation_pb2.ValidationItem:
    """Return the message."""
    return validation_pb2.ValidationItem(
        intent_id=item.intent_id,
        assignment_id=item.assignment_id,
        agent_id=item.agent,
        executed_at=item.executed_at,
        result_hash=item.result_hash,
        proof_hash=item.proof_hash,
    )


def decode_group(message: validation_pb2.ValidationBatchGroup) -> SignedBatch:
    """Return the signed batch; raise `InvalidInput`, also for a batch without items."""
    if not message.items:
        raise InvalidInput("SN-S030", "items: none; a batch has at least one")
    return SignedBatch(
        subnet_id=SubnetId(parse_bytes32(message.subnet_id, "subnet_id")),
        epoch=message.root_height,
        root_hash=bytes32(message.root_hash, "root_hash"),
        aggregator_id=message.aggregator_id,
        completed_at=unix_seconds(message.completed_at, "completed_at"),
        signatures=tuple(
            _decode_signature(entry, f"signatures[{index}]")
            for index, entry in enumerate(message.signatures)
        ),
        signer_bitmap=message.signer_bitmap,
        total_weight=message.total_weight,
        items=tuple(
            decode_item(item, f"items[{index}]") for index, item in enumerate(message.items)
        ),
        items_hash=exact_bytes(message.items_hash, 32, "items_hash"),
    )


def encode_group(batch: SignedBatch) -> validation_pb2.ValidationBatchGroup:
    """Return the message; the items keep their order."""
    return validation_pb2.ValidationBatchGroup(
        subnet_id=batch.subnet_id,
        root_height=batch.epoch,
        root_hash=bytes32_hex(batch.root_hash),
        aggregator_id=batch.aggregator_id,
        completed_at=batch.completed_at,
        signatures=[
            validation_pb2.ValidationSignature(validator=validator, signature=signature)
            for validator, signature in batch.signatures
        ],
        signer_bitmap=batch.signer_bitmap,
        total_weight=batch.total_weight,
        items=[encode_item(item) for item in batch.items],
        items_hash=batch.items_hash,
    )


def decode_bundle(message: validation_pb2.ValidationBundle) -> SignedBatch:
    """Return the older one-item form as a batch with an empty items hash; raise `InvalidInput`.

    Its signatures cover `digests.single_validation_digest`, not the batch digest.
    """
    item = validation_pb2.ValidationItem(
        intent_id=message.intent_id,
        assignment_id=message.assignment_id,
        agent_id=message.agent_id,
        executed_at=message.executed_at,
        result_hash=message.result_hash,
        proof_hash=message.proof_hash,
    )
    return SignedBatch(
        subnet_id=SubnetId(parse_bytes32(message.subnet_id, "subnet_id")),
        epoch=message.root_height,
        root_hash=bytes32(message.root_hash, "root_hash"),
        aggregator_id=message.aggregator_id,
        completed_at=unix_seconds(message.completed_at, "completed_at"),
        signatures=tuple(
            _decode_signature(entry, f"signatures[{index}]")
            for index, entry in enumerate(message.signatures)
        ),
        signer_bitmap=message.signer_bitmap,
        total_weight=message.total_weight,
        items=(decode_item(item, "bundle"),),
        items_hash=b"",
    )


def batch_to_bytes(batch: SignedBatch) -> bytes:
    """Return the batch for storage, deterministic for equal values."""
    return encode_group(batch).SerializeToString(deterministic=True)


def batch_from_bytes(data: bytes) -> SignedBatch:
    """Return what `batch_to_bytes` stored; raise `InvalidInput` SN-S030 for anything else."""
    try:
        return decode_group(validation_pb2.ValidationBatchGroup.FromString(data))
    except DecodeError as exc:
        raise InvalidInput("SN-S030", f"not a stored batch: {exc}") from exc


def _decode_signature(
    message: validation_pb2.ValidationSignature, where: str
) -> tuple[Address, bytes]:
    return (
        parse_address(message.validator, f"{where}.validator"),
        signature_bytes(message.signature, f"{where}.signature"),
    )
