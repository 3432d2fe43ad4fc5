"""Canonical texts of signed requests: the published vectors and the differences of the two agent libraries."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.protocol.vectors import ASSIGNMENT, KEY, SIGNER, SUBNET

from pinai_subnet.protocol.request_signing import (
    Call,
    go_digest,
    go_text,
    python_digest,
    python_text,
    root_layer_digest,
)
from pinai_subnet.protocol.signatures import recover, recover_header, sign, sign_header

CALL = Call(
    chain_id=SUBNET,
    method="/subnet.v1.MatcherService/RespondToTask",
    timestamp=1800000000,
    nonce="00112233445566778899aabbccddeeff",
)
REQUEST = {
    "response": {
        "task_id": ASSIGNMENT,
        "agent_id": "agent-1",
        "accepted": True,
        "timestamp": "1800000000",
    }
}
values = st.recursive(
    st.booleans() | st.integers(-(2**31), 2**31) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
requests = st.dictionaries(st.text(max_size=6), values, max_size=4)


def test_python_text_and_digest_equal_the_published_vector() -> None:
    assert python_text(CALL, REQUEST).decode() == (
        '{"chain_id":"' + SUBNET + '","method":"/subnet.v1.MatcherService/RespondToTask",'
        '"nonce":"00112233445566778899aabbccddeeff","request":{"response":{"accepted":true,'
        '"agent_id":"agent-1","task_id":"' + ASSIGNMENT + '","timestamp":"1800000000"}},'
        '"timestamp":1800000000}'
    )
    assert (
        python_digest(CALL, REQUEST).hex()
        == "7ca92040ec5d3a457ac2bed6ddd3749dbae04af2bffd78b073bb32876957c761"
    )


def test_agent_header_signature_equals_the_published_vector() -> None:
    """S11: a request that a published Python agent signed is recovered to its address."""
    signature = sign_header(KEY, python_digest(CALL, REQUEST))
    assert signature.hex() == (
        "7d5610b077cff696113accdf8513073668107eae3a6246bd2b2dbe8c6f852f94"
        "79ecdac88d3b611311a8e52d89e6adcd0416ad148b15027700c89f9b5def4f5b00"
    )
    assert recover_header(python_digest(CALL, REQUEST), signature) == SIGNER


def test_root_layer_digest_and_signature_equal_the_published_vector() -> None:
    digest = root_layer_digest(
        subnet_id=SUBNET,
        method="/rootlayer.v1.IntentPoolService/PostAssignment",
        timestamp=1800000000,
    )
    assert digest.hex() == "900cd534157414f55c398f6ea8d989cfb2870f5736954bcf6403d7286e478e6a"
    signature = sign(KEY, digest)
    assert signature.hex() == (
        "6de875ddee19e8badfdefe3e24d8ab9b4e3ea8fcd56e60ebc8ed114da6a96d9b"
        "63a768b93e2edb47b2f98750258a5272b48b3044916fd0b78f839311984bb1511b"
    )
    assert recover(digest, signature) == SIGNER


@pytest.mark.parametrize("request_", [None, {}])
def test_python_agents_leave_an_empty_request_out(request_: dict[str, object] | None) -> None:
    assert b"request" not in python_text(CALL, request_)


def test_go_agents_send_an_empty_request_but_none_for_streams() -> None:
    assert b'"request":{}' in go_text(CALL, {})
    assert b"request" not in go_text(CALL, None)


def test_python_text_escapes_everything_beyond_ascii() -> None:
    text = python_text(CALL, {"reason": "é<&>\u2028😀"})
    assert b'"\\u00e9<&>\\u2028\\ud83d\\ude00"' in text


def test_go_text_keeps_utf8_and_escapes_html_and_line_separators() -> None:
    text = go_text(CALL, {"reason": "é<&>\u2028\u2029😀"})
    assert '"é\\u003c\\u0026\\u003e\\u2028\\u2029😀"'.encode() in text


@settings(max_examples=50)
@given(request_=requests)
def test_both_texts_say_the_same_in_sorted_order(request_: dict[str, object]) -> None:
    from_python = json.loads(python_text(CALL, request_))
    from_go = json.loads(go_text(CALL, request_))
    assert from_python.get("request", {}) == from_go["request"] == request_
    assert list(from_go) == sorted(from_go)
    assert list(from_go["request"]) == sorted(request_)


@settings(max_examples=30)
@given(request_=requests)
def test_a_digest_does_not_depend_on_the_order_of_fields(request_: dict[str, object]) -> None:
    backwards = dict(reversed(request_.items()))
    assert python_digest(CALL, backwards) == python_digest(CALL, request_)
    assert go_digest(CALL, backwards) == go_digest(CALL, request_)


def test_every_header_value_changes_the_digest() -> None:
    others = [
        Call(chain_id="x", method=CALL.method, timestamp=CALL.timestamp, nonce=CALL.nonce),
        Call(chain_id=SUBNET, method="/x", timestamp=CALL.timestamp, nonce=CALL.nonce),
        Call(chain_id=SUBNET, method=CALL.method, timestamp=1, nonce=CALL.nonce),
        Call(chain_id=SUBNET, method=CALL.method, timestamp=CALL.timestamp, nonce="x"),
    ]
    assert len({python_digest(call, REQUEST) for call in (CALL, *others)}) == 5
    assert len({go_digest(call, REQUEST) for call in (CALL, *others)}) == 5
