"""An execution report: what an agent says it did, as a value. Whether it is true is the validators' business."""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

from pinai_subnet.protocol.ids import Address, AgentId, AssignmentId, IntentId


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
    root_height: int = 0
    root: bytes = b""
    root_proof: bytes = b""
    signer: Address | None = field(default=None)
    """Who signed the request that carried it; None for an unsigned request."""
