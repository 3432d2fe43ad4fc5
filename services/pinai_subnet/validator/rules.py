"""The rules that a report can break, one function each with its catalogue code. Pure; `verification` adds them up.

Every rule looks at the replicated record alone: the time is the ledger's time of receipt, not the local clock.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from pinai_subnet.protocol.assignments import AssignmentRecord
from pinai_subnet.protocol.digests import keccak256
from pinai_subnet.protocol.errors import SubnetError
from pinai_subnet.protocol.ids import ZERO_BYTES32
from pinai_subnet.protocol.reports import (
    ErrorInfo,
    Evidence,
    ExecutionReport,
    ReportStatus,
    signing_digest,
)
from pinai_subnet.protocol.signatures import recover
from pinai_subnet.validator.policy import Policy

Group = Literal["identity", "outcome", "lease", "evidence", "output"]

_NO_EVIDENCE = Evidence()


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Everything a verdict may depend on. `received_at` is unix seconds by the ledger's clock."""

    report: ExecutionReport
    record: AssignmentRecord
    received_at: int
    policy: Policy

    @property
    def evidence(self) -> Evidence:
        """Return the evidence sent, or an empty one."""
        return self.report.evidence or _NO_EVIDENCE


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule: `check` returns why a report breaks it, or None; `applies` says whether the policy asks for it."""

    name: str
    code: str
    group: Group
    check: Callable[[Case], str | None]
    applies: Callable[[Policy], bool]


def _always(_policy: Policy) -> bool:
    return True


def _ids_present(case: Case) -> str | None:
    report = case.report
    missing = [
        name for name in ("assignment_id", "intent_id", "agent_id") if not getattr(report, name)
    ]
    if case.policy.require_report_id and not report.report_id:
        missing.append("report_id")
    return f"missing {', '.join(missing)}" if missing else None


def _assignment_matches(case: Case) -> str | None:
    expected = case.record.assignment.assignment_id
    if case.report.assignment_id == expected:
        return None
    return f"assignment_id {case.report.assignment_id}, expected {expected}"


def _intent_matches(case: Case) -> str | None:
    expected = case.record.assignment.intent_id
    if case.report.intent_id == expected:
        return None
    return f"intent_id {case.report.intent_id}, expected {expected}"


def _agent_matches(case: Case) -> str | None:
    record, claimed = case.record, str(case.report.agent_id)
    address = record.assignment.agent_address
    if claimed == record.agent_id or claimed.lower() == address.lower():
        return None
    return f"agent_id {claimed}, expected {record.agent_id} or {address}"


def _signer_matches(case: Case) -> str | None:
    signer, address = case.report.signer, case.record.assignment.agent_address
    if signer is None:
        return "the request was not signed" if case.policy.require_signed_request else None
    return None if signer == address else f"signed by {signer}, expected {address}"


def _signature_valid(case: Case) -> str | None:
    """Who carried the report is the receiving validator's word; the agent's own signature is proof for everybody."""
    report, address = case.report, case.record.assignment.agent_address
    if not report.signature:
        return "the report has no signature" if case.policy.require_report_signature else None
    try:
        signer = recover(signing_digest(report), report.signature)
    except SubnetError as error:
        return f"the report's signature is unusable: {error.message}"
    return None if signer == address else f"the report is signed by {signer}, expected {address}"


def _agent_allowed(case: Case) -> str | None:
    record = case.record
    names = {str(record.agent_id), record.assignment.agent_address.lower()}
    blocked = {
        name.lower() if name.startswith("0x") else name for name in case.policy.blocked_agents
    }
    return f"agent {record.agent_id} is blocked by the policy" if names & blocked else None


def _status_specified(case: Case) -> str | None:
    return "status is unspecified" if case.report.status == ReportStatus.UNSPECIFIED else None


def _not_failed(case: Case) -> str | None:
    if case.report.status != ReportStatus.FAILED:
        return None
    error = case.report.error or ErrorInfo()
    words = ": ".join(part for part in (error.code, error.message) if part)
    return "agent_reported_failure" + (f" ({words[:200]})" if words else "")


def _partial_accepted(case: Case) -> str | None:
    if case.report.status != ReportStatus.PARTIAL or case.policy.accept_partial:
        return None
    return "the policy takes no partial results"


def _not_ahead(case: Case) -> str | None:
    ahead = case.report.timestamp - case.received_at
    if ahead <= case.policy.max_ahead_seconds:
        return None
    return (
        f"timestamp {case.report.timestamp} is {ahead} s ahead of {case.received_at}, "
        f"at most {case.policy.max_ahead_seconds} s allowed"
    )


def _not_old(case: Case) -> str | None:
    age = case.received_at - case.report.timestamp
    if age <= case.policy.max_age_seconds:
        return None
    return (
        f"timestamp {case.report.timestamp} is {age} s before {case.received_at}, "
        f"at most {case.policy.max_age_seconds} s allowed"
    )


def _not_before_assignment(case: Case) -> str | None:
    early = case.record.assigned_at - case.report.timestamp
    if early <= case.policy.before_assignment_seconds:
        return None
    return (
        f"timestamp {case.report.timestamp} is {early} s before the assignment at "
        f"{case.record.assigned_at}"
    )


def _in_time(case: Case) -> str | None:
    late = case.received_at - case.record.deadline
    if late <= case.policy.deadline_grace_seconds:
        return None
    return (
        f"received at {case.received_at}, {late} s after the deadline {case.record.deadline} "
        f"(grace {case.policy.deadline_grace_seconds} s)"
    )


def _success_has_result(case: Case) -> str | None:
    report = case.report
    if report.status == ReportStatus.SUCCESS and not report.result_data:
        return "SUCCESS without result_data"
    return None


def _success_has_no_error(case: Case) -> str | None:
    report = case.report
    error = report.error
    if (
        report.status == ReportStatus.SUCCESS
        and error is not None
        and (error.code or error.message)
    ):
        return f"SUCCESS with error {error.code or error.message[:80]!r}"
    return None


def _partial_has_content(case: Case) -> str | None:
    report = case.report
    error = report.error or ErrorInfo()
    if report.status == ReportStatus.PARTIAL and not (
        report.result_data or error.code or error.message
    ):
        return "PARTIAL with neither result_data nor error"
    return None


def _result_size(case: Case) -> str | None:
    size, limit = len(case.report.result_data), case.policy.max_result_bytes
    return None if size <= limit else f"result_data has {size} bytes, at most {limit} allowed"


def _large_result_backed(case: Case) -> str | None:
    size = len(case.report.result_data)
    evidence = case.evidence
    if size <= case.policy.large_result_bytes or (
        evidence.transcript_root and evidence.external_refs
    ):
        return None
    return (
        f"result_data has {size} bytes: above {case.policy.large_result_bytes} bytes a "
        "transcript_root and an external reference are required"
    )


def _evidence_present(case: Case) -> str | None:
    missing = [name for name in case.policy.required_evidence if not getattr(case.evidence, name)]
    return f"evidence lacks {', '.join(missing)}" if missing else None


def _outputs_hash(case: Case) -> str | None:
    claimed = case.evidence.outputs_hash
    if not claimed:
        return None
    expected = keccak256(case.report.result_data)
    return (
        None
        if claimed == expected
        else f"outputs_hash 0x{claimed.hex()}, expected 0x{expected.hex()}"
    )


def _inputs_hash(case: Case) -> str | None:
    claimed, expected = case.evidence.inputs_hash, case.record.intent_params_hash
    if not claimed or not expected or expected in (ZERO_BYTES32, claimed):
        return None
    return f"inputs_hash 0x{claimed.hex()}, expected that of the payload, 0x{expected.hex()}"


def _resources(case: Case) -> str | None:
    used = case.evidence.resource_usage
    if used is None:
        return None
    policy = case.policy
    pairs = (
        ("cpu_ms", used.cpu_ms, policy.max_cpu_ms),
        ("memory_mb", used.memory_mb, policy.max_memory_mb),
        ("io_ops", used.io_ops, policy.max_io_ops),
        ("network_bytes", used.network_bytes, policy.max_network_bytes),
    )
    over = [f"{name} {value} > {limit}" for name, value, limit in pairs if value > limit]
    return "resource usage over the limit: " + ", ".join(over) if over else None


def _rule(
    name: str,
    code: str,
    group: Group,
    check: Callable[[Case], str | None],
    applies: Callable[[Policy], bool] = _always,
) -> Rule:
    return Rule(name=name, code=code, group=group, check=check, applies=applies)


RULES: tuple[Rule, ...] = (
    _rule("ids_present", "SN-V050", "identity", _ids_present),
    _rule("assignment_matches", "SN-V051", "identity", _assignment_matches),
    _rule("intent_matches", "SN-V052", "identity", _intent_matches),
    _rule("agent_matches", "SN-V053", "identity", _agent_matches),
    _rule("signer_matches", "SN-V054", "identity", _signer_matches),
    _rule("signature_valid", "SN-V079", "identity", _signature_valid),
    _rule("agent_allowed", "SN-V055", "identity", _agent_allowed, lambda p: bool(p.blocked_agents)),
    _rule("status_specified", "SN-V056", "outcome", _status_specified),
    _rule("agent_succeeded", "SN-V057", "outcome", _not_failed),
    _rule("partial_accepted", "SN-V058", "outcome", _partial_accepted),
    _rule("timestamp_not_ahead", "SN-V059", "lease", _not_ahead),
    _rule("timestamp_not_old", "SN-V060", "lease", _not_old),
    _rule("not_before_assignment", "SN-V061", "lease", _not_before_assignment),
    _rule("within_deadline", "SN-V062", "lease", _in_time),
    _rule(
        "success_has_result",
        "SN-V063",
        "output",
        _success_has_result,
        lambda p: p.success_requires_result,
    ),
    _rule(
        "success_has_no_error",
        "SN-V064",
        "output",
        _success_has_no_error,
        lambda p: p.success_forbids_error,
    ),
    _rule(
        "partial_has_content",
        "SN-V065",
        "output",
        _partial_has_content,
        lambda p: p.partial_requires_content,
    ),
    _rule("result_size", "SN-V066", "output", _result_size),
    _rule(
        "large_result_backed",
        "SN-V067",
        "output",
        _large_result_backed,
        lambda p: p.large_result_bytes > 0,
    ),
    _rule(
        "evidence_present",
        "SN-V068",
        "evidence",
        _evidence_present,
        lambda p: bool(p.required_evidence),
    ),
    _rule(
        "outputs_hash_matches",
        "SN-V069",
        "evidence",
        _outputs_hash,
        lambda p: p.verify_outputs_hash,
    ),
    _rule(
        "inputs_hash_matches", "SN-V070", "evidence", _inputs_hash, lambda p: p.verify_inputs_hash
    ),
    _rule("resources_within_limits", "SN-V071", "evidence", _resources),
)
"""All rules in the order in which they are checked; the first that fails gives the verdict its code."""
