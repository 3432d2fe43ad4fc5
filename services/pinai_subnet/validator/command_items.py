"""The items of ledger commands as msgpack arrays with raw ids, and back. Whole commands are in `command_bodies`.

Only ids and addresses have fixed lengths here. Everything else is for the ledger to refuse, item by item: one bad item
must not make the command unreadable and so refuse the good ones beside it.
"""

from functools import lru_cache
from sys import intern
from typing import Annotated

from msgspec import Meta, Struct

from pinai_subnet.protocol.assignments import Assignment, AssignmentRecord, AssignmentStatus
from pinai_subnet.protocol.checksums import checksummed
from pinai_subnet.protocol.ids import (
    Address,
    AgentId,
    AssignmentId,
    BidId,
    IntentId,
    address_bytes,
    bytes32,
)
from pinai_subnet.protocol.reports import (
    ErrorInfo,
    Evidence,
    ExecutionReport,
    ReportKey,
    ReportStatus,
    ResourceUsage,
)
from pinai_subnet.validator.commands import Verdict

Hash = Annotated[bytes, Meta(min_length=32, max_length=32)]
Place = Annotated[bytes, Meta(min_length=20, max_length=20)]
Signature = Annotated[bytes, Meta(min_length=65, max_length=65)]
Number = Annotated[int, Meta(ge=0, lt=1 << 53)]


