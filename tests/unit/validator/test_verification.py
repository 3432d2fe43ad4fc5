"""Every rule of a validation policy, one by one, and the ways in which rules add up to a verdict."""

from dataclasses import replace

import pytest

from pinai_subnet.adapters.signer.local import LocalSigner
from pinai_subnet.protocol.assignments import Assignment, AssignmentRecord, AssignmentStatus
from pinai_subnet.protocol.digests import keccak256
from pinai_subnet.protocol.ids import Address, AgentId, AssignmentId, BidId, IntentId
from pinai_subnet.protocol.reports import (
    ErrorInfo,
    Evidence,
    ExecutionReport,
    ReportStatus,
    ResourceUsage,
    signing_digest,
)
from pinai_subnet.validator.policy import Policy, PolicyBook, Weights
from pinai_subnet.validator.rules import RULES, Case
from pinai_subnet.validator.verification import confidence_of, judge, rules_of
from pinai_subnet.wire.catalogue import CATALOGUE

AGENT = Address("0xd8dA6BF26964aF9D7eEd9e03E53415D37aA96045")
OTHER = Address("0x52908400098527886E0F7030069857D2E4169EE7")
NOW = 1_700_000_100
PARAMS = keccak256(b"params")


def record() -> AssignmentRecord:
    return AssignmentRecord(
        assignment=Assignment(
            assignment_id=AssignmentId("0x" + "11" * 32),
            intent_id=IntentId("0x" + "22" * 32),
            bid_id=BidId("0x" + "33" * 32),
            agent_address=AGENT,
            status=AssignmentStatus.ACTIVE,
            matcher=OTHER,
            signature=bytes(65),
        ),
        agent_id=AgentId("agent-1"),
        intent_type="echo",
        assigned_at=NOW - 100,
        deadline=NOW + 500,
        attempt=1,
        intent_params_hash=PARAMS,
        record_signature=bytes(65),
    )


