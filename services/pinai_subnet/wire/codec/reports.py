"""subnet.v1 execution reports and receipts to values and back. Form only: whether a report is true is judged elsewhere.

Tolerant where official agents are sparse (no evidence, no error, no signature, no root reference), strict where two
parties could mean different things (ids, enum numbers, times).
"""

from dataclasses import dataclass
from typing import TypeVar

from pinai_subnet.protocol.errors import InvalidInput
from pinai_subnet.protocol.ids import (
    Address,
    AgentId,
    AssignmentId,
    IntentId,
    ValidatorId,
    parse_bytes32,
    parse_name,
)
from pinai_subnet.protocol.reports import (
    ErrorInfo,
    Evidence,
    ExecutionReport,
    ReportStatus,
    ResourceUsage,
)
from pinai_subnet.wire.pb.subnet import execution_report_pb2, report_pb2

MAX_REPORT_ID = 256
MAX_REFERENCES = 64
MAX_TEXT = 8192
MAX_HASH = 4096
_MAX_SECONDS = 1 << 40

Text = TypeVar("Text", str, bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What an agent is told about one report, in band also when it was refused."""

    report_id: str
    intent_id: str
    validator_id: ValidatorId
    received_at: int
    """Unix seconds."""
    status: str
    """`accepted`, `duplicate` or `rejected`."""
    phase: str
    """`RECEIVED`, `VALIDATING`, `VERIFIED` or `REJECTED`."""
    code: str = ""
    message: str = ""
    """Why it was refused; the published receipt has no field for it, so only HTTP shows it."""


def computed_report_id(report: ExecutionReport) -> str:
    """Return the network's id of a report, which clients see in receipts (wire-contract 1.5)."""
    return ":".join(
        (report.intent_id, report.assignment_id, report.agent_id, str(report.timestamp))
    )


def decode_report(
    message: execution_report_pb2.ExecutionReport, *, signer: Address | None
) -> ExecutionReport:
    """Return the report as it arrived; raise `InvalidInput` with the code of the first malformed field."""
    try:
        status = ReportStatus(message.status)
    except ValueError as exc:
        raise InvalidInput("SN-V080", f"status: {message.status} is no report status") from exc
    if not 0 < message.timestamp < _MAX_SECONDS:
        raise InvalidInput(
            "SN-V080", f"timestamp: {message.timestamp} is not a time; expected unix seconds"
        )
    _limited(message.report_id, MAX_REPORT_ID, "report_id")
    return ExecutionReport(
        report_id=message.report_id,
        assignment_id=AssignmentId(parse_bytes32(message.assignment_id, "assignment_id")),
        intent_id=IntentId(parse_bytes32(message.intent_id, "intent_id")),
        agent_id=AgentId(parse_name(message.agent_id, "agent_id")),
        status=status,
        result_data=message.result_data,
        timestamp=message.timestamp,
        evidence=_decode_evidence(message.evidence) if message.HasField("evidence") else None,
        error=_decode_error(message.error) if message.HasField("error") else None,
        signature=_limited(message.signature, MAX_HASH, "signature"),
        root_height=message.root_ref.height,
        root=_limited(message.root_ref.root, MAX_HASH, "root_ref.root"),
        root_proof=_limited(message.root_ref.proof, MAX_TEXT, "root_ref.proof"),
        signer=signer,
    )


def encode_report(report: ExecutionReport) -> execution_report_pb2.ExecutionReport:
    """Return the message; the signer of the request that carried it has no field and is left out."""
    message = execution_report_pb2.ExecutionReport(
        report_id=report.report_id,
        assignment_id=report.assignment_id,
        intent_id=report.intent_id,
        agent_id=report.agent_id,
        status=execution_report_pb2.ExecutionReport.Status.ValueType(report.status.value),
        result_data=report.result_data,
        timestamp=report.timestamp,
        signature=report.signature,
    )
    if report.evidence is not None:
        message.evidence.CopyFrom(_encode_evidence(report.evidence))
    if report.error is not None:
        error = report.error
        message.error.code, message.error.message = error.code, error.message
        message.error.details = error.details
        message.error.SetInParent()
    if report.root or report.root_height or report.root_proof:
        message.root_ref.height = report.root_height
        message.root_ref.root = report.root
        message.root_ref.proof = report.root_proof
    return message


def encode_receipt(receipt: Receipt) -> report_pb2.Receipt:
    """Return the message."""
    return report_pb2.Receipt(
        intent_id=receipt.intent_id,
        validator_id=receipt.validator_id,
        received_ts=receipt.received_at,
        status=receipt.status,
        report_id=receipt.report_id,
        phase=receipt.phase,
    )


def _decode_evidence(message: execution_report_pb2.VerificationEvidence) -> Evidence:
    if len(message.external_refs) > MAX_REFERENCES:
        raise InvalidInput(
            "SN-V080",
            f"external_refs: {len(message.external_refs)} entries, at most {MAX_REFERENCES}",
        )
    usage = None
    if message.HasField("resource_usage"):
        used = message.resource_usage
        usage = ResourceUsage(
            cpu_ms=used.cpu_ms,
            memory_mb=used.memory_mb,
            io_ops=used.io_ops,
            network_bytes=used.network_bytes,
        )
    return Evidence(
        env_fingerprint=_limited(message.env_fingerprint, MAX_HASH, "env_fingerprint"),
        inputs_hash=_limited(message.inputs_hash, MAX_HASH, "inputs_hash"),
        outputs_hash=_limited(message.outputs_hash, MAX_HASH, "outputs_hash"),
        transcript_root=_limited(message.transcript_root, MAX_HASH, "transcript_root"),
        proof_exec=_limited(message.proof_exec, 1 << 20, "proof_exec"),
        resource_usage=usage,
        external_refs=tuple(
            _limited(ref, MAX_TEXT, "external_refs") for ref in message.external_refs
        ),
    )


def _encode_evidence(evidence: Evidence) -> execution_report_pb2.VerificationEvidence:
    message = execution_report_pb2.VerificationEvidence(
        env_fingerprint=evidence.env_fingerprint,
        inputs_hash=evidence.inputs_hash,
        outputs_hash=evidence.outputs_hash,
        transcript_root=evidence.transcript_root,
        proof_exec=evidence.proof_exec,
        external_refs=evidence.external_refs,
    )
    used = evidence.resource_usage
    if used is not None:
        message.resource_usage.CopyFrom(
            execution_report_pb2.ResourceUsage(
                cpu_ms=used.cpu_ms,
                memory_mb=used.memory_mb,
                io_ops=used.io_ops,
                network_bytes=used.network_bytes,
            )
        )
    return message


def _decode_error(message: execution_report_pb2.ErrorInfo) -> ErrorInfo:
    return ErrorInfo(
        code=_limited(message.code, MAX_REPORT_ID, "error.code"),
        message=_limited(message.message, MAX_TEXT, "error.message"),
        details=_limited(message.details, MAX_TEXT, "error.details"),
    )


def _limited(value: Text, limit: int, field: str) -> Text:
    """Return the value if it is no longer than the limit; raise `InvalidInput` SN-V080 otherwise."""
    if len(value) > limit:
        raise InvalidInput("SN-V080", f"{field}: length {len(value)}, at most {limit} allowed")
    return value
