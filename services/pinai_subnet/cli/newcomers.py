"""What an approval is of: the change under way, or a newcomer who asks to join and proves its key."""

import time
from dataclasses import replace

from pinai_subnet.adapters.signer.local import LocalSigner
from pinai_subnet.cli.session import Session
from pinai_subnet.cli.set_change import SET, Present, local_signer
from pinai_subnet.ports.errors import DependencyError
from pinai_subnet.protocol.ids import Address
from pinai_subnet.protocol.invitations import Candidacy, check_candidacy
from pinai_subnet.protocol.membership import SetChange, SignedSetChange, change_digest
from pinai_subnet.runtime.errors import cannot_start
from pinai_subnet.wire.invitations import CandidacyBody
from pinai_subnet.wire.set_changes import signed_document


def candidacies(session: Session) -> list[Candidacy]:
    """Return who asks to join, each key once, as all validators that answer tell it."""
    found: dict[str, Candidacy] = {}
    for api in session.validators():
        try:
            documents = api.get(f"{SET}/candidates")["candidates"]
        except DependencyError:
            continue
        for document in documents:
            candidacy = CandidacyBody(**document).value()
            found[candidacy.change.member.address] = candidacy
    return list(found.values())


def wanted_change(
    session: Session, present: Present, newcomer: str | None
) -> tuple[SetChange, bytes | None]:
    """Return the change to approve, and its proof where nobody proposed it yet.

    Raises `StartupError` SN-V117 where there is none, SN-V121 where nobody with the named key asks.
    """
    proposed = present.proposed
    if newcomer is None:
        return proposed_of(present, session), None
    if proposed is not None and proposed.member.address.lower() == newcomer.lower():
        return proposed, None
    asking = candidacies(session)
    for one in asking:
        if one.change.member.address.lower() == newcomer.lower():
            _check(session, present, one)
            return one.change, one.proof
    raise cannot_start(
        "SN-V121",
        f"nobody with the key {newcomer} asks to join; {_told(asking)}",
        where=present.api.base,
        fix="compare the address with what `deploy.sh join` printed there, and see that it still waits",
    )


def _check(session: Session, present: Present, candidacy: Candidacy) -> None:
    """Whoever told it is not believed: the key itself vouches for the addresses, a member invited them."""
    check_candidacy(
        candidacy,
        parameters=replace(session.network.parameters, validators=present.members),
        version=present.version,
        used_keys={
            *(Address(one) for one in present.tombstoned),
            *(one.address for one in present.members),
        },
        now=time.time(),
    )


def proposed_of(present: Present, session: Session | None = None) -> SetChange:
    """Return the change under way; raise `StartupError` SN-V117 where there is none, naming who asks to join."""
    if present.proposed is None:
        asking = [] if session is None else candidacies(session)
        raise cannot_start(
            "SN-V117",
            f"no change is under way; {_told(asking)}",
            where=present.api.base,
            fix="name the address of who asks to join, or see `subnetctl validator list`",
        )
    return present.proposed


def _told(asking: list[Candidacy]) -> str:
    names = [f"{one.change.member.id} with the key {one.change.member.address}" for one in asking]
    return f"these ask: {', '.join(names)}" if names else "nobody asks to join"


def approver_here(session: Session, present: Present) -> str:
    """Return the validator of the set whose key is here; raise `StartupError` SN-K022 unless it is just one."""
    here = [
        str(member.id)
        for member in present.members
        if (signer := local_signer(session, member.id)) and signer.address == member.address
    ]
    if len(here) != 1:
        raise cannot_start(
            "SN-K022",
            f"the keys of {', '.join(here) or 'no validator'} are here",
            where=str(session.home.env_file),
            fix="say which validator approves: --as ID",
        )
    return here[0]


def give_approval(
    present: Present, change: SetChange, proof: bytes | None, signer: LocalSigner
) -> None:
    """Approve a change; with a proof, propose it first."""
    digest = change_digest(change)
    approval = signer.sign(digest)
    if proof is None:
        body = {"digest": "0x" + digest.hex(), "approval": "0x" + approval.hex()}
        present.api.post(f"{SET}/approvals", body)
        return
    signed = SignedSetChange(change=change, proof=proof, approvals=(approval,))
    present.api.post(f"{SET}/changes", signed_document(signed, 0))
