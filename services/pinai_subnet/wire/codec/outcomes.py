"""Internal `Outcome` messages to values and back: what the validators tell the matcher of an assignment. Form only."""

from pinai_subnet.ports.ledger import Outcome, OutcomeKind
from pinai_subnet.protocol.ids import (
    AgentId,
    AssignmentId,
    IntentId,
    parse_address,
    parse_bytes32,
    parse_name,
)
from pinai_subnet.wire.codec.fields import enum_value
from pinai_subnet.wire.pb.pinai import ledger_pb2


def decode_outcome(message: ledger_pb2.Outcome) -> Outcome:
    """Return the outcome; raise `InvalidInput`. A `RESYNC` names no assignment."""
    kind = enum_value(OutcomeKind, message.kind, "kind")
    resync = kind is OutcomeKind.RESYNC
    return Outcome(
        sequence=message.sequence,
        intent_id=IntentId("" if resync else parse_bytes32(message.intent_id, "intent_id")),
        assignment_id=AssignmentId(
            "" if resync else parse_bytes32(message.assignment_id, "assignment_id")
        ),
        agent_id=AgentId("" if resync else parse_name(message.agent_name, "agent_name")),
        agent_address=None if resync else parse_address(message.agent_address, "agent_address"),
        kind=kind,
        code=message.code,
        reason=message.reason,
        at_ms=message.at_ms,
        epoch=message.epoch,
    )


def encode_outcome(outcome: Outcome) -> ledger_pb2.Outcome:
    """Return the message."""
    return ledger_pb2.Outcome(
        sequence=outcome.sequence,
        intent_id=outcome.intent_id,
        assignment_id=outcome.assignment_id,
        agent_name=outcome.agent_id,
        agent_address=outcome.agent_address or "",
        kind=ledger_pb2.OutcomeKind.ValueType(outcome.kind.value),
        code=outcome.code,
        reason=outcome.reason,
        at_ms=outcome.at_ms,
        epoch=outcome.epoch,
    )