def report(**changes: object) -> ExecutionReport:
    """What an official agent sends: no evidence, no error, no signature."""
    plain = ExecutionReport(
        report_id="3f0c",
        assignment_id=AssignmentId("0x" + "11" * 32),
        intent_id=IntentId("0x" + "22" * 32),
        agent_id=AgentId("agent-1"),
        status=ReportStatus.SUCCESS,
        result_data=b"result",
        timestamp=NOW,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def case(policy: Policy | None = None, *, received_at: int = NOW, **changes: object) -> Case:
    return Case(
        report=report(**changes),
        record=record(),
        received_at=received_at,
        policy=policy or Policy(),
    )


def test_the_report_of_an_official_agent_passes_the_default_policy() -> None:
    """Interop 4 and 6: no signature, no evidence, no error info."""
    judgement = judge(case())
    assert judgement.passed
    assert judgement.code == ""
    assert judgement.confidence == 1.0
    assert "agent_matches" in judgement.rules


def test_both_spellings_of_the_agent_match() -> None:
    """Interop 5: Python agents report under their name, Go agents under their address."""
    assert judge(case(agent_id=AgentId(AGENT))).passed
    assert judge(case(agent_id=AgentId(AGENT.lower()))).passed


@pytest.mark.parametrize(
    ("code", "policy", "changes"),
    [
        ("SN-V050", Policy(), {"agent_id": ""}),
        ("SN-V050", Policy(require_report_id=True), {"report_id": ""}),
        ("SN-V051", Policy(), {"assignment_id": "0x" + "99" * 32}),
        ("SN-V052", Policy(), {"intent_id": "0x" + "99" * 32}),
        ("SN-V053", Policy(), {"agent_id": "agent-2"}),
        ("SN-V054", Policy(), {"signer": OTHER}),
        ("SN-V054", Policy(require_signed_request=True), {}),
        ("SN-V079", Policy(require_report_signature=True), {}),
        ("SN-V079", Policy(), {"signature": b"\x01" * 65}),
        ("SN-V079", Policy(), {"signature": b"\x01"}),
        ("SN-V055", Policy(blocked_agents=("agent-1",)), {}),
        ("SN-V055", Policy(blocked_agents=(AGENT,)), {}),
        ("SN-V056", Policy(), {"status": ReportStatus.UNSPECIFIED}),
        ("SN-V057", Policy(), {"status": ReportStatus.FAILED}),
        ("SN-V058", Policy(), {"status": ReportStatus.PARTIAL}),
        ("SN-V059", Policy(), {"timestamp": NOW + 301}),
        ("SN-V060", Policy(before_assignment_seconds=9999), {"timestamp": NOW - 2101}),
        ("SN-V061", Policy(), {"timestamp": NOW - 401}),
        ("SN-V063", Policy(), {"result_data": b""}),
        ("SN-V064", Policy(), {"error": ErrorInfo(code="E1")}),
        (
            "SN-V065",
            Policy(accept_partial=True),
            {"status": ReportStatus.PARTIAL, "result_data": b""},
        ),
        ("SN-V066", Policy(max_result_bytes=5), {}),
        ("SN-V067", Policy(large_result_bytes=5), {}),
        ("SN-V068", Policy(required_evidence=("proof_exec",)), {}),
        ("SN-V069", Policy(), {"evidence": Evidence(outputs_hash=bytes(32))}),
        ("SN-V070", Policy(), {"evidence": Evidence(inputs_hash=bytes(32))}),
        (
            "SN-V071",
            Policy(max_cpu_ms=10),
            {"evidence": Evidence(resource_usage=ResourceUsage(cpu_ms=11))},
        ),
        (
            "SN-V071",
            Policy(max_memory_mb=1, max_io_ops=1, max_network_bytes=1),
            {"evidence": Evidence(resource_usage=ResourceUsage(memory_mb=2, io_ops=2))},
        ),
    ],
)
def test_each_rule_refuses_with_its_own_code(
    code: str, policy: Policy, changes: dict[str, object]
) -> None:
    """V1: results are verified. L15: a refused report gets a verdict at once instead of staying pending."""
    judgement = judge(case(policy, **changes))
    assert not judgement.passed
    assert judgement.code == code
    assert judgement.reason


def test_a_late_report_is_refused_after_the_grace() -> None:
    assert judge(case(received_at=NOW + 530, timestamp=NOW + 530)).passed
    assert judge(case(received_at=NOW + 531, timestamp=NOW + 531)).code == "SN-V062"


def test_a_failed_report_is_a_failing_verdict_with_the_agents_words() -> None:
    """V2: FAILED and PARTIAL reports are never submitted as validated results."""
    judgement = judge(
        case(
            status=ReportStatus.FAILED, result_data=b"", error=ErrorInfo(code="E7", message="disk")
        )
    )
    assert judgement.code == "SN-V057"
    assert "agent_reported_failure (E7: disk)" in judgement.reason


def test_a_report_signed_by_its_agent_passes_and_any_change_to_it_does_not() -> None:
    """A8 and point 9: not even a member can report for an agent, where the policy asks for the agent's signature."""
    agent = LocalSigner(b"\x07" * 32)
    unsigned = case(Policy(require_report_signature=True))
    assignment = replace(unsigned.record.assignment, agent_address=agent.address)
    signature = agent.sign(signing_digest(unsigned.report))
    signed = replace(
        unsigned,
        record=replace(unsigned.record, assignment=assignment),
        report=replace(unsigned.report, signature=signature),
    )
    assert judge(signed).passed
    for change in (
        {"result_data": b"other"},
        {"timestamp": NOW - 1},
        {"report_id": "another"},
        {"error": ErrorInfo(message="x")},
        {"evidence": Evidence()},
        {"root": b"\x01" * 32},
        {"signature": LocalSigner(b"\x08" * 32).sign(signing_digest(unsigned.report))},
    ):
        changed = replace(signed, report=replace(signed.report, **change))  # type: ignore[arg-type]
        assert "SN-V079" in judge(changed).reason or judge(changed).code == "SN-V079"


def test_a_signed_request_of_the_assigned_agent_passes_where_signing_is_required() -> None:
    assert judge(case(Policy(require_signed_request=True), signer=AGENT)).passed


def test_right_hashes_pass() -> None:
    evidence = Evidence(outputs_hash=keccak256(b"result"), inputs_hash=PARAMS)
    assert judge(case(evidence=evidence)).passed
    assert judge(
        case(
            Policy(large_result_bytes=5),
            evidence=Evidence(transcript_root=bytes(32), external_refs=("ipfs://x",)),
        )
    ).passed


@pytest.mark.parametrize(
    ("policy", "changes"),
    [
        (Policy(check_lease=False), {"timestamp": NOW + 9999}),
        (Policy(check_output=False), {"result_data": b""}),
        (Policy(check_evidence=False), {"evidence": Evidence(outputs_hash=bytes(32))}),
        (Policy(success_requires_result=False), {"result_data": b""}),
        (Policy(success_forbids_error=False), {"error": ErrorInfo(code="E1")}),
        (Policy(accept_partial=True), {"status": ReportStatus.PARTIAL}),
        (
            Policy(accept_partial=True, partial_requires_content=False),
            {"status": ReportStatus.PARTIAL, "result_data": b""},
        ),
        (Policy(verify_outputs_hash=False), {"evidence": Evidence(outputs_hash=bytes(32))}),
        (Policy(verify_inputs_hash=False), {"evidence": Evidence(inputs_hash=bytes(32))}),
        (Policy(max_ahead_seconds=400), {"timestamp": NOW + 301}),
        (Policy(before_assignment_seconds=500), {"timestamp": NOW - 401}),
        (Policy(before_assignment_seconds=9999, max_age_seconds=9999), {"timestamp": NOW - 2101}),
    ],
)
def test_every_switch_changes_the_verdict(policy: Policy, changes: dict[str, object]) -> None:
    """D1: no key of the policy is dead."""
    assert not judge(case(**changes)).passed
    assert judge(case(policy, **changes)).passed


def test_the_deadline_grace_is_live() -> None:
    late = NOW + 560
    assert judge(case(Policy(deadline_grace_seconds=60), received_at=late, timestamp=late)).passed


def test_fail_fast_stops_at_the_first_broken_rule() -> None:
    broken: dict[str, object] = {"status": ReportStatus.UNSPECIFIED, "timestamp": NOW + 9999}
    slow, fast = judge(case(**broken)), judge(case(Policy(fail_fast=True), **broken))
    assert slow.code == fast.code == "SN-V056"
    assert "timestamp_not_ahead" in slow.reason
    assert fast.rules[-1] == "status_specified"


def test_weighted_scoring_tolerates_what_weighs_little() -> None:
    weighted = Policy(weighted_scoring=True, min_confidence=0.7)
    judgement = judge(case(weighted, result_data=b""))
    assert judgement.passed
    assert 0.7 <= judgement.confidence < 1.0
    assert confidence_of(passed=True, reason=judgement.reason) == pytest.approx(
        judgement.confidence, abs=0.01
    )
    strict = replace(weighted, min_confidence=0.99)
    refused = judge(case(strict, result_data=b""))
    assert (refused.passed, refused.code) == (False, "SN-V072")
    heavy = replace(weighted, weights=Weights(lease=0, evidence=0, output=1), min_confidence=0.9)
    assert judge(case(heavy, result_data=b"")).code == "SN-V072"


def test_weighted_scoring_never_forgives_identity_or_outcome() -> None:
    weighted = Policy(weighted_scoring=True, min_confidence=0.0)
    assert judge(case(weighted, agent_id=AgentId("agent-2"))).code == "SN-V053"
    assert judge(case(weighted, status=ReportStatus.FAILED)).code == "SN-V057"


def test_the_book_prefers_the_types_own_policy() -> None:
    book = PolicyBook(overrides={"strict": Policy(policy_id="strict")})
    assert book.for_type("strict").policy_id == "strict"
    assert book.for_type("echo").policy_id == "default"


def test_codes_are_unique_and_explained() -> None:
    codes = [rule.code for rule in RULES]
    assert len(set(codes)) == len(codes)
    assert set(codes) <= set(CATALOGUE)
    assert "evidence_present" not in {rule.name for rule in rules_of(Policy())}
