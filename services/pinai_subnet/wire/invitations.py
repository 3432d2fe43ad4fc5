"""Invitations and candidacies as JSON: what a join package holds, and what a joining validator sends."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from pinai_subnet.protocol.ids import SubnetId, ValidatorId, parse_bytes32, parse_name
from pinai_subnet.protocol.invitations import Candidacy, Invitation, SignedInvitation
from pinai_subnet.wire.set_changes import ChangeBody, change_document, unhexed

_TEXT = 256


class InvitationBody(BaseModel):
    """One signed invitation."""

    model_config = ConfigDict(extra="forbid")

    subnet_id: str = Field(max_length=_TEXT)
    id: str = Field(max_length=_TEXT)
    grpc: str = Field(max_length=_TEXT)
    http: str = Field(max_length=_TEXT)
    raft: str = Field(max_length=_TEXT)
    expires_at: int = Field(ge=0, lt=1 << 53)
    signature: str = Field(max_length=_TEXT)

    def value(self) -> SignedInvitation:
        """Return the invitation; raise `InvalidInput` for malformed parts."""
        return SignedInvitation(
            invitation=Invitation(
                subnet_id=SubnetId(parse_bytes32(self.subnet_id, "subnet_id")),
                validator_id=ValidatorId(parse_name(self.id, "id")),
                grpc_endpoint=self.grpc,
                http_endpoint=self.http,
                raft_endpoint=self.raft,
                expires_at=self.expires_at,
            ),
            signature=unhexed(self.signature, "signature"),
        )


class CandidacyBody(BaseModel):
    """One candidacy."""

    model_config = ConfigDict(extra="forbid")

    invitation: InvitationBody
    change: ChangeBody
    proof: str = Field(max_length=_TEXT)

    def value(self) -> Candidacy:
        """Return the candidacy; raise `InvalidInput` for malformed parts."""
        return Candidacy(
            invited=self.invitation.value(),
            change=self.change.value(),
            proof=unhexed(self.proof, "proof"),
        )


def invitation_document(invited: SignedInvitation) -> dict[str, Any]:
    """Return an invitation as `InvitationBody` reads it."""
    invitation = invited.invitation
    return {
        "subnet_id": invitation.subnet_id,
        "id": invitation.validator_id,
        "grpc": invitation.grpc_endpoint,
        "http": invitation.http_endpoint,
        "raft": invitation.raft_endpoint,
        "expires_at": invitation.expires_at,
        "signature": "0x" + invited.signature.hex(),
    }


def candidacy_document(candidacy: Candidacy) -> dict[str, Any]:
    """Return a candidacy as `CandidacyBody` reads it."""
    return {
        "invitation": invitation_document(candidacy.invited),
        "change": change_document(candidacy.change),
        "proof": "0x" + candidacy.proof.hex(),
    }
