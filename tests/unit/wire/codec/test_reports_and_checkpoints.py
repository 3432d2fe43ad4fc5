"""Reports and checkpoints on the wire: nothing is lost, nothing malformed gets in, nothing optional is demanded."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pinai_subnet.protocol.checkpoints import Header
from pinai_subnet.protocol.errors import InvalidInput, SubnetError
from pinai_subnet.protocol.ids import AgentId, AssignmentId, IntentId, SubnetId
from pinai_subnet.protocol.reports import (
    ErrorInfo,
    Evidence,
    ExecutionReport,
    ReportStatus,
    ResourceUsage,
)
from pinai_subnet.wire.codec.checkpoints import (
    checkpoint_query,
    decode_header,
    decode_submission,
    encode_header,
)
from pinai_subnet.wire.codec.reports import computed_report_id, decode_report, encode_report
from pinai_subnet.wire.pb.subnet import (
    checkpoint_pb2,
    execution_report_pb2,
    service_pb2,
    validator_pb2,
)

ID = st.binary(min_size=32, max_size=32).map(lambda raw: "0x" + raw.hex())
SMALL = st.binary(max_size=64)
TEXT = st.text(max_size=40)
U64 = st.integers(0, 2**64 - 1)
HASH = st.one_of(st.just(b""), st.binary(min_size=32, max_size=32))

USAGE = st.builds(ResourceUsage, cpu_ms=U64, memory_mb=U64, io_ops=U64, network_bytes=U64)
EVIDENCE = st.builds(
    Evidence,
    env_fingerprint=SMALL,
    inputs_hash=SMALL,
    outputs_hash=SMALL,
    transcript_root=SMALL,
    proof_exec=SMALL,
    resource_usage=st.none() | USAGE,
    external_refs=st.lists(TEXT, max_size=3).map(tuple),
)
REPORTS = st.builds(
    ExecutionReport,
    report_id=TEXT,
    assignment_id=ID.map(AssignmentId),
    intent_id=ID.map(IntentId),
    agent_id=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:@-]{0,20}", fullmatch=True).map(AgentId),
    status=st.sampled_from(ReportStatus),
    result_data=SMALL,
    timestamp=st.integers(1, 2**39),
    evidence=st.none() | EVIDENCE,
    error=st.none() | st.builds(ErrorInfo, code=TEXT, message=TEXT, details=SMALL),
    signature=SMALL,
    root_height=U64,
    root=SMALL,
    root_proof=SMALL,
)


@given(REPORTS)
@settings(max_examples=60)
def test_a_report_survives_the_wire_unchanged(report: ExecutionReport) -> None:
    data = encode_report(report).SerializeToString()
    message = execution_report_pb2.ExecutionReport.FromString(data)
    assert decode_report(message, signer=None) == report


@given(st.binary(max_size=200))
@settings(max_examples=100)
def test_any_decodable_bytes_give_a_report_or_a_coded_refusal(data: bytes) -> None:
    """A2: hostile messages are refused with a code."""
    try:
        message = execution_report_pb2.ExecutionReport.FromString(data)
    except Exception:  # noqa: BLE001 - protobuf's own error: the server boundary's business
        return
    with contextlib.suppress(SubnetError):
        assert decode_report(message, signer=None).timestamp > 0


def minimal(**changes: object) -> execution_report_pb2.ExecutionReport:
    fields: dict[str, object] = {
        "assignment_id": "0x" + "11" * 32,
        "intent_id": "0x" + "22" * 32,
        "agent_id": "agent-1",
        "status": 1,
        "timestamp": 1_700_000_000,
    }
    return execution_report_pb2.ExecutionReport(**{**fields, **changes})  # type: ignore[arg-type]


def test_what_official_agents_leave_out_is_not_missed() -> None:
    """Interop 4 and 6: no evidence, error, signature, root reference or report id."""
    report = decode_report(minimal(), signer=None)
    assert (report.evidence, report.error, report.signature) == (None, None, b"")
    assert computed_report_id(report) == f"0x{'22' * 32}:0x{'11' * 32}:agent-1:1700000000"


@pytest.mark.parametrize(
    "changes",
    [
        {"assignment_id": "assignment-1"},
        {"intent_id": ""},
        {"agent_id": "a b"},
        {"status": 9},
        {"timestamp": 0},
        {"timestamp": -5},
        {"timestamp": 2**62},
        {"report_id": "x" * 257},
        {"signature": b"x" * 5000},
        {"evidence": execution_report_pb2.VerificationEvidence(external_refs=["r"] * 65)},
    ],
)
def test_malformed_fields_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        decode_report(minimal(**changes), signer=None)


@given(
    st.builds(
        Header,
        subnet_id=ID.map(SubnetId),
        epoch=U64,
        timestamp=st.integers(0, 2**62),
        parent_hash=HASH,
        state_root=HASH,
        agent_root=HASH,
        event_root=HASH,
        validator_set_id=TEXT,
        params_hash=HASH,
        assignments_root=HASH,
        validation_commitment=HASH,
        policy_root=HASH,
        aux_hash=HASH,
        version=st.integers(0, 2**32 - 1),
    )
)
@settings(max_examples=40)
def test_a_header_survives_the_wire_unchanged(header: Header) -> None:
    message = encode_header(header, signatures=[bytes(65)], bitmap=b"\x01", weight=1)
    again = checkpoint_pb2.CheckpointHeader.FromString(message.SerializeToString())
    assert decode_header(again) == header
    assert again.signatures.signature_count == 1


def test_an_empty_submission_is_refused() -> None:
    """A2: the published validator dies of exactly this message."""
    for message in (
        validator_pb2.SignatureSubmission(),
        validator_pb2.SignatureSubmission(signature=checkpoint_pb2.Signature()),
        validator_pb2.SignatureSubmission(signature=checkpoint_pb2.Signature(der=b"x")),
        validator_pb2.SignatureSubmission(
            cp_hash=b"x", signature=checkpoint_pb2.Signature(der=b"x")
        ),
    ):
        with pytest.raises(InvalidInput):
            decode_submission(message)


def test_a_checkpoint_is_asked_for_by_epoch_by_hash_or_not_at_all() -> None:
    assert checkpoint_query(service_pb2.GetCheckpointRequest()) is None
    assert checkpoint_query(service_pb2.GetCheckpointRequest(epoch=0)) == 0
    assert checkpoint_query(service_pb2.GetCheckpointRequest(cp_hash=bytes(32))) == bytes(32)
    with pytest.raises(InvalidInput):
        checkpoint_query(service_pb2.GetCheckpointRequest(cp_hash=b"x"))
