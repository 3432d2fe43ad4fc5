"""rootlayer.v1 `Intent` and `SubmitIntentRequest` to `protocol.intents.Intent` and back (wire-contract 2.1, 2.3).

Form only: whether an intent is signed, ours and in time is decided by who reads it.
"""

from pinai_subnet.protocol.digests import params_hash
from pinai_subnet.protocol.errors import InvalidInput
from pinai_subnet.protocol.ids import (
    ZERO_ADDRESS,
    Address,
    IntentId,
    SubnetId,
    parse_address,
    parse_bytes32,
)
from pinai_subnet.protocol.intents import Intent, IntentStatus
from pinai_subnet.wire.codec.fields import (
    enum_value,
    exact_bytes,
    signature_bytes,
    uint256,
    unix_seconds,
)
from pinai_subnet.wire.pb.rootlayer import intent_pb2, service_pb2

_PREFIX = "INTENT_STATUS_"


def decode_submission(message: service_pb2.SubmitIntentRequest, *, created_at: int) -> Intent:
    """Return the pending intent that a requester asks for; raise `InvalidInput`.

    The params hash is computed, the intent may be assigned until its deadline, and tips may be left out.
    """
    deadline = unix_seconds(message.deadline, "deadline")
    raw, metadata = message.params.intent_raw, message.params.metadata
    return Intent(
        intent_id=IntentId(parse_bytes32(message.intent_id, "intent_id")),
        subnet_id=SubnetId(parse_bytes32(message.subnet_id, "subnet_id")),
        requester=parse_address(message.requester, "requester"),
        settle_chain=message.settle_chain,
        intent_type=message.intent_type,
        intent_raw=raw,
        metadata=metadata,
        params_hash=params_hash(raw, metadata),
        tips_token=_token(message.tips_token, "tips_token"),
        tips=uint256(message.tips or "0", "tips"),
        budget_token=_token(message.budget_token, "budget_token"),
        budget=uint256(message.budget, "budget"),
        deadline=deadline,
        intent_expiration=deadline,
        status=IntentStatus.PENDING,
        created_at=created_at,
        signature=signature_bytes(message.signature, "signature"),
    )


def encode_submission(intent: Intent) -> service_pb2.SubmitIntentRequest:
    """Return the request that submits this intent."""
    return service_pb2.SubmitIntentRequest(
        intent_id=intent.intent_id,
        subnet_id=intent.subnet_id,
        requester=intent.requester,
        settle_chain=intent.settle_chain,
        intent_type=intent.intent_type,
        params=intent_pb2.IntentParams(intent_raw=intent.intent_raw, metadata=intent.metadata),
        tips_token=intent.tips_token,
        tips=str(intent.tips),
        deadline=intent.deadline,
        signature=intent.signature,
        budget_token=intent.budget_token,
        budget=str(intent.budget),
    )


def decode_intent(message: intent_pb2.Intent) -> Intent:
    """Return the intent that RootLayer holds; raise `InvalidInput`.

    A params hash or a signature may be missing (another RootLayer may not keep them): the hash is then computed and
    the signature empty, so that a reader who checks it refuses it.
    """
    raw, metadata = message.params.intent_raw, message.params.metadata
    signature = message.signature and signature_bytes(message.signature, "signature")
    given_hash = message.params_hash or params_hash(raw, metadata)
    return Intent(
        intent_id=IntentId(parse_bytes32(message.intent_id, "intent_id")),
        subnet_id=SubnetId(parse_bytes32(message.subnet_id, "subnet_id")),
        requester=parse_address(message.requester, "requester"),
        settle_chain=message.settle_chain,
        intent_type=message.intent_type,
        intent_raw=raw,
        metadata=metadata,
        params_hash=exact_bytes(given_hash, 32, "params_hash"),
        tips_token=_token(message.tips_token, "tips_token"),
        tips=uint256(message.tips or "0", "tips"),
        budget_token=_token(message.budget_token, "budget_token"),
        budget=uint256(message.budget or "0", "budget"),
        deadline=unix_seconds(message.deadline, "deadline"),
        intent_expiration=unix_seconds(message.intent_expiration, "intent_expiration"),
        status=enum_value(IntentStatus, message.status, "status"),
        created_at=unix_seconds(message.created_at, "created_at"),
        signature=signature,
    )


def encode_intent(intent: Intent) -> intent_pb2.Intent:
    """Return the message; the three `confirmed` flags follow from the status."""
    status = intent.status
    return intent_pb2.Intent(
        intent_id=intent.intent_id,
        subnet_id=intent.subnet_id,
        requester=intent.requester,
        settle_chain=intent.settle_chain,
        intent_type=intent.intent_type,
        params=intent_pb2.IntentParams(intent_raw=intent.intent_raw, metadata=intent.metadata),
        params_hash=intent.params_hash,
        tips_token=intent.tips_token,
        tips=str(intent.tips),
        budget_token=intent.budget_token,
        budget=str(intent.budget),
        deadline=intent.deadline,
        intent_expiration=intent.intent_expiration,
        status=encode_intent_status(status),
        created_at=intent.created_at,
        signature=intent.signature,
        pending_confirmed=status is not IntentStatus.UNSPECIFIED,
        processing_confirmed=status in (IntentStatus.PROCESSING, IntentStatus.COMPLETED),
        validation_confirmed=status.terminal,
    )


def encode_intent_status(status: IntentStatus) -> intent_pb2.IntentStatus.ValueType:
    """Return the wire's enum value."""
    return intent_pb2.IntentStatus.ValueType(status.value)


def parse_intent_status(name: str, field: str = "status") -> IntentStatus:
    """Return the status of a name, with or without the wire's prefix; raise `InvalidInput` SN-S002 otherwise."""
    status = IntentStatus.__members__.get(name.removeprefix(_PREFIX))
    if status is None:
        names = ", ".join(IntentStatus.__members__)
        raise InvalidInput("SN-S002", f"{field}: {name[:40]!r} is unknown; expected one of {names}")
    return status


def _token(text: str, field: str) -> Address:
    return parse_address(text, field) if text else ZERO_ADDRESS
