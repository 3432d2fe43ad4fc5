"""One change of the validator set, as an operator's tool makes it: plan, approve, wait until it is in effect."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import SecretStr

from pinai_subnet.adapters.signer.local import LocalSigner
from pinai_subnet.cli.session import Session
from pinai_subnet.cli.set_files import number_of
from pinai_subnet.insight.readers import JsonApi
from pinai_subnet.ports.errors import DependencyError, Refused, Unreachable
from pinai_subnet.ports.signer import Signer
from pinai_subnet.protocol.errors import Conflict
from pinai_subnet.protocol.ids import Address
from pinai_subnet.protocol.membership import (
    SetAction,
    SetChange,
    SignedSetChange,
    change_digest,
    check_change,
    members_after,
    order_digest,
    proof_digest,
    set_id,
)
from pinai_subnet.protocol.network import ValidatorIdentity
from pinai_subnet.protocol.quorum import Quorum, quorum_of
from pinai_subnet.runtime.errors import cannot_start
from pinai_subnet.runtime.settings import read_private_key
from pinai_subnet.wire.set_changes import ChangeBody, MemberBody, signed_document

POLL_SECONDS = 0.2
SET = "/api/v1/validator-set"


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """The set as the running network knows it."""

    version: int
    members: tuple[ValidatorIdentity, ...]
    document: Mapping[str, Any]
    api: JsonApi

    @property
    def leader_id(self) -> str | None:
        """Who leads."""
        leader = self.document["leader_id"]
        return None if leader is None else str(leader)

    @property
    def proposed(self) -> SetChange | None:
        """The change that waits for approvals, or for its replica."""
        found = self.document["proposed"]
        return None if found is None else ChangeBody(**found["change"]).value()

    @property
    def approved_by(self) -> list[str]:
        """Who has approved the proposed change."""
        return list((self.document["proposed"] or {}).get("approvals", []))

    @property
    def tombstoned(self) -> frozenset[str]:
        """Keys that were given up for good."""
        return frozenset(self.document["tombstoned"])

    def member(self, validator_id: str) -> ValidatorIdentity | None:
        """Return one validator of the set."""
        return next((one for one in self.members if one.id == validator_id), None)

    def shows(self, change: SetChange) -> bool:
        """Whether the set is as this change makes it."""
        there = self.member(change.member.id)
        return there is None if change.action is SetAction.REMOVE else there == change.member

    def role(self, validator_id: str) -> str | None:
        """Return what a validator is in the replication group, None if it is not in it."""
        return next(
            (one["role"] for one in self.document["group"] if one["id"] == validator_id), None
        )


def present_set(session: Session) -> Present:
    """Ask the leader, or whoever answers, for the set; raise `Unreachable` SN-N401 where nobody does."""
    apis = session.validators()
    by_name = {api.name: api for api in apis}
    failure: DependencyError | None = None
    found: Present | None = None
    for first in apis:
        api = first
        try:
            document = api.get(SET)
            leader = by_name.get(document["leader_id"] or "", api)
            if leader is not api:
                api, document = leader, leader.get(SET)
        except DependencyError as error:
            failure = error
            continue
        members = tuple(MemberBody(**one).value() for one in document["members"])
        present = Present(version=document["version"], members=members, document=document, api=api)
        if present.leader_id == api.name:
            return present
        # Who was removed, or is cut off, knows no leader and may be behind: somebody else may know better.
        if found is None or present.version > found.version:
            found = present
    if found is None:
        raise failure or Unreachable("SN-N401", "no validator answers")
    return found


def quorum(session: Session, members: Sequence[ValidatorIdentity]) -> Quorum:
    """Return both quorums of a set under this network's threshold."""
    parameters = session.network.parameters
    return quorum_of(len(members), parameters.threshold_numerator, parameters.threshold_denominator)


def plan(
    session: Session, present: Present, action: SetAction, member: ValidatorIdentity
) -> SetChange:
    """Return the change that follows the present set."""
    return SetChange(
        subnet_id=session.network.parameters.subnet_id,
        version=present.version + 1,
        base_set_id=set_id(present.members),
        action=action,
        member=member,
    )


