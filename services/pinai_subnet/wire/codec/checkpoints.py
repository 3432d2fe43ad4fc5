"""subnet.v1 checkpoint headers, header signatures and the validator set to values and back. Checks form, not truth."""

from collections.abc import Sequence
from dataclasses import dataclass

from google.protobuf.message import DecodeError

from pinai_subnet.protocol.checkpoints import Header
from pinai_subnet.protocol.errors import InvalidInput
from pinai_subnet.protocol.ids import SubnetId, parse_bytes32
from pinai_subnet.protocol.network import NetworkParameters
from pinai_subnet.wire.pb.subnet import checkpoint_pb2, service_pb2, validator_pb2

ALGORITHM = "ecdsa-secp256k1"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureClaim:
    """A header signature that somebody handed in, as claimed; nothing about it is proven yet."""

    cp_hash: bytes
    """The header hash or the parent-hash form of the header; may be empty when `message_hash` is given."""
    message_hash: bytes
    signature: bytes
    signer_id: str


def encode_header(
    header: Header, *, signatures: Sequence[bytes] = (), bitmap: bytes = b"", weight: int = 0
) -> checkpoint_pb2.CheckpointHeader:
    """Return the message; `signatures` are in validator order and named by the bitmap."""
    message = checkpoint_pb2.CheckpointHeader(
        subnet_id=header.subnet_id,
        epoch=header.epoch,
        parent_cp_hash=header.parent_hash,
        timestamp=header.timestamp,
        version=header.version,
        params_hash=header.params_hash,
        roots=checkpoint_pb2.CommitmentRoots(
            agent_root=header.agent_root,
            state_root=header.state_root,
            event_root=header.event_root,
        ),
        validator_set_id=header.validator_set_id,
        aux_hash=header.aux_hash,
        epoch_slot=checkpoint_pb2.EpochSlot(epoch=header.epoch),
        assignments_root=header.assignments_root,
        validation_commitment=header.validation_commitment,
        policy_root=header.policy_root,
    )
    if signatures:
        message.signatures.CopyFrom(
            checkpoint_pb2.CheckpointSignatures(
                ecdsa_signatures=signatures,
                signers_bitmap=bitmap,
                signature_count=len(signatures),
                total_weight=weight,
            )
        )
    return message


def decode_header(message: checkpoint_pb2.CheckpointHeader) -> Header:
    """Return the header without its signatures; raise `InvalidInput` for a malformed id, hash or time."""
    if message.timestamp < 0:
        raise InvalidInput("SN-V090", f"timestamp: {message.timestamp} is not a time")
    return Header(
        subnet_id=SubnetId(parse_bytes32(message.subnet_id, "subnet_id")),
        epoch=message.epoch,
        timestamp=message.timestamp,
        parent_hash=_hash(message.parent_cp_hash, "parent_cp_hash"),
        state_root=_hash(message.roots.state_root, "state_root"),
        agent_root=_hash(message.roots.agent_root, "agent_root"),
        event_root=_hash(message.roots.event_root, "event_root"),
        validator_set_id=message.validator_set_id,
        params_hash=_hash(message.params_hash, "params_hash"),
        assignments_root=_hash(message.assignments_root, "assignments_root"),
        validation_commitment=_hash(message.validation_commitment, "validation_commitment"),
        policy_root=_hash(message.policy_root, "policy_root"),
        aux_hash=_hash(message.aux_hash, "aux_hash"),
        version=message.version,
    )


def header_to_bytes(header: Header) -> bytes:
    """Return a header as one byte string."""
    return encode_header(header).SerializeToString(deterministic=True)


def header_from_bytes(data: bytes) -> Header:
    """Return the header of `header_to_bytes`; raise `InvalidInput` for anything else."""
    try:
        message = checkpoint_pb2.CheckpointHeader.FromString(data)
    except DecodeError as error:
        raise InvalidInput("SN-V090", "the bytes are no checkpoint header") from error
    return decode_header(message)


def decode_submission(message: validator_pb2.SignatureSubmission) -> SignatureClaim:
    """Return what was handed in; raise `InvalidInput` when the signature or every hash is missing (defect A2)."""
    if not message.HasField("signature") or not message.signature.der:
        raise InvalidInput("SN-V090", "signature: missing; expected 65 bytes in signature.der")
    cp_hash = _hash(message.cp_hash, "cp_hash")
    message_hash = _hash(message.signature.msg_hash, "signature.msg_hash")
    if not cp_hash and not message_hash:
        raise InvalidInput("SN-V090", "cp_hash: missing; expected the 32-byte header hash")
    return SignatureClaim(
        cp_hash=cp_hash,
        message_hash=message_hash,
        signature=message.signature.der,
        signer_id=message.signer_id or message.signature.signer_id,
    )


def encode_signature(
    *, signature: bytes, public_key: bytes, header_digest: bytes, signer_id: str
) -> checkpoint_pb2.Signature:
    """Return one header signature; `der` carries 65 bytes r, s, v as everywhere in this protocol."""
    return checkpoint_pb2.Signature(
        algo=ALGORITHM,
        der=signature,
        pubkey=public_key,
        msg_hash=header_digest,
        signer_id=signer_id,
    )


def encode_validator_set(
    parameters: NetworkParameters, *, required: int, effective_epoch: int
) -> validator_pb2.ValidatorSet:
    """Return the configured set; endpoints are the gRPC ones, `required` is how many signatures make a batch final."""
    return validator_pb2.ValidatorSet(
        validators=[
            validator_pb2.Validator(
                id=member.id,
                pubkey=member.public_key,
                weight=member.weight,
                endpoint=member.grpc_endpoint,
            )
            for member in parameters.validators
        ],
        min_validators=required,
        threshold_num=parameters.threshold_numerator,
        threshold_denom=parameters.threshold_denominator,
        effective_epoch=effective_epoch,
    )


def checkpoint_query(message: service_pb2.GetCheckpointRequest) -> int | bytes | None:
    """Return the epoch or the checkpoint hash that is asked for; None asks for the newest checkpoint."""
    which = message.WhichOneof("by")
    if which == "epoch":
        return message.epoch
    if which == "cp_hash":
        if len(message.cp_hash) != 32:
            raise InvalidInput("SN-V090", f"cp_hash: {len(message.cp_hash)} bytes, expected 32")
        return message.cp_hash
    return None


def _hash(value: bytes, field: str) -> bytes:
    if len(value) not in (0, 32):
        raise InvalidInput("SN-V090", f"{field}: {len(value)} bytes, expected 32 or none")
    return value
