"""Values of the validator as published messages: policies, verification records, evidence, metrics. Encoding only."""

from collections.abc import Iterator

import msgspec

from pinai_subnet.validator.documents import Document, double_sign_document
from pinai_subnet.validator.policy import Policy
from pinai_subnet.validator.queries import ValidatorActivity
from pinai_subnet.validator.records import DoubleSign
from pinai_subnet.validator.verification import confidence_of, rules_of
from pinai_subnet.wire.pb.subnet import service_pb2, validation_pb2


def policy_message(policy: Policy, *, min_validators: int) -> validation_pb2.ValidationPolicy:
    """Return the policy; everything the published message has no field for is JSON in `metadata`."""
    extra = {
        "rules": [{"name": rule.name, "code": rule.code} for rule in rules_of(policy)],
        **msgspec.to_builtins(policy),
    }
    return validation_pb2.ValidationPolicy(
        policy_id=policy.policy_id,
        version=policy.version,
        effective_epoch=1,
        rules=validation_pb2.ValidationPolicy.Rules(
            required_evidence=policy.required_evidence,
            validation_mode=validation_pb2.ValidationPolicy.DETERMINISTIC,
            sampling_params=validation_pb2.ValidationPolicy.SamplingParams(
                sample_rate=1.0, min_validators=min_validators
            ),
            execution_limits=validation_pb2.ValidationPolicy.ExecutionLimits(
                max_exec_time_ms=policy.max_cpu_ms, max_memory_mb=policy.max_memory_mb
            ),
            anti_cheat=validation_pb2.ValidationPolicy.AntiCheat(blacklist=policy.blocked_agents),
        ),
        metadata=msgspec.json.encode(extra),
    )


def verification_records(document: Document) -> Iterator[validation_pb2.VerificationRecord]:
    """Yield one record per verdict of a reported assignment."""
    report = document["report"]
    for verdict in document["verdicts"]:
        passed = verdict["passed"]
        yield validation_pb2.VerificationRecord(
            record_id=f"{document['assignment_id']}:{verdict['validator_id']}",
            intent_id=document["intent_id"],
            agent_id=document["agent_id"],
            report_id=report["report_id"],
            policy_id=verdict["policy_id"],
            validator_id=verdict["validator_id"],
            verdict=validation_pb2.VerificationRecord.PASS
            if passed
            else validation_pb2.VerificationRecord.FAIL,
            confidence=confidence_of(passed=passed, reason=verdict["reason"]),
            reason=" ".join(part for part in (verdict["code"], verdict["reason"]) if part),
            evidence_checked=verdict["rules"],
            sampling_info=validation_pb2.VerificationRecord.SamplingInfo(is_sampled=False),
            timestamp=(verdict["at_ms"] or 0) // 1000,
            validator_signature=bytes.fromhex(verdict["signature"].removeprefix("0x")),
        )


def evidence_message(found: DoubleSign) -> service_pb2.DoubleSignEvidence:
    """Return one proof; `evidence` is JSON with both digests and both signatures, checkable by anyone."""
    return service_pb2.DoubleSignEvidence(
        validator_id=found.validator_id,
        epoch=found.epoch,
        evidence=msgspec.json.encode(double_sign_document(found)),
    )


def metrics_message(activity: ValidatorActivity) -> service_pb2.ValidatorMetrics:
    """Return what a validator has done; uptime is the share of remembered epochs that carry its signature."""
    return service_pb2.ValidatorMetrics(
        validator_id=activity.validator_id,
        reports_verified=activity.reports_verified,
        checkpoints_signed=activity.epochs_signed,
        uptime_percentage=activity.signed_percentage,
        last_active=activity.last_active_ms // 1000,
    )
