"""Invitations of a validator on another host, and the candidacy that answers one. Rules only.

A member of the set invites an id at an address; who will sign there is not known yet. The candidacy names the key,
which was made where it stays, and proves that somebody holds it. It only asks: members approve the change it carries.
"""

from collections.abc import Collection
from dataclasses import dataclass

from pinai_subnet.protocol.commitments import commitment, number, texts
from pinai_subnet.protocol.digests import keccak256
from pinai_subnet.protocol.errors import Forbidden
from pinai_subnet.protocol.ids import Address, SubnetId, ValidatorId, bytes32
from pinai_subnet.protocol.membership import SetAction, SetChange, check_change
from pinai_subnet.protocol.network import NetworkParameters
from pinai_subnet.protocol.signatures import recover

_TAG = b"pinai/validator-invitation/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """Who may ask to join, and where it will listen."""

    subnet_id: SubnetId
    validator_id: ValidatorId
    grpc_endpoint: str
    http_endpoint: str
    raft_endpoint: str
    expires_at: int
    """Unix seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedInvitation:
    """An invitation with the signature of the member that invites."""

    invitation: Invitation
    signature: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidacy:
    """The change that would add an invited validator, with the proof of its key."""

    invited: SignedInvitation
    change: SetChange
    proof: bytes


def invitation_digest(invitation: Invitation) -> bytes:
    """Return the 32 bytes that a member signs, plainly, to invite."""
    return keccak256(
        commitment(
            _TAG,
            bytes32(invitation.subnet_id, "subnet_id"),
            *texts(
                invitation.validator_id,
                invitation.grpc_endpoint,
                invitation.http_endpoint,
                invitation.raft_endpoint,
            ),
            number(invitation.expires_at, "expires_at"),
        )
    )


def check_invitation(
    invited: SignedInvitation, *, parameters: NetworkParameters, now: float
) -> ValidatorId:
    """Return which member invited; raise `Forbidden` SN-V120 where none did, or it is too late."""
    invitation = invited.invitation
    if invitation.subnet_id != parameters.subnet_id:
        raise Forbidden("SN-V120", f"the invitation is to subnet {invitation.subnet_id}")
    if now > invitation.expires_at:
        raise Forbidden("SN-V120", f"the invitation of {invitation.validator_id} has expired")
    address = recover(invitation_digest(invitation), invited.signature)
    member = parameters.validator_at(address)
    if member is None:
        raise Forbidden("SN-V120", f"the invitation is signed by {address}, who is no validator")
    return member.id


def check_candidacy(
    candidacy: Candidacy,
    *,
    parameters: NetworkParameters,
    version: int,
    used_keys: Collection[Address],
    now: float,
) -> None:
    """Raise unless the candidacy answers its invitation and its change fits the set of this version.

    Raises `Forbidden` SN-V120 and what `check_change` raises.
    """
    check_invitation(candidacy.invited, parameters=parameters, now=now)
    invitation, member = candidacy.invited.invitation, candidacy.change.member
    asked = (member.id, member.grpc_endpoint, member.http_endpoint, member.raft_endpoint)
    invited = (
        invitation.validator_id,
        invitation.grpc_endpoint,
        invitation.http_endpoint,
        invitation.raft_endpoint,
    )
    if candidacy.change.action is not SetAction.ADD or asked != invited:
        raise Forbidden("SN-V120", f"{', '.join(asked)} was not invited")
    check_change(
        candidacy.change,
        candidacy.proof,
        parameters=parameters,
        version=version,
        used_keys=used_keys,
    )
