"""Bids on the wire: strict in, plain out; where the paid address comes from."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pinai_subnet.ports.ledger import Outcome, OutcomeKind
from pinai_subnet.protocol.bids import BidStatus
from pinai_subnet.protocol.errors import InvalidInput
from pinai_subnet.protocol.ids import Address, AgentId, AssignmentId, IntentId
from pinai_subnet.wire.codec.bids import decode_bid, encode_bid
from pinai_subnet.wire.codec.outcomes import decode_outcome, encode_outcome
from pinai_subnet.wire.pb.pinai import ledger_pb2
from pinai_subnet.wire.pb.subnet import bid_pb2

ALICE = Address("0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A")
BOB = Address("0x1563915e194D8CfBA1943570603F7606A3115508")
ID = "0x" + "ab" * 32


def message(**changes: Any) -> bid_pb2.Bid:
    values: dict[str, Any] = {
        "bid_id": ID,
        "intent_id": ID,
        "agent_id": "agent-1",
        "price": 7,
        "token": "PIN",
        "submitted_at": 9,
        "nonce": "n",
        "metadata": {"chain_address": ALICE},
    }
    return bid_pb2.Bid(**{**values, **changes})


def test_a_bid_keeps_its_fields_and_gets_the_standing_it_has_now() -> None:
    bid = decode_bid(message(), received_at_ms=5, known_address=None)
    assert (bid.price, bid.token, bid.agent_id, bid.received_at_ms) == (7, "PIN", "agent-1", 5)
    again = encode_bid(bid, BidStatus.WINNER)
    assert again.status == bid_pb2.BID_STATUS_WINNER
    again.status = bid_pb2.BID_STATUS_UNSPECIFIED
    assert again == message()


@pytest.mark.parametrize(
    ("changes", "known", "expected"),
    [
        ({}, BOB, ALICE),
        ({"metadata": {"chain_address": ALICE.lower()}}, None, ALICE),
        ({"metadata": {}, "agent_id": BOB}, ALICE, BOB),
        ({"metadata": {}}, BOB, BOB),
    ],
)
def test_where_the_paid_address_comes_from(
    changes: dict[str, Any], known: Address | None, expected: Address
) -> None:
    """Agent-interop row 5."""
    bid = decode_bid(message(**changes), received_at_ms=0, known_address=known)
    assert bid.agent_address == expected


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"metadata": {}}, "SN-M005"),
        ({"metadata": {"chain_address": "0x12"}}, "SN-N102"),
        ({"bid_id": "ab" * 32}, "SN-N101"),
        ({"intent_id": ID + "00"}, "SN-N101"),
        ({"agent_id": "agent 1"}, "SN-N103"),
        ({"submitted_at": -1}, "SN-S004"),
        ({"token": "t" * 129}, "SN-M023"),
        ({"metadata": {"a": "b" * 5000}}, "SN-M023"),
        ({"metadata": {str(n): "" for n in range(40)}}, "SN-M023"),
    ],
)
def test_malformed_bids_are_refused_with_a_code(changes: dict[str, Any], code: str) -> None:
    """L8."""
    with pytest.raises(InvalidInput) as refused:
        decode_bid(message(**changes), received_at_ms=0, known_address=None)
    assert refused.value.code == code


@settings(max_examples=100, deadline=None)
@given(st.builds(bid_pb2.Bid, bid_id=st.text(max_size=80), agent_id=st.text(max_size=80)))
def test_hostile_bids_raise_nothing_but_refusals(hostile: bid_pb2.Bid) -> None:
    with pytest.raises(InvalidInput):
        decode_bid(hostile, received_at_ms=0, known_address=None)


def test_outcomes_come_back_as_they_went() -> None:
    outcome = Outcome(
        sequence=3,
        intent_id=IntentId(ID),
        assignment_id=AssignmentId(ID),
        agent_id=AgentId("agent-1"),
        agent_address=ALICE,
        kind=OutcomeKind.REJECTED,
        code="SN-V031",
        reason="wrong",
        at_ms=12,
        epoch=2,
    )
    assert decode_outcome(encode_outcome(outcome)) == outcome


def test_a_resync_names_no_assignment() -> None:
    resync = decode_outcome(ledger_pb2.Outcome(sequence=9, kind=ledger_pb2.RESYNC))
    assert (resync.kind, resync.assignment_id, resync.agent_address) == (
        OutcomeKind.RESYNC,
        "",
        None,
    )
    with pytest.raises(InvalidInput):
        decode_outcome(ledger_pb2.Outcome(sequence=9, kind=ledger_pb2.SETTLED))
