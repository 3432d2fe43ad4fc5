"""The envelope of a ledger command: one version byte, then msgpack [kind, proposer, body, signature]. Decides no rule.

The proposer signs keccak256("PINAI_LEDGER_COMMAND_V1" + subnet id (32 bytes) + kind (1 byte) + body), plainly, v 27 or
28. So no member can speak for another, nor replay a command of another network.
"""

from collections.abc import Callable
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from pinai_subnet.ports.signer import Signer
from pinai_subnet.protocol.digests import keccak256
from pinai_subnet.protocol.errors import InvalidInput
from pinai_subnet.protocol.ids import Address, SubnetId, bytes32
from pinai_subnet.protocol.signatures import recover
from pinai_subnet.validator.command_bodies import KINDS, decode_body, encode_body
from pinai_subnet.validator.commands import Command

VERSION = 1

KeysOf = Callable[[str], tuple[Address, ...]]
"""The addresses that speak for a validator of this id; none for a stranger."""

_DOMAIN = b"PINAI_LEDGER_COMMAND_V1"


class _Envelope(Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    kind: Annotated[int, Meta(ge=0, le=255)]
    proposer: str
    body: bytes
    signature: Annotated[bytes, Meta(min_length=65, max_length=65)]


_DECODER = msgspec.msgpack.Decoder(_Envelope)


def encode_command(command: Command, signer: Signer, subnet_id: SubnetId) -> bytes:
    """Return the signed bytes of a command; raise `InvalidInput` for a malformed id or address in it."""
    kind, body = encode_body(command)
    envelope = _Envelope(
        kind, command.stamp.proposer, body, signer.sign(_digest(subnet_id, kind, body))
    )
    return bytes((VERSION,)) + msgspec.msgpack.encode(envelope)


def decode_command(data: bytes, subnet_id: SubnetId, keys_of: KeysOf) -> Command:
    """Return the command that a member signed; `keys_of` says with which keys a member may sign now.

    Raises `InvalidInput`: SN-V001 for bytes that are no command of a known version and kind, SN-V002 when the named
    proposer is not a member, is not the stamp's proposer, or did not sign it. The body is read only after that.
    """
    if data[:1] != bytes((VERSION,)):
        raise InvalidInput(
            "SN-V001",
            f"the entry starts with 0x{data[:1].hex()}; this build reads ledger commands of version {VERSION}",
        )
    try:
        envelope = _DECODER.decode(memoryview(data)[1:])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput("SN-V001", f"the entry is no ledger command: {error}") from error
    if envelope.kind not in KINDS:
        raise InvalidInput("SN-V001", f"this build knows no ledger command of kind {envelope.kind}")
    _check_signature(envelope, subnet_id, keys_of)
    try:
        command = decode_body(envelope.kind, envelope.body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput(
            "SN-V001", f"the body is no command of kind {envelope.kind}: {error}"
        ) from error
    if command.stamp.proposer != envelope.proposer:
        raise InvalidInput(
            "SN-V002",
            f"{envelope.proposer!r} signed a command in the name of {command.stamp.proposer[:128]!r}",
        )
    return command


def _check_signature(envelope: _Envelope, subnet_id: SubnetId, keys_of: KeysOf) -> None:
    keys = keys_of(envelope.proposer)
    if not keys:
        raise InvalidInput(
            "SN-V002",
            f"the proposer {envelope.proposer[:128]!r} is not a validator of this network",
        )
    digest = _digest(subnet_id, envelope.kind, envelope.body)
    try:
        signer = recover(digest, envelope.signature)
    except InvalidInput as error:
        raise InvalidInput("SN-V002", f"{envelope.proposer}: {error.message}") from error
    if signer not in keys:
        raise InvalidInput(
            "SN-V002", f"the command is signed by {signer}, {envelope.proposer} is {keys[0]}"
        )


def _digest(subnet_id: SubnetId, kind: int, body: bytes) -> bytes:
    return keccak256(_DOMAIN + bytes32(subnet_id, "subnet_id") + bytes((kind,)) + body)
