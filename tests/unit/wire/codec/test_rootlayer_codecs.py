"""What RootLayer's messages become, and what is refused on the way in."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pinai_subnet.ports.root_layer import SignedBatch
from pinai_subnet.protocol.assignments import Assignment, AssignmentRecord, AssignmentStatus
from pinai_subnet.protocol.batches import BatchItem
from pinai_subnet.protocol.digests import params_hash
from pinai_subnet.protocol.errors import InvalidInput, WrongState
from pinai_subnet.protocol.ids import ZERO_ADDRESS, parse_address
from pinai_subnet.protocol.intents import Intent, IntentStatus
from pinai_subnet.wire.catalogue import CATALOGUE
from pinai_subnet.wire.codec import assignments, batches, intents, refusals
from pinai_subnet.wire.pb.rootlayer import error_reason_pb2

_bytes32_text = st.binary(min_size=32, max_size=32).map(lambda b: "0x" + b.hex())
_hash = st.binary(min_size=32, max_size=32)
_signature = st.binary(min_size=65, max_size=65)
_address = st.binary(min_size=20, max_size=20).map(lambda b: parse_address("0x" + b.hex(), "x"))
_seconds = st.integers(0, 2**61)
_amount = st.integers(0, 2**256 - 1)
_text = st.text(min_size=1, max_size=20).filter(
    lambda t: not any(0xD800 <= ord(c) < 0xE000 for c in t)
)

_intents = st.builds(
    Intent,
    intent_id=_bytes32_text,
    subnet_id=_bytes32_text,
    requester=_address,
    settle_chain=_text,
    intent_type=_text,
    intent_raw=st.binary(max_size=50),
    metadata=st.binary(max_size=50),
    params_hash=_hash,
    tips_token=_address,
    tips=_amount,
    budget_token=_address,
    budget=_amount,
    deadline=_seconds,
    intent_expiration=_seconds,
    status=st.sampled_from(IntentStatus),
    created_at=_seconds,
    signature=_signature,
)
_assignments = st.builds(
    Assignment,
    assignment_id=_bytes32_text,
    intent_id=_bytes32_text,
    bid_id=_bytes32_text,
    agent_address=_address,
    status=st.sampled_from([AssignmentStatus.ACTIVE, AssignmentStatus.FAILED]),
    matcher=_address,
    signature=_signature,
)
_records = st.builds(
    AssignmentRecord,
    assignment=_assignments,
    agent_id=st.just("agent-1"),
    intent_type=_text,
    assigned_at=_seconds,
    deadline=_seconds,
    attempt=st.integers(1, 2**32 - 1),
    intent_params_hash=_hash,
    record_signature=_signature,
)
_items = st.builds(
    BatchItem,
    intent_id=_bytes32_text,
    assignment_id=_bytes32_text,
    agent=_address,
    result_hash=_hash,
    proof_hash=_hash,
    executed_at=_seconds,
)
_batches = st.builds(
    SignedBatch,
    subnet_id=_bytes32_text,
    epoch=st.integers(0, 2**64 - 1),
    root_hash=_hash,
    aggregator_id=_text,
    completed_at=_seconds,
    signatures=st.lists(st.tuples(_address, _signature), max_size=3).map(tuple),
    signer_bitmap=st.binary(max_size=2),
    total_weight=st.integers(0, 2**64 - 1),
    items=st.lists(_items, min_size=1, max_size=3).map(tuple),
    items_hash=_hash,
)


@settings(max_examples=40)
@given(_intents)
def test_an_intent_comes_back_as_it_was(intent: Intent) -> None:
    assert intents.decode_intent(intents.encode_intent(intent)) == intent


@settings(max_examples=40)
@given(_intents)
def test_a_submission_becomes_a_pending_intent_with_a_computed_params_hash(intent: Intent) -> None:
    decoded = intents.decode_submission(intents.encode_submission(intent), created_at=7)
    assert decoded.status is IntentStatus.PENDING
    assert decoded.created_at == 7
    assert decoded.intent_expiration == intent.deadline
    assert decoded.params_hash == params_hash(intent.intent_raw, intent.metadata)
    assert (decoded.intent_raw, decoded.budget, decoded.signature) == (
        intent.intent_raw,
        intent.budget,
        intent.signature,
    )


@settings(max_examples=40)
@given(_records)
def test_a_record_comes_back_as_it_was(record: AssignmentRecord) -> None:
    assert assignments.decode_record(assignments.encode_record(record)) == record


@settings(max_examples=40)
@given(_batches)
def test_a_batch_comes_back_as_it_was_and_keeps_its_order(batch: SignedBatch) -> None:
    assert batches.decode_group(batches.encode_group(batch)) == batch
    assert batches.batch_from_bytes(batches.batch_to_bytes(batch)) == batch


def _submission() -> intents.service_pb2.SubmitIntentRequest:
    return intents.service_pb2.SubmitIntentRequest(
        intent_id="0x" + "a1" * 32,
        subnet_id="0x" + "00" * 31 + "02",
        requester="0x" + "11" * 20,
        intent_type="t",
        budget="5",
        deadline=9,
        signature=b"\1" * 65,
    )


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("intent_id", "0x" + "a1" * 31, "SN-N101"),
        ("intent_id", "a1" * 32, "SN-N101"),
        ("subnet_id", "2", "SN-N101"),
        ("requester", "agent-1", "SN-N102"),
        ("budget_token", "0x11", "SN-N102"),
        ("budget", "", "SN-S003"),
        ("budget", "-1", "SN-S003"),
        ("budget", "1e18", "SN-S003"),
        ("budget", "٣", "SN-S003"),
        ("budget", str(2**256), "SN-S003"),
        ("tips", " 1", "SN-S003"),
        ("deadline", -1, "SN-S004"),
        ("signature", b"\1" * 64, "SN-N110"),
    ],
)
def test_a_malformed_submission_is_refused_with_its_code(
    field: str, value: object, code: str
) -> None:
    message = _submission()
    setattr(message, field, value)
    with pytest.raises(InvalidInput) as caught:
        intents.decode_submission(message, created_at=0)
    assert caught.value.code == code


def test_tips_and_tokens_may_be_left_out() -> None:
    intent = intents.decode_submission(_submission(), created_at=0)
    assert (intent.tips, intent.tips_token, intent.budget_token) == (0, ZERO_ADDRESS, ZERO_ADDRESS)


def test_an_assignment_without_status_or_with_an_unknown_one_is_refused() -> None:
    message = assignments.assignment_pb2.Assignment(assignment_id="0x" + "b1" * 32)
    for status in (0, 9):
        message.status = status  # type: ignore[assignment]
        with pytest.raises(InvalidInput, match="status") as caught:
            assignments.decode_assignment(message)
        assert caught.value.code == "SN-S002"


def test_a_batch_without_items_is_refused() -> None:
    with pytest.raises(InvalidInput) as caught:
        batches.decode_group(batches.validation_pb2.ValidationBatchGroup())
    assert caught.value.code == "SN-S030"


def test_stored_bytes_that_are_no_batch_are_refused() -> None:
    with pytest.raises(InvalidInput):
        batches.batch_from_bytes(b"\xff\xff")


def test_a_status_name_is_read_with_and_without_prefix() -> None:
    assert intents.parse_intent_status("PENDING") is IntentStatus.PENDING
    assert intents.parse_intent_status("INTENT_STATUS_EXPIRED") is IntentStatus.EXPIRED
    with pytest.raises(InvalidInput):
        intents.parse_intent_status("pending?")


def test_a_refusal_names_code_reason_and_number() -> None:
    text = refusals.refusal_text(WrongState("SN-S010", "it exists"))
    assert text == "SN-S010 INTENT_ALREADY_EXISTS (5000): it exists"
    assert refusals.reason_number("SN-X999") == 4000


def test_every_code_with_a_reason_is_in_the_catalogue_and_every_reason_exists() -> None:
    for code, name in refusals._REASONS.items():
        if code.startswith("SN-S"):
            assert code in CATALOGUE
        assert name in error_reason_pb2.IntentErrorReason.keys()  # noqa: SIM118 - no mapping
