"""Our own digests: every field counts, none runs into the next, and anybody can redo them."""

from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pinai_subnet.protocol.assignments import (
    Assignment,
    AssignmentRecord,
    AssignmentStatus,
    record_digest,
)
from pinai_subnet.protocol.commitments import commitment
from pinai_subnet.protocol.errors import InvalidInput
from pinai_subnet.protocol.ids import Address, AgentId, AssignmentId, BidId, IntentId, SubnetId
from pinai_subnet.protocol.reports import (
    ErrorInfo,
    Evidence,
    ExecutionReport,
    ReportStatus,
    ResourceUsage,
    digest_of_hashes,
    proof_hash,
    report_digest,
    result_hash,
)

ONE, TWO = "0x" + "11" * 32, "0x" + "22" * 32
ADDRESS = Address("0x" + "33" * 20)
SUBNET = SubnetId("0x" + "00" * 31 + "02")
REPORT = ExecutionReport(
    report_id="r",
    assignment_id=AssignmentId(ONE),
    intent_id=IntentId(TWO),
    agent_id=AgentId("agent-1"),
    status=ReportStatus.SUCCESS,
    result_data=b"42",
    timestamp=1_700_000_000,
)
RECORD = AssignmentRecord(
    assignment=Assignment(
        assignment_id=AssignmentId(ONE),
        intent_id=IntentId(TWO),
        bid_id=BidId(ONE),
        agent_address=ADDRESS,
        status=AssignmentStatus.ACTIVE,
        matcher=ADDRESS,
        signature=bytes(65),
    ),
    agent_id=AgentId("agent-1"),
    intent_type="echo",
    assigned_at=1,
    deadline=2,
    attempt=1,
    intent_params_hash=bytes(32),
    record_signature=b"",
)


@given(st.lists(st.binary(max_size=5), max_size=4), st.lists(st.binary(max_size=5), max_size=4))
@settings(max_examples=100)
def test_different_parts_have_different_commitments(left: list[bytes], right: list[bytes]) -> None:
    """S3: no ambiguous concatenation."""
    same = commitment(b"t", *left) == commitment(b"t", *right)
    assert same == (left == right)
    assert commitment(b"t", *left) != commitment(b"u", *left)


def test_the_result_hash_is_sha256_of_the_result_bytes() -> None:
    """S2: a requester checks the delivered result with any sha256 tool."""
    assert result_hash(REPORT) == sha256(b"42").digest()
    assert result_hash(replace(REPORT, status=ReportStatus.FAILED)) == result_hash(REPORT)


@pytest.mark.parametrize(
    "changed",
    [
        {"report_id": "s"},
        {"assignment_id": TWO},
        {"intent_id": ONE},
        {"agent_id": "agent-2"},
        {"status": ReportStatus.PARTIAL},
        {"timestamp": 1},
        {"error": ErrorInfo()},
        {"error": ErrorInfo(code="c")},
        {"error": ErrorInfo(message="c")},
        {"error": ErrorInfo(details=b"c")},
        {"evidence": Evidence()},
        {"evidence": Evidence(env_fingerprint=b"x")},
        {"evidence": Evidence(inputs_hash=b"x")},
        {"evidence": Evidence(outputs_hash=b"x")},
        {"evidence": Evidence(transcript_root=b"x")},
        {"evidence": Evidence(proof_exec=b"x")},
        {"evidence": Evidence(external_refs=("x",))},
        {"evidence": Evidence(external_refs=("x", ""))},
        {"evidence": Evidence(resource_usage=ResourceUsage())},
        {"evidence": Evidence(resource_usage=ResourceUsage(io_ops=1))},
    ],
)
def test_everything_the_agent_claims_changes_the_proof_hash(changed: dict[str, object]) -> None:
    """S3: status, ids, time, error and evidence are all covered."""
    other = replace(REPORT, **changed)  # type: ignore[arg-type]
    assert proof_hash(other) != proof_hash(REPORT)
    assert report_digest(other) != report_digest(REPORT)


@pytest.mark.parametrize(
    "changed",
    [
        {"result_data": b"43"},
        {"signature": b"s"},
        {"root_height": 1},
        {"root": b"r"},
        {"root_proof": b"p"},
        {"signer": ADDRESS},
    ],
)
def test_the_report_digest_covers_what_the_hashes_leave_out(changed: dict[str, object]) -> None:
    other = replace(REPORT, **changed)  # type: ignore[arg-type]
    assert proof_hash(other) == proof_hash(REPORT)
    assert report_digest(other) != report_digest(REPORT)


def test_a_report_is_checked_also_when_its_result_bytes_are_gone() -> None:
    bare = replace(REPORT, result_data=b"")
    assert digest_of_hashes(bare, result_hash(REPORT), proof_hash(bare)) == report_digest(REPORT)


@pytest.mark.parametrize("changed", [{"timestamp": -1}, {"intent_id": "x"}, {"root_height": -1}])
def test_a_malformed_report_has_no_digest(changed: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        report_digest(replace(REPORT, **changed))  # type: ignore[arg-type]


def test_the_record_digest_covers_every_field_and_the_subnet() -> None:
    """A record cannot be changed, nor replayed in another subnet."""
    assignment = RECORD.assignment
    others = [
        replace(RECORD, agent_id=AgentId("agent-2")),
        replace(RECORD, intent_type="other"),
        replace(RECORD, assigned_at=9),
        replace(RECORD, deadline=9),
        replace(RECORD, attempt=9),
        replace(RECORD, intent_params_hash=b"\x01" * 32),
        *(
            replace(RECORD, assignment=replace(assignment, **changed))  # type: ignore[arg-type]
            for changed in (
                {"assignment_id": TWO},
                {"intent_id": ONE},
                {"bid_id": TWO},
                {"agent_address": "0x" + "44" * 20},
                {"status": AssignmentStatus.FAILED},
                {"matcher": "0x" + "44" * 20},
                {"signature": b"\x01" * 65},
            )
        ),
    ]
    digests = {record_digest(one, subnet_id=SUBNET) for one in [RECORD, *others]}
    digests.add(record_digest(RECORD, subnet_id=SubnetId("0x" + "00" * 31 + "03")))
    assert len(digests) == len(others) + 2
    unsigned = replace(RECORD, record_signature=b"anything")
    assert record_digest(unsigned, subnet_id=SUBNET) in digests
