"""How large things that come from outside may be. Counts bytes; the bounds are in `limits`."""

from pinai_subnet.protocol.errors import InvalidInput
from pinai_subnet.protocol.reports import ErrorInfo, Evidence, ExecutionReport


def check_text(text: str, limit: int, field: str) -> int:
    """Return the bytes of a text in UTF-8; raise `InvalidInput` SN-V003 if they are too many or it has no such form."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise InvalidInput("SN-V003", f"{field} is not valid text") from error
    if size > limit:
        raise InvalidInput("SN-V003", f"{field} has {size} bytes; at most {limit}")
    return size


def report_bytes(report: ExecutionReport) -> int:
    """Return how many bytes a report holds; raise `InvalidInput` SN-V003 for a text that is too long."""
    return (
        check_text(report.report_id, 256, "report_id")
        + check_text(report.agent_id, 128, "agent_id")
        + check_text(report.assignment_id, 128, "assignment_id")
        + check_text(report.intent_id, 128, "intent_id")
        + len(report.result_data)
        + len(report.signature)
        + len(report.root)
        + len(report.root_proof)
        + _error_bytes(report.error)
        + _evidence_bytes(report.evidence)
    )


def _error_bytes(error: ErrorInfo | None) -> int:
    if error is None:
        return 0
    return (
        check_text(error.code, 256, "error.code")
        + check_text(error.message, 4096, "error.message")
        + len(error.details)
    )


def _evidence_bytes(evidence: Evidence | None) -> int:
    if evidence is None:
        return 0
    return (
        len(evidence.env_fingerprint)
        + len(evidence.inputs_hash)
        + len(evidence.outputs_hash)
        + len(evidence.transcript_root)
        + len(evidence.proof_exec)
        + sum(check_text(ref, 2048, "evidence.external_refs") for ref in evidence.external_refs)
    )