def outlook(session: Session, present: Present, change: SetChange) -> dict[str, Any]:
    """Return both quorums before and after a change, and what would happen; a change that is made shows no more."""
    after = present.members if present.shows(change) else members_after(present.members, change)
    here = {one["id"] for one in present.document["group"] if one["connected"]}
    then = quorum(session, after)
    staying = sum(str(member.id) in here for member in after if member.id != change.member.id)
    joining = int(change.action is not SetAction.REMOVE)
    return {
        "action": change.action.value,
        "validator": str(change.member.id),
        "before": _quorum_document(quorum(session, present.members), present.members),
        "after": _quorum_document(then, after),
        "here_then": staying + joining,
        "can_elect_leader": staying + joining >= then.raft_majority,
        "can_finalise": staying + joining >= then.required_signatures,
        "effective_epoch": present.document["next_epoch"],
        "approvals_needed": quorum(session, present.members).required_signatures,
    }


def check(session: Session, present: Present, change: SetChange, new_key: Signer | None) -> None:
    """Raise what the validators would raise for a change, before anything is sent or written."""
    other = present.proposed
    if other is not None and other != change:
        raise Conflict(
            "SN-V116",
            f"{other.action.value} of {other.member.id} is under way; one change at a time",
        )
    if present.shows(change) and change.action is not SetAction.ROTATE_KEY:
        return
    check_change(
        change,
        b"" if new_key is None else new_key.sign(proof_digest(change)),
        parameters=replace(session.network.parameters, validators=present.members),
        version=present.version,
        used_keys={
            *(Address(one) for one in present.tombstoned),
            *(one.address for one in present.members),
        },
    )


def _quorum_document(found: Quorum, members: Sequence[ValidatorIdentity]) -> dict[str, Any]:
    return {
        "validators": [str(member.id) for member in members],
        "raft_majority": found.raft_majority,
        "raft_spares": found.raft_spares,
        "required_signatures": found.required_signatures,
        "signature_spares": found.signature_spares,
    }


def require_possible(facts: Mapping[str, Any]) -> None:
    """Raise `StartupError` SN-C125 for a change after which the network could not work."""
    if facts["can_elect_leader"] and facts["can_finalise"]:
        return
    after = facts["after"]
    raise cannot_start(
        "SN-C125",
        f"after this only {facts['here_then']} validators are here; {after['raft_majority']} elect a "
        f"leader and {after['required_signatures']} make a batch final",
        where=str(facts["validator"]),
        fix="bring the absent validators back first, or remove those instead",
    )


def private_key(session: Session, validator_id: str) -> bytes | None:
    """Return the key of a validator if `.env` has it."""
    name = f"VALIDATOR_KEY_{number_of(validator_id)}"
    value = session.environment.get(name, "")
    return read_private_key(SecretStr(value), None, name) if value else None


def local_signer(session: Session, validator_id: str) -> LocalSigner | None:
    """Return who signs for a validator if `.env` has its key."""
    key = private_key(session, validator_id)
    return None if key is None else LocalSigner(key)


def own_signer(session: Session, validator_id: str, address: str | None) -> LocalSigner:
    """Return who signs for a validator here.

    Raises `StartupError` SN-K022 where its key is not here, SN-K023 where it is another one than the set's.
    """
    signer = local_signer(session, validator_id)
    where = f"{session.home.env_file} VALIDATOR_KEY_{number_of(validator_id)}"
    if signer is None:
        raise cannot_start(
            "SN-K022",
            f"the key of {validator_id} is not here",
            where=where,
            fix="run this on the host of that validator",
        )
    if address is not None and signer.address != address:
        raise cannot_start(
            "SN-K023",
            f"the key here is {signer.address}; {validator_id} signs as {address}",
            where=where,
            fix="put the present key of that validator there, or run this where it is",
        )
    return signer


def approvals(session: Session, present: Present, change: SetChange) -> tuple[bytes, ...]:
    """Sign a change with the members' keys that are here, as many as it needs."""
    found = []
    for member in present.members:
        signer = local_signer(session, member.id)
        if signer is not None and signer.address == member.address:
            found.append(signer.sign(change_digest(change)))
    return tuple(found[: quorum(session, present.members).required_signatures])


def send(
    session: Session, present: Present, change: SetChange, new_key: LocalSigner | None
) -> None:
    """Propose a change with its proof and every approval that can be given here."""
    signed = SignedSetChange(
        change=change,
        proof=b"" if new_key is None else new_key.sign(proof_digest(change)),
        approvals=approvals(session, present, change),
    )
    present.api.post(f"{SET}/changes", signed_document(signed, 0))


