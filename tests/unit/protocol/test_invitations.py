"""An invitation is worth what a member's signature under it is worth, for one id, at one place, for a time."""

from dataclasses import replace

import pytest
from tests.unit.validator.ledger_world import START, parameters, signer

from pinai_subnet.protocol.errors import SubnetError
from pinai_subnet.protocol.ids import SubnetId, ValidatorId
from pinai_subnet.protocol.invitations import (
    Candidacy,
    Invitation,
    SignedInvitation,
    check_candidacy,
    invitation_digest,
)
from pinai_subnet.protocol.membership import SetAction, SetChange, proof_digest, set_id
from pinai_subnet.protocol.network import ValidatorIdentity
from pinai_subnet.wire.invitations import CandidacyBody, candidacy_document

NETWORK = parameters()
INVITATION = Invitation(
    subnet_id=NETWORK.subnet_id,
    validator_id=ValidatorId("validator-4"),
    grpc_endpoint="10.0.0.14:9090",
    http_endpoint="10.0.0.14:9095",
    raft_endpoint="10.0.0.14:7400",
    expires_at=START + 100,
)


def invited(invitation: Invitation = INVITATION, by: str = "validator-1") -> SignedInvitation:
    return SignedInvitation(
        invitation=invitation, signature=signer(by).sign(invitation_digest(invitation))
    )


def candidacy(
    *, name: str = "validator-4", raft: str = INVITATION.raft_endpoint, version: int = 2
) -> Candidacy:
    key = signer("newcomer")
    change = SetChange(
        subnet_id=NETWORK.subnet_id,
        version=version,
        base_set_id=set_id(NETWORK.validators),
        action=SetAction.ADD,
        member=ValidatorIdentity(
            id=ValidatorId(name),
            address=key.address,
            public_key=key.public_key,
            grpc_endpoint=INVITATION.grpc_endpoint,
            http_endpoint=INVITATION.http_endpoint,
            raft_endpoint=raft,
        ),
    )
    return Candidacy(invited=invited(), change=change, proof=key.sign(proof_digest(change)))


def check(one: Candidacy, now: float = START) -> None:
    check_candidacy(one, parameters=NETWORK, version=1, used_keys=(), now=now)


def code_of(one: Candidacy, now: float = START) -> str:
    with pytest.raises(SubnetError) as refused:
        check(one, now)
    return refused.value.code


def test_who_was_invited_and_holds_its_key_may_ask() -> None:
    check(candidacy())


def test_a_candidacy_survives_its_way_over_the_wire() -> None:
    one = candidacy()
    assert CandidacyBody(**candidacy_document(one)).value() == one


def test_an_invitation_counts_for_its_id_and_its_addresses_only() -> None:
    assert code_of(candidacy(name="validator-5")) == "SN-V120"
    assert code_of(candidacy(raft="10.0.0.66:7400")) == "SN-V120"


def test_an_invitation_ends_with_its_time() -> None:
    check(candidacy(), now=START + 100)
    assert code_of(candidacy(), now=START + 101) == "SN-V120"


def test_an_invitation_that_no_member_signed_is_worth_nothing() -> None:
    assert code_of(replace(candidacy(), invited=invited(by="stranger"))) == "SN-V120"
    changed = replace(invited(), invitation=replace(INVITATION, expires_at=START + 10**6))
    assert code_of(replace(candidacy(), invited=changed)) == "SN-V120"


def test_an_invitation_to_another_network_is_worth_nothing() -> None:
    other = replace(INVITATION, subnet_id=SubnetId("0x" + "07" * 32))
    assert code_of(replace(candidacy(), invited=invited(other))) == "SN-V120"


def test_a_key_that_is_not_proven_may_not_ask() -> None:
    stolen = candidacy()
    forged = replace(stolen, proof=signer("thief").sign(proof_digest(stolen.change)))
    assert code_of(forged) == "SN-V114"


def test_a_candidacy_for_an_older_set_is_told_so() -> None:
    assert code_of(candidacy(version=3)) == "SN-V112"
