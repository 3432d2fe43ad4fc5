"""The places where foreign bytes come in, each as one function of bytes that may only refuse with a code.

Anything else that leaves such a function is a finding: an exception without a code, or a value that does not survive
its own encoding. The bounded tests and the coverage-guided fuzzer run the same functions.
"""

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any
from zlib import crc32

import msgspec
from google.protobuf.message import DecodeError, Message
from tests.unit.consensus.test_handshake import member
from tests.unit.consensus.test_journal import contents, fill, open_journal
from tests.unit.validator.ledger_world import START, SUBNET, World, record, report, signer

from pinai_subnet.adapters.signing_record.file import FileSigningRecord
from pinai_subnet.consensus.connection import Connection
from pinai_subnet.consensus.fence import Fence, Life
from pinai_subnet.consensus.handshake import Acceptor, Dialer, Session
from pinai_subnet.consensus.messages import Append, Ping, RequestVote, decode, encode
from pinai_subnet.consensus.snapshot import SnapshotStore
from pinai_subnet.ports.errors import DependencyError
from pinai_subnet.ports.signing_record import SigningIntent
from pinai_subnet.protocol.digests import keccak256
from pinai_subnet.protocol.errors import SubnetError
from pinai_subnet.protocol.ids import Address, bytes32
from pinai_subnet.validator import snapshot_codec
from pinai_subnet.validator.backup_file import decode_backup, encode_backup, verify_backup
from pinai_subnet.validator.backups import unsigned_backup
from pinai_subnet.validator.command_bodies import KINDS
from pinai_subnet.validator.command_codec import VERSION, decode_command, encode_command
from pinai_subnet.validator.ledger import Ledger
from pinai_subnet.validator.state_machine import LedgerMachine
from pinai_subnet.wire.codec.assignments import decode_record, encode_record
from pinai_subnet.wire.codec.batches import decode_bundle, decode_group
from pinai_subnet.wire.codec.bids import decode_bid
from pinai_subnet.wire.codec.checkpoints import decode_header
from pinai_subnet.wire.codec.checkpoints import decode_submission as decode_signature_claim
from pinai_subnet.wire.codec.intents import decode_intent
from pinai_subnet.wire.codec.intents import decode_submission as decode_intent_submission
from pinai_subnet.wire.codec.outcomes import decode_outcome
from pinai_subnet.wire.codec.reports import decode_report, encode_report
from pinai_subnet.wire.pb.pinai import ledger_pb2
from pinai_subnet.wire.pb.rootlayer import intent_pb2, validation_pb2
from pinai_subnet.wire.pb.rootlayer import service_pb2 as rootlayer_pb2
from pinai_subnet.wire.pb.subnet import bid_pb2, checkpoint_pb2, execution_report_pb2, validator_pb2

CODED = (SubnetError, DependencyError)
_JOURNAL = {"segment_entries": 8}


@dataclass(frozen=True)
class Surface:
    """One way in: what takes the bytes, and well-formed examples to start from."""

    name: str
    take: Callable[[bytes], object]
    seeds: Callable[[], list[bytes]]


def refuses_or_takes(surface: Surface, data: bytes) -> bool:
    """Feed bytes to a surface; return whether it took them. Everything but a coded refusal is raised."""
    try:
        surface.take(data)
    except CODED:
        return False
    return True


# -- the replication port --------------------------------------------------------------------------


def _raft_message(data: bytes) -> None:
    message = decode(data)
    assert decode(encode(message)) == message


def _handshake(data: bytes) -> None:
    """The first byte chooses who hears it, so that every step of both sides is reached."""
    step, payload = data[:1] or b"\0", data[1:]
    dialer, acceptor = Dialer(member(1), member(2).me), Acceptor(member(2))
    if step[0] % 4 == 0:
        acceptor.receive(payload)
        return
    welcome = acceptor.receive(dialer.opening())
    assert welcome is not None
    if step[0] % 4 == 1:
        dialer.receive(payload)
        return
    proof = dialer.receive(welcome)
    assert proof is not None
    if step[0] % 4 == 2:
        acceptor.receive(payload)
        assert acceptor.session is None, "a stranger's proof was believed"
        return
    acceptor.receive(proof)
    dialer.receive(payload)