def see_through(
    session: Session,
    change: SetChange,
    new_key: LocalSigner | None,
    *,
    say: Callable[[str], None],
    wait_seconds: float,
) -> Present:
    """Propose and approve a change if that is not done yet, and wait until it is enacted.

    Raises `Refused` SN-V115 where approvals are missing, and what the validators refuse.
    """
    present = present_set(session)
    if not present.shows(change):
        send(session, present, change, new_key)
        present = present_set(session)
    needed = quorum(session, present.members).required_signatures
    waits = present.proposed == change and len(present.approved_by) < needed
    if waits:
        command = "./scripts/deploy.sh" if session.home.in_containers else "subnetctl validator"
        say(
            f"  approved by {', '.join(present.approved_by)}; {needed} approvals are needed; "
            f"where the keys of the others are: {command} approve"
        )
    try:
        return wait_for(
            session,
            f"{change.action.value} {change.member.id} is enacted",
            lambda seen: seen.shows(change),
            say=say,
            timeout_seconds=wait_seconds,
        )
    except Unreachable as error:
        found = present_set(session)
        if found.proposed == change and len(found.approved_by) < needed:
            raise Refused(
                "SN-V115",
                f"{change.action.value} {change.member.id} has {len(found.approved_by)} of {needed} "
                f"approvals ({', '.join(found.approved_by)}) after {wait_seconds:.0f} s; it stays proposed: "
                "approve it where the other keys are, then repeat this command, or withdraw it",
            ) from error
        raise


def wait_everywhere(
    session: Session, *, say: Callable[[str], None], timeout_seconds: float = 60.0
) -> dict[str, Any]:
    """Wait until every validator that is connected has the newest set; return who has it, and who is away."""
    deadline = time.monotonic() + timeout_seconds
    while True:
        present = present_set(session)
        away = {one["id"] for one in present.document["group"] if not one["connected"]}
        versions = {str(one.id): _version(one) for one in present.members}
        has = [name for name, version in versions.items() if version == present.version]
        missing = [name for name in versions if name not in has and name not in away]
        if not missing:
            break
        if time.monotonic() > deadline:
            raise Unreachable(
                "SN-N408", f"{', '.join(missing)}: not at set version {present.version}"
            )
        time.sleep(POLL_SECONDS)
    absent = [name for name in versions if name not in has]
    say(f"  set version {present.version} is in effect on {', '.join(has)}")
    if absent:
        say(f"  {', '.join(absent)} does not answer, and learns of it when it is back")
    return {"version": present.version, "in_effect_on": has, "absent": absent}


def _version(member: ValidatorIdentity) -> int | None:
    try:
        return int(JsonApi(name=member.id, base=member.http_endpoint).get(SET)["version"])
    except DependencyError:
        return None


def wait_for(
    session: Session,
    what: str,
    holds: Callable[[Present], bool],
    *,
    say: Callable[[str], None],
    timeout_seconds: float = 60.0,
) -> Present:
    """Wait until the running network shows an effect; raise `Unreachable` SN-N408 when it does not."""
    deadline = time.monotonic() + timeout_seconds
    reason = "it did not happen"
    while time.monotonic() < deadline:
        try:
            present = present_set(session)
            if holds(present):
                say(f"  {what}")
                return present
        except DependencyError as error:
            reason = str(error)
        time.sleep(POLL_SECONDS)
    raise Unreachable("SN-N408", f"not seen within {timeout_seconds:.0f} s: {what}; {reason}")


def order(session: Session, present: Present, name: str, subject: str) -> dict[str, Any]:
    """Give the leader an order in the name of a validator whose key is here."""
    at = int(time.time())
    digest = order_digest(session.network.parameters.subnet_id, order=name, subject=subject, at=at)
    for member in present.members:
        signer = local_signer(session, member.id)
        if signer is not None and signer.address == member.address:
            body = {
                "order": name,
                "subject": subject,
                "at": at,
                "signature": "0x" + signer.sign(digest).hex(),
            }
            return dict(present.api.post(f"{SET}/orders", body))
    raise cannot_start(
        "SN-K022",
        "no key of a validator is here",
        where=str(session.home.env_file),
        fix="run this where a VALIDATOR_KEY_n is",
    )
