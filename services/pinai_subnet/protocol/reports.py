"""An execution report: what an agent says it did, as a value. Whether it is true is the validators' business.

The chain sees two opaque words per result. Ours commit to it, and anybody can recompute them from the published
report (known defects S2, S3): `result_hash` is sha256 of the result bytes, `proof_hash` the commitment (see
`commitments`) to everything else the agent claimed. `report_digest` is what verdicts refer to.
"""

from dataclasses import dataclass, field
from enum import IntEnum
from hashlib import sha256
from typing import NamedTuple

from pinai_subnet.protocol.commitments import commitment, number, texts
from pinai_subnet.protocol.ids import Address, AgentId, AssignmentId, IntentId, bytes32

_PROOF_TAG = b"pinai/report-proof/1"
_REPORT_TAG = b"pinai/report/1"
_SIGNING_TAG = b"pinai/report-signature/1"
_ABSENT = b"\x00"
_PRESENT = b"\x01"


class ReportStatus(IntEnum):
    """The agent's own verdict on its work, numbered as on the wire."""

    UNSPECIFIED = 0
    SUCCESS = 1
    FAILED = 2
    PARTIAL = 3


class ReportKey(NamedTuple):
    """What identifies a report: one per assignment and agent (known defect C8)."""

    assignment_id: AssignmentId
    agent_address: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceUsage:
    """What the execution used, as the agent measured it."""

    cpu_ms: int = 0
    memory_mb: int = 0
    io_ops: int = 0
    network_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the agent offers as proof; every part may be empty (official agents send none)."""

    env_fingerprint: bytes = b""
    inputs_hash: bytes = b""
    outputs_hash: bytes = b""
    transcript_root: bytes = b""
    proof_exec: bytes = b""
    resource_usage: ResourceUsage | None = None
    external_refs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorInfo:
    """Why the execution failed, in the agent's words."""

    code: str = ""
    message: str = ""
    details: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionReport:
    """One report as it arrived. `timestamp` is unix seconds by the agent's clock."""

    report_id: str
    """The caller's own id; free text, may be empty."""
    assignment_id: AssignmentId
    intent_id: IntentId
    agent_id: AgentId
    """As sent: the agent's name (Python agents) or its address (Go agents)."""
    status: ReportStatus
    result_data: bytes
    timestamp: int
    evidence: Evidence | None = None
    error: ErrorInfo | None = None
    signature: bytes = b""
    """The agent's own, over `signing_digest`; published agents send none."""
    root_height: int = 0
    root: bytes = b""
    root_proof: bytes = b""
    signer: Address | None = field(default=None)
    """Who signed the request that carried it; None for an unsigned request."""


def result_hash(report: ExecutionReport) -> bytes:
    """Return sha256 of the result bytes: what a requester checks the delivered result against."""
    return sha256(report.result_data).digest()


def proof_hash(report: ExecutionReport) -> bytes:
    """Return the commitment to status, ids, time, error and evidence; raise `InvalidInput` for malformed fields.

    Parts in order: intent id and assignment id (32 bytes each), agent id and report id as sent, status, timestamp;
    then the error: 0 if there is none, otherwise 1, code, message, details; then the evidence: 0 if there is none,
    otherwise 1, its five byte strings as declared, the number of external references and each of them, and the
    resource usage: 0, or 1 and its four numbers. Numbers are 8 bytes, big-endian.
    """
    return commitment(
        _PROOF_TAG,
        bytes32(report.intent_id, "intent_id"),
        bytes32(report.assignment_id, "assignment_id"),
        *texts(report.agent_id, report.report_id),
        number(report.status, "status"),
        number(report.timestamp, "timestamp"),
        *_error_parts(report.error),
        *_evidence_parts(report.evidence),
    )


def signing_digest(report: ExecutionReport) -> bytes:
    """Return what the agent signs plainly (v 27 or 28) with the key of its address, so that nobody reports for it.

    Parts in order: result hash, proof hash, root height, root, root proof. The assignment id is in the proof hash, and
    it is unique, so a signature is worth nothing for other work. Published agents send no signature.
    """
    return commitment(
        _SIGNING_TAG,
        result_hash(report),
        proof_hash(report),
        number(report.root_height, "root_height"),
        report.root,
        report.root_proof,
    )


def report_digest(report: ExecutionReport) -> bytes:
    """Return the digest of the whole report as it arrived, who signed its request included.

    Parts in order: result hash, proof hash, the report's signature, root height, root, root proof, signer.
    """
    return digest_of_hashes(report, result_hash(report), proof_hash(report))


def digest_of_hashes(report: ExecutionReport, result: bytes, proof: bytes) -> bytes:
    """Return `report_digest` from hashes already known, so that a report without its result bytes is checked too."""
    return commitment(
        _REPORT_TAG,
        result,
        proof,
        report.signature,
        number(report.root_height, "root_height"),
        report.root,
        report.root_proof,
        (report.signer or "").encode(),
    )


def _error_parts(error: ErrorInfo | None) -> tuple[bytes, ...]:
    if error is None:
        return (_ABSENT,)
    return (_PRESENT, *texts(error.code, error.message), error.details)


def _evidence_parts(evidence: Evidence | None) -> tuple[bytes, ...]:
    if evidence is None:
        return (_ABSENT,)
    return (
        _PRESENT,
        evidence.env_fingerprint,
        evidence.inputs_hash,
        evidence.outputs_hash,
        evidence.transcript_root,
        evidence.proof_exec,
        number(len(evidence.external_refs), "external_refs"),
        *texts(*evidence.external_refs),
        *_usage_parts(evidence.resource_usage),
    )


def _usage_parts(usage: ResourceUsage | None) -> tuple[bytes, ...]:
    if usage is None:
        return (_ABSENT,)
    return (
        _PRESENT,
        number(usage.cpu_ms, "cpu_ms"),
        number(usage.memory_mb, "memory_mb"),
        number(usage.io_ops, "io_ops"),
        number(usage.network_bytes, "network_bytes"),
    )