def _handshake_seeds() -> list[bytes]:
    dialer, acceptor = Dialer(member(1), member(2).me), Acceptor(member(2))
    hello = dialer.opening()
    welcome = acceptor.receive(hello) or b""
    proof = dialer.receive(welcome) or b""
    ready = acceptor.receive(proof) or b""
    return [b"\0" + hello, b"\1" + welcome, b"\2" + proof, b"\3" + ready]


class _Bytes:
    """Stands for a socket from which everything has been read already."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def recv(self, size: int) -> bytes:
        head, self.data = self.data[:size], self.data[size:]
        if not head:
            raise BlockingIOError
        return head

    def close(self) -> None:
        return None


def _frames(data: bytes) -> None:
    """Frames before (even first byte) and after the handshake (odd): no frame passes without its MAC."""
    session = None
    if data[:1] and data[0] % 2:
        session = Session(member(1).me, Life(), send_key=b"\1" * 32, receive_key=b"\2" * 32)
    connection = Connection(
        sock=_Bytes(data[1:]),  # type: ignore[arg-type]
        side=Acceptor(member(2)),
        max_frame_bytes=1 << 16,
        where="fuzz",
        session=session,
    )
    connection.read()
    for payload in connection.frames():
        assert session is None, "a frame without a right MAC was taken"
        connection.side.receive(payload)


def _frame_seeds() -> list[bytes]:
    framed = [len(seed[1:]).to_bytes(4, "little") + seed[1:] for seed in _handshake_seeds()]
    return [b"\0" + framed[0], b"\1" + framed[0], b"\0" + b"".join(framed), b"\0\xff\xff\xff\xff"]


# -- ledger commands and snapshots -----------------------------------------------------------------


@cache
def _history() -> World:
    """A small ledger with something in every table, which mutants of its own commands meet."""
    world = World()
    world.settle(world.final(record(1), record(2)))
    world.final(record(3))
    world.verified(record(4))
    world.assign(record(5))
    world.send(report(record(6)))
    return world


@cache
def _state() -> bytes:
    return snapshot_codec.encode_snapshot(_history().ledger)


def _machine() -> LedgerMachine:
    world = _history()
    ledger = snapshot_codec.decode_snapshot(_state(), world.parameters, world.limits)
    return LedgerMachine(ledger=ledger, parameters=world.parameters, listener=lambda *_: None)


def _command(data: bytes) -> None:
    """Whatever is in the log, applying it neither raises nor leaves a state that cannot be snapshot."""
    machine = _machine()
    machine.apply(len(_history().log) + 1, data)
    snapshot = machine.snapshot()
    machine.restore(snapshot)
    assert machine.snapshot() == snapshot
    decode_command(data, _history().parameters.subnet_id, _keys_of)


def _keys_of(name: str) -> tuple[Address, ...]:
    found = _history().ledger.proposer(name)
    return () if found is None else found[1]


def _command_seeds() -> list[bytes]:
    return [encode_command(one, signer(one.stamp.proposer), SUBNET) for one in _history().log]


def _member_command(data: bytes) -> None:
    """A member with a valid key signs arbitrary content: first byte the kind, the rest the body."""
    kind, body = 1 + (data[0] if data else 0) % len(KINDS), data[1:]
    digest = keccak256(
        b"PINAI_LEDGER_COMMAND_V1" + bytes32(SUBNET, "subnet_id") + bytes((kind,)) + body
    )
    envelope = [kind, "validator-3", body, signer("validator-3").sign(digest)]
    machine = _machine()
    before = machine.read(_untouchable)
    machine.apply(len(_history().log) + 1, bytes((VERSION,)) + msgspec.msgpack.encode(envelope))
    assert machine.read(_untouchable) == before, "one member alone changed what needs more"
    machine.restore(machine.snapshot())


def _untouchable(ledger: Ledger) -> object:
    """What no single member may move: settled and final epochs, verified work, the time."""
    return (
        [
            (epoch.epoch, epoch.items, epoch.final_at_ms, epoch.settled_at_ms)
            for epoch in ledger.epochs()
            if epoch.epoch <= 2
        ],
        ledger.assignment(record(1).assignment.assignment_id),
    )


def _member_seeds() -> list[bytes]:
    bodies = (msgspec.msgpack.decode(seed[1:]) for seed in _command_seeds())
    return [bytes((kind - 1,)) + body for kind, _, body, _ in bodies]


def _ledger_snapshot(data: bytes) -> None:
    """Even a snapshot with a right digest is only plain data of the right shape."""
    world = _history()
    framed = bytes((snapshot_codec.VERSION,)) + sha256(data).digest() + data
    for candidate in (data, framed):
        try:
            ledger = snapshot_codec.decode_snapshot(candidate, world.parameters, world.limits)
        except CODED:
            continue
        snapshot_codec.encode_snapshot(ledger)


def _ledger_snapshot_seeds() -> list[bytes]:
    return [_state(), _state()[33:]]


def _backup(data: bytes) -> None:
    """Also a backup whose outer digest is right may hold anything; nothing in it is believed before it is checked."""
    world = _history()
    body = b"PINAIBAK" + sha256(data).digest() + data
    for candidate in (data, body):
        try:
            backup = decode_backup(candidate)
            verify_backup(
                backup, genesis=world.parameters, present=world.parameters, limits=world.limits
            )
        except CODED:
            continue


def _backup_seeds() -> list[bytes]:
    taken = unsigned_backup(_history().ledger, term=1, version="fuzz", taken_at_ms=1)
    whole = encode_backup(taken.header, taken.state)
    return [whole, whole[40:]]


# -- files -----------------------------------------------------------------------------------------


class _Directory:
    """A scratch directory that is emptied for every attempt."""

    def __enter__(self) -> Path:
        self.path = Path(tempfile.mkdtemp(prefix="fuzz-"))
        return self.path

    def __exit__(self, *exc: object) -> None:
        shutil.rmtree(self.path, ignore_errors=True)


@cache
def _journal_files() -> dict[str, bytes]:
    with _Directory() as directory:
        journal = open_journal(directory, **_JOURNAL)
        journal.setCurrentTerm(3, "v1")
        for index in range(2, 21):
            fill(journal, index, index, text=b"\x00" + bytes([index]) * 5)
            journal.sync()
        journal.abandon()
        return {path.name: path.read_bytes() for path in directory.iterdir() if path.is_file()}


def _journal(data: bytes) -> None:
    """One file of a journal is replaced: first byte which one. What opens holds only entries that were written."""
    files = dict(_journal_files())
    name = sorted(files)[(data[0] if data else 0) % len(files)]
    files[name] = data[1:]
    with _Directory() as directory:
        for each, content in files.items():
            (directory / each).write_bytes(content)
        journal = open_journal(directory, **_JOURNAL)
        try:
            for command, index, term in contents(journal):
                assert isinstance(command, bytes)
                assert index >= 1
                assert term >= 0
        finally:
            journal.abandon()


def _journal_seeds() -> list[bytes]:
    files = _journal_files()
    return [bytes((place,)) + files[name] for place, name in enumerate(sorted(files))]


def _fence(data: bytes) -> None:
    with _Directory() as directory:
        for candidate in (data, f"{crc32(data):08x}\n".encode() + data):
            (directory / "fence").write_bytes(candidate)
            try:
                Fence(directory / "fence", fsync=False).meet(member(1).me, Life())
            except CODED:
                continue


def _fence_seeds() -> list[bytes]:
    with _Directory() as directory:
        fence = Fence(directory / "fence", fsync=False)
        fence.take_over(7)
        fence.meet(member(1).me, Life())
        whole = (directory / "fence").read_bytes()
    return [whole, whole.partition(b"\n")[2]]


def _snapshot_file(data: bytes) -> None:
    with _Directory() as directory:
        store = SnapshotStore(directory, cluster="c", fsync=False)
        store.write(10, 1, b"state")
        (path,) = (one for one in directory.iterdir() if one.is_file())
        path.write_bytes(data)
        loaded = store.load()
        assert loaded is None or loaded.data == b"state", "damaged bytes were served as truth"


def _snapshot_file_seeds() -> list[bytes]:
    with _Directory() as directory:
        store = SnapshotStore(directory, cluster="c", fsync=False)
        store.write(10, 1, b"state")
        return [one.read_bytes() for one in directory.iterdir() if one.is_file()]


def _signing_record(data: bytes) -> None:
    """Whatever the file holds, an epoch is never signed for two digests afterwards."""
    with _Directory() as directory:
        path = directory / "signing-record.log"
        path.write_bytes(data)
        store = FileSigningRecord(path, address=signer("validator-1").address)
        try:
            first = SigningIntent(epoch=9, batch_digest=b"\1" * 32, header_hash=b"\2" * 32)
            other = SigningIntent(epoch=9, batch_digest=b"\3" * 32, header_hash=b"\2" * 32)
            taken = 0
            for one in (first, other):
                try:
                    store.remember([one])
                    taken += 1
                except CODED:
                    continue
            assert taken <= 1, "two digests of one epoch were allowed"
        finally:
            store.close()


def _signing_record_seeds() -> list[bytes]:
    with _Directory() as directory:
        path = directory / "signing-record.log"
        store = FileSigningRecord(path, address=signer("validator-1").address)
        for epoch in (1, 2, 3):
            store.remember(
                [SigningIntent(epoch=epoch, batch_digest=b"\1" * 32, header_hash=b"\2" * 32)]
            )
        store.close()
        return [path.read_bytes()]


# -- messages of the gRPC services -----------------------------------------------------------------

_MESSAGES: tuple[tuple[type[Message], Callable[[Any], object]], ...] = (
    (execution_report_pb2.ExecutionReport, lambda m: decode_report(m, signer=None)),
    (ledger_pb2.AssignmentRecord, decode_record),
    (ledger_pb2.Outcome, decode_outcome),
    (bid_pb2.Bid, lambda m: decode_bid(m, received_at_ms=START * 1000, known_address=None)),
    (checkpoint_pb2.CheckpointHeader, decode_header),
    (validator_pb2.SignatureSubmission, decode_signature_claim),
    (intent_pb2.Intent, decode_intent),
    (
        rootlayer_pb2.SubmitIntentRequest,
        lambda m: decode_intent_submission(m, created_at=START),
    ),
    (validation_pb2.ValidationBatchGroup, decode_group),
    (validation_pb2.ValidationBundle, decode_bundle),
)


def _messages(data: bytes) -> None:
    """First byte which message type, the rest its bytes; the server parses before our codecs see anything."""
    kind, read = _MESSAGES[(data[0] if data else 0) % len(_MESSAGES)]
    message = kind()
    try:
        message.ParseFromString(data[1:])
    except DecodeError:
        return
    read(message)


def _message_seeds() -> list[bytes]:
    known = [encode_report(report(record(1))), encode_record(record(1))]
    filled = [bytes((place,)) + one.SerializeToString() for place, one in enumerate(known)]
    return [*filled, *(bytes((place,)) for place in range(len(_MESSAGES)))]


def _vote_seeds() -> list[bytes]:
    return [
        encode(Ping()),
        encode(RequestVote(term=2, last_index=3, last_term=1)),
        encode(Append(term=1, commit_index=2, prev_index=3, prev_term=1, entries=[(1, b"\0a")])),
    ]


SURFACES = (
    Surface("raft-message", _raft_message, _vote_seeds),
    Surface("raft-handshake", _handshake, _handshake_seeds),
    Surface("raft-frames", _frames, _frame_seeds),
    Surface("command", _command, _command_seeds),
    Surface("member-command", _member_command, _member_seeds),
    Surface("ledger-snapshot", _ledger_snapshot, _ledger_snapshot_seeds),
    Surface("journal", _journal, _journal_seeds),
    Surface("snapshot-file", _snapshot_file, _snapshot_file_seeds),
    Surface("signing-record", _signing_record, _signing_record_seeds),
    Surface("backup", _backup, _backup_seeds),
    Surface("fence", _fence, _fence_seeds),
    Surface("grpc-message", _messages, _message_seeds),
)
