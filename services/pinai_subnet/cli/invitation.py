"""Inviting a validator on another host: who signs, what the package holds. The network need not run yet."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pinai_subnet.cli.join_package import JoinPackage, package_of
from pinai_subnet.cli.ports import PER_VALIDATOR
from pinai_subnet.cli.session import Session
from pinai_subnet.cli.set_change import local_signer
from pinai_subnet.cli.set_files import network_with, number_of
from pinai_subnet.protocol.errors import Conflict
from pinai_subnet.protocol.ids import ValidatorId
from pinai_subnet.protocol.invitations import Invitation, SignedInvitation, invitation_digest
from pinai_subnet.protocol.network import ValidatorIdentity
from pinai_subnet.runtime.errors import cannot_start

VALID_SECONDS = 7 * 24 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class HostPorts:
    """On which ports of its host a validator is reached; the same on every host unless it is said otherwise."""

    grpc: int = PER_VALIDATOR["GRPC"]
    http: int = PER_VALIDATOR["HTTP"]
    raft: int = PER_VALIDATOR["RAFT"]

    def endpoints(self, host: str) -> dict[str, str]:
        """Return host:port of each listener."""
        place = f"[{host}]" if ":" in host else host
        return {
            "GRPC": f"{place}:{self.grpc}",
            "HTTP": f"{place}:{self.http}",
            "RAFT": f"{place}:{self.raft}",
        }


def invitation_to(
    session: Session, name: str, endpoints: Mapping[str, str], *, now: float
) -> SignedInvitation:
    """Return an invitation signed by a validator whose key is here; raise `StartupError` SN-K022 where none is."""
    if not number_of(name).isdigit():
        raise cannot_start(
            "SN-V110", f"{name!r} is no validator-<number>", where="--id", fix="e.g. validator-4"
        )
    parameters = session.network.parameters
    if parameters.validator(name) is not None:
        raise Conflict("SN-V110", f"{name} is a validator already")
    invitation = Invitation(
        subnet_id=parameters.subnet_id,
        validator_id=ValidatorId(name),
        grpc_endpoint=endpoints["GRPC"],
        http_endpoint=endpoints["HTTP"],
        raft_endpoint=endpoints["RAFT"],
        expires_at=int(now) + VALID_SECONDS,
    )
    for member in parameters.validators:
        signer = local_signer(session, member.id)
        if signer is not None and signer.address == member.address:
            signature = signer.sign(invitation_digest(invitation))
            return SignedInvitation(invitation=invitation, signature=signature)
    raise cannot_start(
        "SN-K022",
        "no key of a validator is here",
        where=str(session.home.env_file),
        fix="run this on the host of a validator",
    )


def package_for(
    session: Session, invited: SignedInvitation, members: Sequence[ValidatorIdentity]
) -> JoinPackage:
    """Return what the invited host needs, with the set as it is now."""
    text = (session.home.config / "network.yaml").read_text(encoding="utf-8")
    genesis = session.network.genesis.validators
    return package_of(session.home, invited, network_with(text, members, genesis, {}))
