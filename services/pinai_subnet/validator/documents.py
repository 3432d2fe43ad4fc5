"""The ledger's records as JSON documents: what HTTP shows and the archive keeps, enough to recompute every hash.

Bytes are 0x hex, times named `_ms` are unix milliseconds, others unix seconds. Pure; reads records, keeps nothing.
"""

from typing import Any

from pinai_subnet.protocol.checkpoints import Header, parent_hash
from pinai_subnet.protocol.network import NetworkParameters
from pinai_subnet.protocol.quorum import required_signatures, signer_bitmap
from pinai_subnet.protocol.reports import Evidence, ExecutionReport
from pinai_subnet.validator.records import (
    AssignmentState,
    DoubleSign,
    EpochState,
    SettlementDispute,
)
from pinai_subnet.wire.codec.reports import computed_report_id

Document = dict[str, Any]


def hexed(value: bytes) -> str:
    """Return 0x and the hex digits."""
    return "0x" + value.hex()


def assignment_document(state: AssignmentState) -> Document:
    """Return everything the ledger knows about one assignment and its report."""
    record, assignment = state.record, state.record.assignment
    return {
        "assignment_id": assignment.assignment_id,
        "intent_id": assignment.intent_id,
        "bid_id": assignment.bid_id,
        "attempt": record.attempt,
        "agent_id": record.agent_id,
        "agent_address": assignment.agent_address,
        "matcher": assignment.matcher,
        "assignment_signature": hexed(assignment.signature),
        "record_signature": hexed(record.record_signature),
        "intent_type": record.intent_type,
        "intent_params_hash": hexed(record.intent_params_hash),
        "assigned_at": record.assigned_at,
        "deadline": record.deadline,
        "stage": state.stage.name,
        "code": state.code,
        "reason": state.reason,
        "epoch": state.epoch,
        "sequence": state.sequence,
        "times_ms": {stage.name: at_ms for stage, at_ms in state.times.items()},
        "received_by": state.received_by,
        "report": None if state.report is None else _report_document(state, state.report),
        "verdicts": _verdict_documents(state),
    }


def _report_document(state: AssignmentState, report: ExecutionReport) -> Document:
    # After the end the ledger keeps the report without its result bytes; the hash stays.
    kept = bool(report.result_data) or not state.stage.ended
    return {
        "report_id": computed_report_id(report),
        "caller_report_id": report.report_id,
        "agent_id": report.agent_id,
        "status": report.status.name,
        "timestamp": report.timestamp,
        "signer": report.signer,
        "result_bytes": len(report.result_data) if kept else None,
        "result_hash": hexed(state.result_hash),
        "proof_hash": hexed(state.proof_hash),
        "report_digest": hexed(state.report_digest),
        "signature": hexed(report.signature),
        "root_height": report.root_height,
        "root": hexed(report.root),
        "root_proof": hexed(report.root_proof),
        "error": None
        if report.error is None
        else {
            "code": report.error.code,
            "message": report.error.message,
            "details": hexed(report.error.details),
        },
        "evidence": None if report.evidence is None else _evidence_document(report.evidence),
    }


def _evidence_document(evidence: Evidence) -> Document:
    usage = evidence.resource_usage
    return {
        "env_fingerprint": hexed(evidence.env_fingerprint),
        "inputs_hash": hexed(evidence.inputs_hash),
        "outputs_hash": hexed(evidence.outputs_hash),
        "transcript_root": hexed(evidence.transcript_root),
        "proof_exec": hexed(evidence.proof_exec),
        "external_refs": list(evidence.external_refs),
        "resource_usage": None
        if usage is None
        else {
            "cpu_ms": usage.cpu_ms,
            "memory_mb": usage.memory_mb,
            "io_ops": usage.io_ops,
            "network_bytes": usage.network_bytes,
        },
    }


def _verdict_documents(state: AssignmentState) -> list[Document]:
    return [
        {
            "validator_id": validator_id,
            "passed": verdict.passed,
            "code": verdict.code,
            "reason": verdict.reason,
            "rules": list(verdict.rules),
            "policy_id": verdict.policy_id,
            "at_ms": state.verdict_times.get(validator_id),
            "signature": hexed(verdict.signature),
            "sealed": place < state.sealed_verdicts,
        }
        for place, (validator_id, verdict) in enumerate(state.verdicts.items())
    ]