class RecordItem(Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """One assignment record; ids and addresses as raw bytes."""

    assignment_id: Hash
    intent_id: Hash
    bid_id: Hash
    agent_address: Place
    status: AssignmentStatus
    matcher: Place
    signature: bytes
    agent_id: str
    intent_type: str
    assigned_at: int
    deadline: int
    attempt: int
    intent_params_hash: bytes
    record_signature: bytes


class EvidenceItem(Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """What an agent offers as proof."""

    env_fingerprint: bytes
    inputs_hash: bytes
    outputs_hash: bytes
    transcript_root: bytes
    proof_exec: bytes
    resource_usage: tuple[int, int, int, int] | None
    external_refs: tuple[str, ...]


class ReportItem(Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """One execution report."""

    report_id: str
    assignment_id: Hash
    intent_id: Hash
    agent_id: str
    status: ReportStatus
    result_data: bytes
    timestamp: int
    evidence: EvidenceItem | None
    error: tuple[str, str, bytes] | None
    signature: bytes
    root_height: int
    root: bytes
    root_proof: bytes
    signer: Place | None


class KeyItem(Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """Assignment and agent of one report."""

    assignment_id: Hash
    agent_address: Place


class VerdictItem(Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """One verdict."""

    key: KeyItem
    report_digest: bytes
    passed: bool
    code: str
    reason: str
    rules: tuple[str, ...]
    policy_id: str
    signature: bytes


def encode_record(record: AssignmentRecord) -> RecordItem:
    """Return a record in its packed form; raise `InvalidInput` for a malformed id or address."""
    assignment = record.assignment
    return RecordItem(
        bytes32(assignment.assignment_id, "assignment_id"),
        bytes32(assignment.intent_id, "intent_id"),
        bytes32(assignment.bid_id, "bid_id"),
        address_bytes(assignment.agent_address, "agent_address"),
        assignment.status,
        address_bytes(assignment.matcher, "matcher"),
        assignment.signature,
        record.agent_id,
        record.intent_type,
        record.assigned_at,
        record.deadline,
        record.attempt,
        record.intent_params_hash,
        record.record_signature,
    )


def decode_record(record: RecordItem) -> AssignmentRecord:
    """Return a record from its packed form."""
    return AssignmentRecord(
        assignment=Assignment(
            assignment_id=AssignmentId(_hex(record.assignment_id)),
            intent_id=IntentId(_hex(record.intent_id)),
            bid_id=BidId(_hex(record.bid_id)),
            agent_address=_address(record.agent_address),
            status=record.status,
            matcher=_address(record.matcher),
            signature=record.signature,
        ),
        agent_id=AgentId(intern(record.agent_id)),
        intent_type=intern(record.intent_type),
        assigned_at=record.assigned_at,
        deadline=record.deadline,
        attempt=record.attempt,
        intent_params_hash=record.intent_params_hash,
        record_signature=record.record_signature,
    )


def encode_report(report: ExecutionReport) -> ReportItem:
    """Return a report in its packed form; raise `InvalidInput` for a malformed id or address."""
    error, evidence = report.error, report.evidence
    return ReportItem(
        report.report_id,
        bytes32(report.assignment_id, "assignment_id"),
        bytes32(report.intent_id, "intent_id"),
        report.agent_id,
        report.status,
        report.result_data,
        report.timestamp,
        None if evidence is None else _evidence(evidence),
        None if error is None else (error.code, error.message, error.details),
        report.signature,
        report.root_height,
        report.root,
        report.root_proof,
        None if report.signer is None else address_bytes(report.signer, "signer"),
    )


def decode_report(report: ReportItem) -> ExecutionReport:
    """Return a report from its packed form."""
    error, evidence = report.error, report.evidence
    return ExecutionReport(
        report_id=report.report_id,
        assignment_id=AssignmentId(_hex(report.assignment_id)),
        intent_id=IntentId(_hex(report.intent_id)),
        agent_id=AgentId(intern(report.agent_id)),
        status=report.status,
        result_data=report.result_data,
        timestamp=report.timestamp,
        evidence=None if evidence is None else _evidence_value(evidence),
        error=None
        if error is None
        else ErrorInfo(code=error[0], message=error[1], details=error[2]),
        signature=report.signature,
        root_height=report.root_height,
        root=report.root,
        root_proof=report.root_proof,
        signer=None if report.signer is None else _address(report.signer),
    )


def _evidence(evidence: Evidence) -> EvidenceItem:
    usage = evidence.resource_usage
    return EvidenceItem(
        evidence.env_fingerprint,
        evidence.inputs_hash,
        evidence.outputs_hash,
        evidence.transcript_root,
        evidence.proof_exec,
        None
        if usage is None
        else (usage.cpu_ms, usage.memory_mb, usage.io_ops, usage.network_bytes),
        evidence.external_refs,
    )


def _evidence_value(evidence: EvidenceItem) -> Evidence:
    usage = evidence.resource_usage
    return Evidence(
        env_fingerprint=evidence.env_fingerprint,
        inputs_hash=evidence.inputs_hash,
        outputs_hash=evidence.outputs_hash,
        transcript_root=evidence.transcript_root,
        proof_exec=evidence.proof_exec,
        resource_usage=None
        if usage is None
        else ResourceUsage(
            cpu_ms=usage[0], memory_mb=usage[1], io_ops=usage[2], network_bytes=usage[3]
        ),
        external_refs=evidence.external_refs,
    )


def encode_key(key: ReportKey) -> KeyItem:
    """Return a key in its packed form; raise `InvalidInput` for a malformed id or address."""
    return KeyItem(
        bytes32(key.assignment_id, "assignment_id"),
        address_bytes(key.agent_address, "agent_address"),
    )


def decode_key(key: KeyItem) -> ReportKey:
    """Return a key from its packed form."""
    return ReportKey(AssignmentId(_hex(key.assignment_id)), _address(key.agent_address))


def encode_verdict(verdict: Verdict) -> VerdictItem:
    """Return a verdict in its packed form; raise `InvalidInput` for a malformed id or address."""
    return VerdictItem(
        encode_key(verdict.key),
        verdict.report_digest,
        verdict.passed,
        verdict.code,
        verdict.reason,
        verdict.rules,
        verdict.policy_id,
        verdict.signature,
    )


def decode_verdict(verdict: VerdictItem) -> Verdict:
    """Return a verdict from its packed form."""
    return Verdict(
        key=decode_key(verdict.key),
        report_digest=verdict.report_digest,
        passed=verdict.passed,
        code=intern(verdict.code),
        reason=verdict.reason,
        rules=tuple(map(intern, verdict.rules)),
        policy_id=intern(verdict.policy_id),
        signature=verdict.signature,
    )


@lru_cache(maxsize=2048)
def _hex(raw: bytes) -> str:
    # Record, report and verdicts name the same ids within moments; the ledger then keeps one text, not six.
    return "0x" + raw.hex()


@lru_cache(maxsize=4096)
def _address(raw: bytes) -> Address:
    # Few agents send many reports, and the checksum of the text form costs a hash each.
    return Address(checksummed(raw))
