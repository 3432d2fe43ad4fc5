"""What validators tell each other about the log, as typed data. Decoding checks every field and executes nothing.

Terms and indexes are as in the Raft paper (Ongaro and Ousterhout, "In Search of an Understandable
Consensus Algorithm", 2014). Every message carries its sender's term, so that a delayed one of an
older leadership is never counted (consensus.md finding J).
"""

from typing import Annotated

import msgspec

from pinai_subnet.ports.errors import Refused

Number = Annotated[int, msgspec.Meta(ge=0, le=2**62)]
Piece = Annotated[bytes, msgspec.Meta(max_length=64 * 1024 * 1024)]


class _Base(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The common shape: a msgpack array that starts with the message's number."""


class PreVote(_Base, frozen=True, tag=1):
    """Would you vote for me in this term? Nobody's state changes by the question."""

    term: Number
    last_index: Number
    last_term: Number


class PreVoteGranted(_Base, frozen=True, tag=2):
    """Yes, I would vote for you in this term."""

    term: Number


class RequestVote(_Base, frozen=True, tag=3):
    """Vote for me in this term."""

    term: Number
    last_index: Number
    last_term: Number


class VoteGranted(_Base, frozen=True, tag=4):
    """You have my durable vote in this term."""

    term: Number


class Append(_Base, frozen=True, tag=5):
    """The leader's entries behind `prev_index`, or none as a heartbeat."""

    term: Number
    commit_index: Number
    prev_index: Number
    prev_term: Number
    entries: list[tuple[Number, Piece]]
    """(term, command); indexes count on from `prev_index`."""


class Next(_Base, frozen=True, tag=6):
    """A follower's answer to `Append`: where it stands; with success, everything below `next_index` is durable."""

    term: Number
    next_index: Number
    success: bool


class SnapshotPiece(_Base, frozen=True, tag=7):
    """A part of the leader's snapshot file."""

    term: Number
    last_index: Number
    last_term: Number
    total: Number
    offset: Number
    data: Piece


class SnapshotReceived(_Base, frozen=True, tag=8):
    """How much of that snapshot a follower has."""

    term: Number
    last_index: Number
    offset: Number


class Beat(_Base, frozen=True, tag=9):
    """I still lead, and something larger is on its way."""

    term: Number


class Alive(_Base, frozen=True, tag=10):
    """I still follow: the answer to `Beat`, and a sign of life while a large frame arrives."""

    term: Number


class TimeoutNow(_Base, frozen=True, tag=11):
    """Take over the leadership now."""

    term: Number


class Forward(_Base, frozen=True, tag=12):
    """Please put this command into the log."""

    term: Number
    request: Number
    command: Piece


class Forwarded(_Base, frozen=True, tag=13):
    """Where the forwarded command was put; index 0 when the receiver does not lead or takes nothing now."""

    term: Number
    request: Number
    index: Number


class Ping(_Base, frozen=True, tag=14):
    """Keeps an idle connection known to be alive."""

    term: Number = 0
    empty: bool = True
    """Whether the sender's log holds nothing at all."""


class Refusal(_Base, frozen=True, tag=15):
    """You proved your key, but may not take part: the reason, before the connection ends."""

    code: Annotated[str, msgspec.Meta(max_length=8)]
    reason: Annotated[str, msgspec.Meta(max_length=512)]
    later: bool
    """Whether the receiver is the second of two lives of its identity, so that it is the one to give up."""


Message = (
    PreVote
    | PreVoteGranted
    | RequestVote
    | VoteGranted
    | Append
    | Next
    | SnapshotPiece
    | SnapshotReceived
    | Beat
    | Alive
    | TimeoutNow
    | Forward
    | Forwarded
    | Ping
    | Refusal
)

PROMISES = (Next, PreVoteGranted, RequestVote, VoteGranted, SnapshotReceived)
"""Messages that may leave only when everything this node holds is durable."""

_decoder = msgspec.msgpack.Decoder(Message)
_encoder = msgspec.msgpack.Encoder()


def encode(message: Message) -> bytes:
    """Return the message's bytes."""
    return _encoder.encode(message)


def decode(payload: bytes | memoryview) -> Message:
    """Return the message; raise `Refused` SN-R044 for bytes that are none."""
    try:
        message: Message = _decoder.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Refused("SN-R044", f"not a replication message: {error}") from error
    return message


def from_engine(message: dict[str, object]) -> Message:
    """Translate the messages that pysyncobj itself still sends; anything else is a defect of ours (SN-R002)."""
    match message:
        case {
            "type": "request_vote",
            "term": int(t),
            "last_log_index": int(i),
            "last_log_term": int(lt),
        }:
            return RequestVote(term=t, last_index=i, last_term=lt)
        case {"type": "response_vote", "term": int(t)}:
            return VoteGranted(term=t)
        case {"type": "timeout_now", "term": int(t)}:
            return TimeoutNow(term=t)
        case _:
            raise Refused(
                "SN-R002", f"the engine sent an unexpected message {message.get('type')!r}"
            )
