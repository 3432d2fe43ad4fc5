"""Changes of the validator set, and when one counts: approvals of the set it changes, proof of a new key. Rules only.

One record is complete in itself, so that anybody who knows the set before it (the ledger, RootLayer, a tool) can check
it and knows the set after it. `version` counts the sets of a network from 1, the first; it makes a record good for
exactly one place in that history.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from pinai_subnet.protocol.commitments import commitment, number, texts
from pinai_subnet.protocol.digests import keccak256
from pinai_subnet.protocol.errors import Conflict, Forbidden, InvalidInput
from pinai_subnet.protocol.ids import Address, SubnetId, ValidatorId, address_bytes, bytes32
from pinai_subnet.protocol.network import NetworkParameters, ValidatorIdentity
from pinai_subnet.protocol.quorum import check_threshold, required_signatures
from pinai_subnet.protocol.signatures import address_of, recover

MAX_VALIDATORS = 31
_SET_TAG = b"pinai/validator-set/1"
_CHANGE_TAG = b"pinai/validator-set-change/1"
_PROOF_TAG = b"pinai/validator-key-proof/1"
_ORDER_TAG = b"pinai/validator-order/1"
_MAX_TEXT = 255


class SetAction(StrEnum):
    """What can happen to the set, one thing at a time."""

    ADD = "add"
    REMOVE = "remove"
    ROTATE_KEY = "rotate-key"
    MOVE = "move"
    """Other endpoints; the key stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetChange:
    """One change. `member` is what the validator will be, or was where it is removed."""

    subnet_id: SubnetId
    version: int
    """Of the set that results."""
    base_set_id: str
    """`set_id` of the set that is changed."""
    action: SetAction
    member: ValidatorIdentity


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedSetChange:
    """A change with everything that makes it count."""

    change: SetChange
    proof: bytes
    """Signature of the new key over `proof_digest`; empty where no key is new."""
    approvals: tuple[bytes, ...]
    """Signatures of members of the set before it over `change_digest`."""


def set_id(members: Sequence[ValidatorIdentity]) -> str:
    """Return the 64 hex digits that name a validator set: ids, addresses and weights in order."""
    parts = (
        part
        for member in members
        for part in (
            *texts(member.id),
            address_bytes(member.address),
            number(member.weight, "weight"),
        )
    )
    return commitment(_SET_TAG, *parts).hex()


def change_digest(change: SetChange) -> bytes:
    """Return the 32 bytes that members sign, plainly, to approve a change."""
    member = change.member
    return keccak256(
        commitment(
            _CHANGE_TAG,
            bytes32(change.subnet_id, "subnet_id"),
            number(change.version, "version"),
            *texts(change.base_set_id, change.action.value, member.id),
            member.public_key,
            number(member.weight, "weight"),
            *texts(member.grpc_endpoint, member.http_endpoint, member.raft_endpoint),
        )
    )


def proof_digest(change: SetChange) -> bytes:
    """Return the 32 bytes that a new key signs, plainly, to prove that somebody holds it."""
    return keccak256(commitment(_PROOF_TAG, change_digest(change)))


def order_digest(subnet_id: SubnetId, *, order: str, subject: str, at: int) -> bytes:
    """Return what a member signs, plainly, for an order at a time in unix seconds."""
    return keccak256(commitment(_ORDER_TAG, *texts(subnet_id, order, subject), number(at, "at")))


def members_after(
    members: Sequence[ValidatorIdentity], change: SetChange
) -> tuple[ValidatorIdentity, ...]:
    """Return the set after a change; raise `Conflict` SN-V110 where that is not possible."""
    known = next((member for member in members if member.id == change.member.id), None)
    if change.action is SetAction.ADD:
        if known is not None:
            raise Conflict("SN-V110", f"{known.id} is a validator already")
        if len(members) >= MAX_VALIDATORS:
            raise Conflict("SN-V110", f"a set has at most {MAX_VALIDATORS} validators")
        return (*members, change.member)
    if known is None:
        raise Conflict("SN-V110", f"{change.member.id!r} is not a validator")
    if change.action is SetAction.REMOVE:
        if len(members) == 1:
            raise Conflict("SN-V110", f"{known.id} is the last validator")
        return tuple(member for member in members if member.id != known.id)
    return tuple(change.member if member.id == known.id else member for member in members)


