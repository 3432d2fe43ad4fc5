"""Changes of the validator set as JSON: the one form in which validators, RootLayer and tools exchange them."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from pinai_subnet.protocol.errors import InvalidInput
from pinai_subnet.protocol.ids import SubnetId, ValidatorId, parse_bytes32, parse_name
from pinai_subnet.protocol.membership import (
    SetAction,
    SetChange,
    SignedSetChange,
    change_digest,
)
from pinai_subnet.protocol.network import ValidatorIdentity
from pinai_subnet.protocol.set_starts import SealedHeader, SetStart
from pinai_subnet.protocol.signatures import address_of
from pinai_subnet.wire.codec.checkpoints import header_from_bytes, header_to_bytes

_TEXT = 256


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class MemberBody(_Body):
    """One validator."""

    id: str = Field(max_length=_TEXT)
    public_key: str = Field(max_length=_TEXT)
    grpc: str = Field(max_length=_TEXT)
    http: str = Field(max_length=_TEXT)
    raft: str = Field(max_length=_TEXT)

    def value(self) -> ValidatorIdentity:
        """Return the validator; raise `InvalidInput` for a malformed name or key."""
        public_key = unhexed(self.public_key, "public_key")
        return ValidatorIdentity(
            id=ValidatorId(parse_name(self.id, "id")),
            address=address_of(public_key),
            public_key=public_key,
            grpc_endpoint=self.grpc,
            http_endpoint=self.http,
            raft_endpoint=self.raft,
        )


class ChangeBody(_Body):
    """One change."""

    subnet_id: str = Field(max_length=_TEXT)
    version: int = Field(ge=2, lt=1 << 31)
    base_set_id: str = Field(max_length=_TEXT)
    action: SetAction
    member: MemberBody

    def value(self) -> SetChange:
        """Return the change; raise `InvalidInput` for malformed parts."""
        return SetChange(
            subnet_id=SubnetId(parse_bytes32(self.subnet_id, "subnet_id")),
            version=self.version,
            base_set_id=self.base_set_id,
            action=self.action,
            member=self.member.value(),
        )


class SignedChangeBody(_Body):
    """A change with proof and approvals, and from which epoch it counts where that is known."""

    change: ChangeBody
    proof: str = Field(default="", max_length=_TEXT)
    approvals: list[str] = Field(max_length=64)
    first_epoch: int = Field(default=0, ge=0, lt=1 << 53)

    def value(self) -> SignedSetChange:
        """Return the signed change; raise `InvalidInput` for malformed parts."""
        return SignedSetChange(
            change=self.change.value(),
            proof=unhexed(self.proof, "proof"),
            approvals=tuple(unhexed(one, "approvals") for one in self.approvals),
        )


class HeaderBody(_Body):
    """A checkpoint header and what opens its state root."""

    header: str = Field(max_length=4096)
    ledger_digest: str = Field(max_length=80)


class FollowBody(_Body):
    """Changes in order, and the headers that show from which epochs they count."""

    changes: list[SignedChangeBody] = Field(max_length=64)
    headers: list[HeaderBody] = Field(max_length=512)
    signatures: list[str] = Field(max_length=64)

    def signed_changes(self) -> list[SignedSetChange]:
        """Return the changes; raise `InvalidInput` for malformed parts."""
        return [change.value() for change in self.changes]

    def start(self) -> SetStart:
        """Return what proves the first epochs; raise `InvalidInput` for malformed parts."""
        return SetStart(
            headers=tuple(
                SealedHeader(
                    header=header_from_bytes(unhexed(one.header, "header")),
                    ledger_digest=unhexed(one.ledger_digest, "ledger_digest"),
                )
                for one in self.headers
            ),
            signatures=tuple(unhexed(one, "signatures") for one in self.signatures),
        )


def unhexed(text: str, field: str) -> bytes:
    """Return the bytes of hex digits; raise `InvalidInput` SN-V111 for anything else."""
    try:
        return bytes.fromhex(text.removeprefix("0x"))
    except ValueError as error:
        raise InvalidInput("SN-V111", f"{field} is not hex") from error


def member_document(member: ValidatorIdentity) -> dict[str, Any]:
    """Return a validator as `MemberBody` reads it."""
    return {
        "id": member.id,
        "public_key": "0x" + member.public_key.hex(),
        "grpc": member.grpc_endpoint,
        "http": member.http_endpoint,
        "raft": member.raft_endpoint,
    }


def change_document(change: SetChange) -> dict[str, Any]:
    """Return a change as `ChangeBody` reads it."""
    return {
        "subnet_id": change.subnet_id,
        "version": change.version,
        "base_set_id": change.base_set_id,
        "action": change.action.value,
        "member": member_document(change.member),
    }


def signed_document(signed: SignedSetChange, first_epoch: int) -> dict[str, Any]:
    """Return a signed change as `SignedChangeBody` reads it."""
    return {
        "change": change_document(signed.change),
        "proof": "0x" + signed.proof.hex(),
        "approvals": ["0x" + approval.hex() for approval in signed.approvals],
        "first_epoch": first_epoch,
    }


def follow_document(changes: Sequence[SignedSetChange], start: SetStart) -> dict[str, Any]:
    """Return changes and their start as `FollowBody` reads them."""
    return {
        "changes": [signed_document(signed, 0) for signed in changes],
        "headers": [
            {
                "header": "0x" + header_to_bytes(one.header).hex(),
                "ledger_digest": "0x" + one.ledger_digest.hex(),
            }
            for one in start.headers
        ],
        "signatures": ["0x" + signature.hex() for signature in start.signatures],
    }


def digest_text(change: SetChange) -> str:
    """Return what names a change: the digest that members sign."""
    return "0x" + change_digest(change).hex()
