"""rootlayer.v1 `Assignment` and the internal `AssignmentRecord` to values and back. Form only, no signature checks."""

from pinai_subnet.protocol.assignments import Assignment, AssignmentRecord, AssignmentStatus
from pinai_subnet.protocol.errors import InvalidInput
from pinai_subnet.protocol.ids import (
    AgentId,
    AssignmentId,
    BidId,
    IntentId,
    parse_address,
    parse_bytes32,
    parse_name,
)
from pinai_subnet.wire.codec.fields import enum_value, exact_bytes, signature_bytes, unix_seconds
from pinai_subnet.wire.pb.pinai import ledger_pb2
from pinai_subnet.wire.pb.rootlayer import assignment_pb2


def decode_assignment(message: assignment_pb2.Assignment) -> Assignment:
    """Return the assignment; raise `InvalidInput`. A status that says nothing is refused."""
    status = enum_value(AssignmentStatus, message.status, "status")
    if status is AssignmentStatus.UNSPECIFIED:
        raise InvalidInput("SN-S002", "status: unspecified; expected ACTIVE or FAILED")
    return Assignment(
        assignment_id=AssignmentId(parse_bytes32(message.assignment_id, "assignment_id")),
        intent_id=IntentId(parse_bytes32(message.intent_id, "intent_id")),
        bid_id=BidId(parse_bytes32(message.bid_id, "bid_id")),
        agent_address=parse_address(message.agent_id, "agent_id"),
        status=status,
        matcher=parse_address(message.matcher_id, "matcher_id"),
        signature=signature_bytes(message.signature, "signature"),
    )


def encode_assignment(assignment: Assignment) -> assignment_pb2.Assignment:
    """Return the message."""
    return assignment_pb2.Assignment(
        assignment_id=assignment.assignment_id,
        intent_id=assignment.intent_id,
        agent_id=assignment.agent_address,
        bid_id=assignment.bid_id,
        status=assignment_pb2.AssignmentStatus.ValueType(assignment.status.value),
        matcher_id=assignment.matcher,
        signature=assignment.signature,
    )


def decode_record(message: ledger_pb2.AssignmentRecord) -> AssignmentRecord:
    """Return the record that validators keep; raise `InvalidInput`."""
    if message.attempt < 1:
        raise InvalidInput("SN-S002", "attempt: 0; expected a count from 1")
    if not message.intent_type:
        raise InvalidInput("SN-S005", "intent_type: empty; expected the type of the intent")
    return AssignmentRecord(
        assignment=decode_assignment(message.assignment),
        agent_id=AgentId(parse_name(message.agent_name, "agent_name")),
        intent_type=message.intent_type,
        assigned_at=unix_seconds(message.assigned_at, "assigned_at"),
        deadline=unix_seconds(message.deadline, "deadline"),
        attempt=message.attempt,
        intent_params_hash=exact_bytes(message.intent_params_hash, 32, "intent_params_hash"),
        record_signature=signature_bytes(message.record_signature, "record_signature"),
    )


def encode_record(record: AssignmentRecord) -> ledger_pb2.AssignmentRecord:
    """Return the message."""
    return ledger_pb2.AssignmentRecord(
        assignment=encode_assignment(record.assignment),
        agent_name=record.agent_id,
        intent_type=record.intent_type,
        assigned_at=record.assigned_at,
        deadline=record.deadline,
        attempt=record.attempt,
        intent_params_hash=record.intent_params_hash,
        record_signature=record.record_signature,
    )