def check_change(
    change: SetChange,
    proof: bytes,
    *,
    parameters: NetworkParameters,
    version: int,
    used_keys: Collection[Address],
) -> None:
    """Raise unless the change fits the set in `parameters`, whose version is `version`.

    `used_keys` are addresses that were ever a validator's: they never become another one's. Raises `Conflict` SN-V110
    and SN-V112, `InvalidInput` SN-V111, SN-V113 and SN-C120.
    """
    members, member = parameters.validators, change.member
    if change.subnet_id != parameters.subnet_id:
        raise InvalidInput("SN-V111", f"the change is of subnet {change.subnet_id}")
    if (change.version, change.base_set_id) != (version + 1, set_id(members)):
        raise Conflict(
            "SN-V112",
            f"the change makes version {change.version} of set {change.base_set_id[:64]}; the set is "
            f"{set_id(members)} of version {version}",
        )
    _check_member(member)
    after = members_after(members, change)
    check_threshold(len(after), parameters.threshold_numerator, parameters.threshold_denominator)
    known = next((one for one in members if one.id == member.id), None)
    new_key = known is None or known.address != member.address
    if change.action is SetAction.MOVE and known is not None:
        moved = replace(
            known,
            grpc_endpoint=member.grpc_endpoint,
            http_endpoint=member.http_endpoint,
            raft_endpoint=member.raft_endpoint,
        )
        if moved != member:
            raise InvalidInput("SN-V111", "moving a validator changes its endpoints only")
    if change.action is SetAction.REMOVE and known != member:
        raise InvalidInput("SN-V111", f"{member.id} is another validator in this set")
    if change.action is SetAction.ROTATE_KEY and not new_key:
        raise InvalidInput("SN-V111", f"{member.id} has this key already")
    if change.action in {SetAction.ADD, SetAction.ROTATE_KEY}:
        if member.address in used_keys or member.address in parameters.matchers:
            raise Conflict(
                "SN-V113", f"the key {member.address} is or was another member's; make a new one"
            )
        if recover(proof_digest(change), proof) != member.address:
            raise InvalidInput(
                "SN-V114", f"the proof of possession is not signed by {member.address}"
            )


def approver(change: SetChange, signature: bytes, parameters: NetworkParameters) -> ValidatorId:
    """Return which member of the set approved; raise `Forbidden` SN-V115 if none did."""
    address = recover(change_digest(change), signature)
    member = parameters.validator_at(address)
    if member is None:
        raise Forbidden("SN-V115", f"the approval is signed by {address}, who is no validator")
    return member.id


def check_approvals(signed: SignedSetChange, parameters: NetworkParameters) -> None:
    """Raise `Forbidden` SN-V115 unless a threshold of distinct members of the set approved."""
    approved = {approver(signed.change, one, parameters) for one in signed.approvals}
    needed = required_signatures(
        len(parameters.validators),
        parameters.threshold_numerator,
        parameters.threshold_denominator,
    )
    if len(approved) < needed:
        raise Forbidden("SN-V115", f"{len(approved)} members approved, {needed} are needed")


def _check_member(member: ValidatorIdentity) -> None:
    if address_of(member.public_key) != member.address:
        raise InvalidInput("SN-V111", "the address does not belong to the public key")
    if member.weight != 1:
        raise InvalidInput("SN-V111", "every validator has weight 1")
    for text in (member.id, member.grpc_endpoint, member.http_endpoint, member.raft_endpoint):
        if not 0 < len(text) <= _MAX_TEXT or not text.isprintable():
            raise InvalidInput("SN-V111", f"ids and endpoints have 1 to {_MAX_TEXT} letters")
    for endpoint in (member.grpc_endpoint, member.http_endpoint, member.raft_endpoint):
        host, _, port = endpoint.rpartition(":")
        if not host or not port.isdigit() or not 0 < int(port) < 1 << 16:
            raise InvalidInput("SN-V111", f"{endpoint!r} is not host:port")
