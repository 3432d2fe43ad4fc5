"""A backup as bytes and back: the ledger's state, where it belongs, and who signed that it was so. Opens no file.

Layout: magic, SHA-256 of everything behind it, length of the header, header (msgpack), state (`snapshot_codec`). The
signatures are over `statement_digest`, which names subnet, log position, history and content. So a backup can be
checked by anyone who knows the validators, and no single one of them can make up a state.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import msgspec
from msgspec import Struct

from pinai_subnet.ports.errors import Damaged, Refused
from pinai_subnet.ports.statements import Statement
from pinai_subnet.protocol.digests import keccak256
from pinai_subnet.protocol.errors import SubnetError
from pinai_subnet.protocol.ids import SubnetId, bytes32
from pinai_subnet.protocol.network import NetworkParameters
from pinai_subnet.protocol.signatures import recover
from pinai_subnet.validator.ledger import Ledger
from pinai_subnet.validator.limits import LedgerLimits
from pinai_subnet.validator.set_history import vouched_set
from pinai_subnet.validator.snapshot_codec import decode_snapshot, encode_snapshot

FORMAT = 1
SUFFIX = ".snb"

_MAGIC = b"PINAIBAK"
_DOMAIN = b"PINAI_BACKUP_V1"
_LENGTH = struct.Struct(">I")
_HEAD = len(_MAGIC) + 32 + _LENGTH.size
_MAX_HEADER = 4 << 20


class BackupSignature(Struct, frozen=True, forbid_unknown_fields=True):
    """One validator's signature over the statement digest."""

    validator_id: str
    signature: bytes


class BackupHeader(Struct, frozen=True, kw_only=True):
    """What a backup says about itself."""

    format: int
    software: str
    """Version of the build that took it."""
    taken_at_ms: int
    taken_by: str
    subnet_id: str
    cluster_id: str
    """The replication group that it was taken from."""
    index: int
    term: int
    history_digest: bytes
    content_digest: bytes
    size: int
    parameters: dict[str, Any]
    """The network's parameters at that time, for people and for `inspect`; trust comes from the verifier's own."""
    signatures: tuple[BackupSignature, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """A backup whose bytes are intact."""

    header: BackupHeader
    state: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a verification found."""

    ledger: Ledger
    signers: tuple[str, ...]
    required: int
    problems: tuple[str, ...]
    """Signatures that do not count, each with its reason."""


def statement_digest(
    subnet_id: SubnetId, *, index: int, history_digest: bytes, content_digest: bytes
) -> bytes:
    """Return what a validator signs who had this state at that log position."""
    return keccak256(
        _DOMAIN
        + bytes32(subnet_id, "subnet_id")
        + index.to_bytes(8, "big")
        + history_digest
        + content_digest
    )


def counts(statement: Statement, parameters: NetworkParameters) -> bool:
    """Whether a statement is signed by the member that it names."""
    member = parameters.validator(statement.validator_id)
    digest = statement_digest(
        parameters.subnet_id,
        index=statement.index,
        history_digest=statement.history_digest,
        content_digest=statement.content_digest,
    )
    try:
        return member is not None and recover(digest, statement.signature) == member.address
    except SubnetError:
        return False


def encode_backup(header: BackupHeader, state: bytes) -> bytes:
    """Return the file's bytes."""
    encoded = msgspec.msgpack.encode(header)
    body = _LENGTH.pack(len(encoded)) + encoded + state
    return _MAGIC + sha256(body).digest() + body


def decode_backup(data: bytes) -> Backup:
    """Return an intact backup.

    Raises `Damaged` SN-R070 for anything that is cut, changed or no backup, `Refused` SN-R071 for a newer format.
    """
    if data[: len(_MAGIC)] != _MAGIC or len(data) < _HEAD:
        raise Damaged("SN-R070", f"{len(data)} bytes that are no backup of a subnet")
    body = memoryview(data)[len(_MAGIC) + 32 :]
    if sha256(body).digest() != data[len(_MAGIC) : len(_MAGIC) + 32]:
        raise Damaged("SN-R070", f"the backup of {len(data)} bytes does not match its digest")
    (length,) = _LENGTH.unpack_from(body)
    if length > min(_MAX_HEADER, len(body)):
        raise Damaged("SN-R070", f"the backup's header claims {length} bytes")
    encoded = bytes(body[_LENGTH.size : _LENGTH.size + length])
    try:
        found = msgspec.msgpack.decode(encoded)
        known = found.get("format") if isinstance(found, dict) else None
        if known != FORMAT:
            raise Refused(
                "SN-R071", f"the backup has format {known!r}; this build reads format {FORMAT}"
            )
        header = msgspec.convert(found, BackupHeader)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Damaged("SN-R070", f"the backup's header is unreadable: {error}") from error
    return Backup(header=header, state=bytes(body[_LENGTH.size + length :]))


def verify_backup(
    backup: Backup, *, genesis: NetworkParameters, present: NetworkParameters, limits: LedgerLimits
) -> Finding:
    """Check everything that can be checked without restoring; return the ledger and who signed it.

    `genesis` and `present` are the network as the verifier knows it, with its first and its present validators. Whose
    signatures count is what the ledger's own set says, if one of those two vouches for it.

    Raises `Refused` SN-R072 for another subnet's, `Damaged` SN-R070 where state and header disagree. Too few valid
    signatures are for the caller to judge: see `Finding`.
    """
    header = backup.header
    if header.subnet_id != genesis.subnet_id:
        raise Refused(
            "SN-R072",
            f"the backup is of subnet {header.subnet_id}, this network is {genesis.subnet_id}",
        )
    ledger = decode_snapshot(backup.state, genesis, limits)
    again = encode_snapshot(ledger)
    for what, found, said in (
        ("size", len(again), header.size),
        ("content", sha256(again).digest(), header.content_digest),
        ("history", ledger.state_digest(), header.history_digest),
        ("log position", ledger.index, header.index),
    ):
        if found != said:
            raise Damaged("SN-R070", f"the backup's state does not have the {what} of its header")
    required = ledger.quorum.required_signatures
    signing = vouched_set(ledger.set_changes(1), first=genesis, present=present)
    if signing is None:
        problem = (
            "nothing vouches for the validators that signed: neither approvals nor network.yaml"
        )
        return Finding(ledger=ledger, signers=(), required=required, problems=(problem,))
    signers, problems = _signers(header, signing)
    return Finding(ledger=ledger, signers=signers, required=required, problems=problems)


def _signers(
    header: BackupHeader, parameters: NetworkParameters
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    signers: list[str] = []
    problems: list[str] = []
    for one in header.signatures:
        statement = Statement(
            validator_id=one.validator_id,
            index=header.index,
            history_digest=header.history_digest,
            content_digest=header.content_digest,
            signature=one.signature,
        )
        if not counts(statement, parameters):
            problems.append(f"the signature of {one.validator_id[:128]!r} is not a member's")
        elif one.validator_id in signers:
            problems.append(f"{one.validator_id} signed twice")
        else:
            signers.append(one.validator_id)
    return tuple(signers), tuple(problems)


def file_name(header: BackupHeader) -> str:
    """Return a name that sorts by age: subnet, time and log position."""
    return f"snap-{header.subnet_id[-8:]}-{header.taken_at_ms:013d}-idx{header.index}{SUFFIX}"


def signatures_of(statements: Sequence[Statement]) -> tuple[BackupSignature, ...]:
    """Return statements as they stand in the header."""
    return tuple(
        BackupSignature(validator_id=one.validator_id, signature=one.signature)
        for one in statements
    )
