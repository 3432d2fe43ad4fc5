"""Bytes from the network become typed messages or a coded refusal, never anything that runs."""

import pickle

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pinai_subnet.consensus.messages import (
    Append,
    Forward,
    Next,
    Ping,
    PreVote,
    RequestVote,
    SnapshotPiece,
    TimeoutNow,
    VoteGranted,
    decode,
    encode,
    from_engine,
)
from pinai_subnet.ports.errors import Refused


class Bomb:
    """Shows by an exception that it was unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (pytest.fail, ("a pickle was executed",))


@pytest.mark.parametrize(
    "message",
    [
        PreVote(term=2, last_index=3, last_term=1),
        RequestVote(term=2, last_index=3, last_term=1),
        Append(term=1, commit_index=2, prev_index=3, prev_term=1, entries=[(1, b"\x00a")]),
        Next(term=1, next_index=4, success=True),
        SnapshotPiece(term=1, last_index=9, last_term=1, total=3, offset=0, data=b"abc"),
        Forward(term=1, request=5, command=b"\x00x"),
        Ping(),
    ],
)
def test_messages_survive_the_wire(message: object) -> None:
    assert decode(encode(message)) == message  # type: ignore[arg-type]


@settings(max_examples=200, deadline=None)
@given(payload=st.binary(max_size=200))
def test_random_bytes_are_refused_or_a_message(payload: bytes) -> None:
    try:
        message = decode(payload)
    except Refused as refusal:
        assert refusal.code == "SN-R044"  # noqa: PT017
    else:
        assert decode(encode(message)) == message


@pytest.mark.parametrize(
    "payload",
    [
        pickle.dumps(Bomb()),
        pickle.dumps({"type": "append_entries", "term": 1}, protocol=2),
        msgspec.msgpack.encode({"type": "request_vote", "term": 1}),
        msgspec.msgpack.encode([3, -1, 0, 0]),
        msgspec.msgpack.encode([3, "1", 0, 0]),
        msgspec.msgpack.encode([99, 1]),
        msgspec.msgpack.encode([4, 1, 2]),
        b"\x91" * 5000,
        b"\x96\x65\x01\xa1c\xa2\xff\xff\xa2v2\xc4\x00",
    ],
)
def test_hostile_payloads_are_refused(payload: bytes) -> None:
    with pytest.raises(Refused, match="SN-R044"):
        decode(payload)


def test_messages_of_the_engine_are_translated() -> None:
    vote = from_engine({"type": "request_vote", "term": 2, "last_log_index": 7, "last_log_term": 1})
    assert vote == RequestVote(term=2, last_index=7, last_term=1)
    assert from_engine({"type": "response_vote", "term": 2}) == VoteGranted(term=2)
    assert from_engine({"type": "timeout_now", "term": 2}) == TimeoutNow(term=2)


def test_unexpected_message_of_the_engine_is_an_error() -> None:
    with pytest.raises(Refused, match="SN-R002"):
        from_engine({"type": "append_entries", "term": 1, "transmission": "start", "data": b""})