def header_document(header: Header) -> Document:
    """Return a checkpoint header with all its fields."""
    return {
        "subnet_id": header.subnet_id,
        "epoch": header.epoch,
        "timestamp": header.timestamp,
        "version": header.version,
        "parent_hash": hexed(header.parent_hash),
        "state_root": hexed(header.state_root),
        "agent_root": hexed(header.agent_root),
        "event_root": hexed(header.event_root),
        "validator_set_id": header.validator_set_id,
        "params_hash": hexed(header.params_hash),
        "assignments_root": hexed(header.assignments_root),
        "validation_commitment": hexed(header.validation_commitment),
        "policy_root": hexed(header.policy_root),
        "aux_hash": hexed(header.aux_hash),
    }


def epoch_document(epoch: EpochState, parameters: NetworkParameters) -> Document:
    """Return one sealed epoch with all that is needed to recompute its hashes and check its signatures."""
    domain = parameters.domain
    members = parameters.validators
    signers = [place for place, member in enumerate(members) if member.id in epoch.signatures]
    return {
        "epoch": epoch.epoch,
        "subnet_id": parameters.subnet_id,
        "chain_id": domain.chain_id,
        "intent_manager": domain.intent_manager,
        "sealed_by": epoch.sealed_by,
        "sealed_at_ms": epoch.sealed_at_ms,
        "final_at_ms": epoch.final_at_ms,
        "settled_at_ms": epoch.settled_at_ms,
        "items": [
            {
                "intent_id": item.intent_id,
                "assignment_id": item.assignment_id,
                "agent": item.agent,
                "result_hash": hexed(item.result_hash),
                "proof_hash": hexed(item.proof_hash),
                "executed_at": item.executed_at,
            }
            for item in epoch.items
        ],
        "items_hash": hexed(epoch.items_hash),
        "root_height": epoch.epoch,
        "root_hash": hexed(epoch.root_hash),
        "batch_digest": hexed(epoch.batch_digest),
        "header": header_document(epoch.header),
        "header_hash": hexed(epoch.header_hash),
        "checkpoint_hash": hexed(parent_hash(epoch.header_hash)),
        "required_signatures": required_signatures(
            len(members), parameters.threshold_numerator, parameters.threshold_denominator
        ),
        "signatures": [
            {
                "validator_id": member.id,
                "address": epoch.signatures[member.id].signer or member.address,
                "public_key": hexed(member.public_key),
                "batch_signature": hexed(epoch.signatures[member.id].batch_signature),
                "header_signature": hexed(epoch.signatures[member.id].header_signature),
                "at_ms": epoch.signatures[member.id].at_ms,
            }
            for member in members
            if member.id in epoch.signatures
        ],
        "signer_bitmap": hexed(signer_bitmap(signers, len(members))),
        "results": [
            {"ok": result.ok, "message": result.message, "receipt_id": result.receipt_id}
            for result in epoch.results
        ],
        "settled_by": list(epoch.settled_by),
        "settlement_claims": {
            validator_id: [result.ok for result in claim]
            for validator_id, claim in epoch.claims.items()
        },
    }


def double_sign_document(found: DoubleSign) -> Document:
    """Return one proof of double signing."""
    return {
        "validator_id": found.validator_id,
        "epoch": found.epoch,
        "first_digest": hexed(found.first_digest),
        "first_signature": hexed(found.first_signature),
        "second_digest": hexed(found.second_digest),
        "second_signature": hexed(found.second_signature),
        "at_ms": found.at_ms,
    }


def settlement_dispute_document(found: SettlementDispute) -> Document:
    """Return one word about RootLayer's answer that a majority contradicts: which items were said to be taken."""
    return {
        "validator_id": found.validator_id,
        "epoch": found.epoch,
        "claimed": list(found.claimed),
        "agreed": list(found.agreed),
        "at_ms": found.at_ms,
    }
