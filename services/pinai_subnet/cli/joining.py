"""The other side of an invitation: the home of a host that joins, and the wait until its validator has a vote."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pinai_subnet.adapters.signer.local import LocalSigner
from pinai_subnet.cli.compose_file import compose_text
from pinai_subnet.cli.home import Home
from pinai_subnet.cli.initialise import write_new_env
from pinai_subnet.cli.join_package import (
    JoinPackage,
    keep_invitation,
    kept_invitation,
    unpacked,
)
from pinai_subnet.cli.keys import new_private_key
from pinai_subnet.cli.session import Session
from pinai_subnet.cli.set_change import (
    POLL_SECONDS,
    SET,
    Present,
    outlook,
    own_signer,
    plan,
    present_set,
)
from pinai_subnet.cli.set_files import network_with, number_of, write_network
from pinai_subnet.insight.readers import JsonApi
from pinai_subnet.ports.errors import DependencyError, Refused
from pinai_subnet.protocol.errors import Conflict
from pinai_subnet.protocol.invitations import Candidacy, Invitation, SignedInvitation
from pinai_subnet.protocol.membership import SetAction, proof_digest
from pinai_subnet.protocol.network import ValidatorIdentity
from pinai_subnet.runtime.errors import StartupError, cannot_start
from pinai_subnet.runtime.settings import SettingsLoader
from pinai_subnet.wire.invitations import candidacy_document
from pinai_subnet.wire.network_file import load_network

ASK_SECONDS = 3.0
"""Pause between two candidacies: validators keep one for a minute."""
_FINAL = ("SN-V110", "SN-V111", "SN-V113", "SN-V114", "SN-V120")
"""What asking again would not change."""


def make_home(home: Home, file: Path, *, now: float) -> dict[str, Any]:
    """Make the home of an invited host, with a key that is made here; return what is public of it.

    Raises `StartupError` SN-C030 where there is one already, SN-C126 and SN-V120 for a file that is of no use.
    """
    if home.exists:
        raise cannot_start(
            "SN-C030",
            f"{home.env_file} exists: this host is a member of a network",
            where=str(home.env_file),
            fix="go on with ./scripts/deploy.sh; to join another network, use another directory",
        )
    try:
        data = file.read_bytes()
    except OSError as error:
        raise cannot_start(
            "SN-C126", f"the join package cannot be read: {error.strerror}", where=str(file),
            fix="name the file that `deploy.sh invite` wrote",
        ) from error  # fmt: skip
    package = unpacked(data, str(file))
    invitation = package.invited.invitation
    if now > invitation.expires_at:
        raise cannot_start(
            "SN-V120",
            f"the invitation of {invitation.validator_id} has expired",
            where=str(file),
            fix="have another one made: ./scripts/deploy.sh invite",
        )
    key = new_private_key()
    signer = LocalSigner(key)
    _write_files(home, package, signer)
    keep_invitation(home, package.invited)
    write_new_env(home.env_file, _variables(package, key, signer))
    return {
        "validator": invitation.validator_id,
        "address": signer.address,
        "public_key": signer.public_key.hex(),
        "endpoints": [
            invitation.grpc_endpoint,
            invitation.http_endpoint,
            invitation.raft_endpoint,
        ],
    }


def _write_files(home: Home, package: JoinPackage, signer: LocalSigner) -> None:
    invitation = package.invited.invitation
    for directory in (home.config, home.data, home.logs, home.run):
        if not home.in_containers or directory == home.config:
            directory.mkdir(parents=True, exist_ok=True)
    for name, text in package.files.items():
        (home.config / name).write_text(text, encoding="utf-8")
    loader = SettingsLoader(package.variables)
    network = load_network(loader, home.config)
    if network is None:
        raise StartupError(loader.problems)
    members = (*network.parameters.validators, _identity(invitation, signer))
    text = network_with(package.files["network.yaml"], members, network.genesis.validators, {})
    (home.config / "network.yaml").write_text(text, encoding="utf-8")
    if home.in_containers:
        name = invitation.validator_id
        compose = compose_text("deployment", int(number_of(name)), [name])
        (home.root / "docker" / "docker-compose.yml").write_text(compose, encoding="utf-8")


def _variables(package: JoinPackage, key: bytes, signer: LocalSigner) -> dict[str, str]:
    invitation = package.invited.invitation
    number = number_of(invitation.validator_id)
    variables = dict(package.variables)
    for end, endpoint in (
        ("GRPC", invitation.grpc_endpoint),
        ("HTTP", invitation.http_endpoint),
        ("RAFT", invitation.raft_endpoint),
    ):
        variables[f"VALIDATOR_{number}_{end}"] = endpoint
        variables[f"VALIDATOR_{number}_{end}_PORT"] = endpoint.rpartition(":")[2]
    return variables | {
        f"VALIDATOR_KEY_{number}": key.hex(),
        f"VALIDATOR_PUBKEY_{number}": signer.public_key.hex(),
        "HOST_SERVICES": str(invitation.validator_id),
    }


def _identity(invitation: Invitation, signer: LocalSigner) -> ValidatorIdentity:
    return ValidatorIdentity(
        id=invitation.validator_id,
        address=signer.address,
        public_key=signer.public_key,
        grpc_endpoint=invitation.grpc_endpoint,
        http_endpoint=invitation.http_endpoint,
        raft_endpoint=invitation.raft_endpoint,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Joining:
    """Asks the members for as long as it takes, and follows what becomes of it."""

    session: Session
    say: Callable[[str], None]

    def see_through(self, *, wait_seconds: float) -> Present:
        """Ask to join until the validator here has a vote; return the set then. What is done already is not repeated.

        Raises `Refused` SN-V115 where approvals are still missing, SN-V120 without an invitation, and `Conflict`.
        """
        invited = kept_invitation(self.session.home)
        if invited is None:
            raise cannot_start(
                "SN-V120",
                "this host was not invited: it has no invitation to show",
                where=str(self.session.home.root / "invitation.json"),
                fix="on a host of the network: ./scripts/deploy.sh invite; here: deploy.sh join PACKAGE",
            )
        name = invited.invitation.validator_id
        signer = own_signer(self.session, name, None)
        deadline = time.monotonic() + wait_seconds
        told, asked_at, state = "", -ASK_SECONDS, "no member answers"
        while time.monotonic() < deadline:
            present, state = self._look(name, signer)
            if present is not None:
                known = present.member(name)
                if known is not None and present.role(name) == "voter":
                    write_network(
                        self.session.home, present.members, self.session.network.genesis.validators
                    )
                    return present
                open_to_all = known is None and present.proposed is None
                if open_to_all and time.monotonic() - asked_at >= ASK_SECONDS:
                    asked_at = time.monotonic()
                    state = self._ask(invited, present, signer) or state
            if state != told:
                self.say(f"  {state}")
                told = state
            time.sleep(POLL_SECONDS)
        raise Refused(
            "SN-V115",
            f"{name} has no vote after {wait_seconds:.0f} s: {state}; it goes on by repeating this command",
        )

    def _look(self, name: str, signer: LocalSigner) -> tuple[Present | None, str]:
        """Return the set, None where nobody tells it, and what there is to say."""
        try:
            present = present_set(self.session)
        except DependencyError as error:
            return None, str(error)
        known = present.member(name)
        if known is not None and known.address != signer.address:
            raise Conflict("SN-V110", f"{name} is a validator already, with another key")
        if signer.address in present.tombstoned:
            raise Conflict("SN-V113", f"the key {signer.address} was given up for good")
        return present, self._state(present, name, signer)

    def _ask(self, invited: SignedInvitation, present: Present, signer: LocalSigner) -> str | None:
        """Tell every member; one that takes it is enough. Return why none did."""
        me = _identity(invited.invitation, signer)
        change = plan(self.session, present, SetAction.ADD, me)
        candidacy = Candidacy(
            invited=invited, change=change, proof=signer.sign(proof_digest(change))
        )
        body, failures = candidacy_document(candidacy), []
        for member in present.members:
            api = JsonApi(name=member.id, base=member.http_endpoint)
            try:
                api.post(f"{SET}/candidates", body)
            except DependencyError as error:
                if error.code in _FINAL:
                    raise
                failures.append(str(error))
        return "; ".join(failures) if len(failures) == len(present.members) else None

    def _state(self, present: Present, name: str, signer: LocalSigner) -> str:
        if present.member(name) is not None:
            return f"{name} is {present.role(name) or 'added'} and catches up"
        change = present.proposed
        if change is None:
            me = _identity_of(self.session, name)
            facts = outlook(self.session, present, plan(self.session, present, SetAction.ADD, me))
            return (
                f"{name} waits for {facts['approvals_needed']} approvals; on the hosts of the validators "
                f"{', '.join(facts['before']['validators'])}: ./scripts/deploy.sh approve {signer.address}"
            )
        if change.member.id != name:
            return f"{change.action.value} of {change.member.id} is under way; waiting for its end"
        return f"{name} is approved by {', '.join(present.approved_by) or 'nobody'} so far"


def _identity_of(session: Session, name: str) -> ValidatorIdentity:
    found = session.network.parameters.validator(name)
    if found is None:
        raise cannot_start(
            "SN-V103",
            f"{name} is not in network.yaml",
            where=str(session.home.config / "network.yaml"),
            fix="add it with its key and addresses, as `deploy.sh join` wrote it",
        )
    return found
