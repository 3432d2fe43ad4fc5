"""What a validator is told: all its files read, checked and found consistent before anything is opened."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pinai_subnet.adapters.signer.local import LocalSigner
from pinai_subnet.bootstrap.arguments import Arguments
from pinai_subnet.consensus.fence import Guard
from pinai_subnet.consensus.options import ReplicationOptions
from pinai_subnet.protocol.errors import SubnetError
from pinai_subnet.protocol.network import NetworkParameters, ValidatorIdentity
from pinai_subnet.runtime.errors import cannot_start
from pinai_subnet.runtime.private_key import read_private_key
from pinai_subnet.runtime.settings import SettingsLoader
from pinai_subnet.validator.policy_settings import (
    SHADOW_NAME,
    ValidatorPolicies,
    load_policies,
    read_policy_file,
)
from pinai_subnet.validator.settings import FILE_NAME, ReplicationSection, ValidatorSettings
from pinai_subnet.validator.shadow import Candidate
from pinai_subnet.wire.auth_file import AuthFile, load_auth
from pinai_subnet.wire.network_file import Network, load_network


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """Everything that was read and found consistent before anything is opened."""

    settings: ValidatorSettings
    network: Network
    me: ValidatorIdentity
    policies: ValidatorPolicies
    auth: AuthFile
    signer: LocalSigner
    guard: Guard = field(default_factory=Guard)
    backup_key: bytes | None = None
    """Encrypts the scheduled backups."""
    candidate: Candidate | None = None
    """The policies that run in shadow; None where there is no such file."""


def load(arguments: Arguments, environ: Mapping[str, str]) -> Configuration:
    """Read and check all files; raise one `StartupError` with every problem found."""
    loader = SettingsLoader(environ, origins=arguments.origins)
    loaded = loader.load(ValidatorSettings, arguments.config_dir / FILE_NAME)
    network = load_network(loader, arguments.config_dir)
    policies = load_policies(loader, arguments.config_dir)
    auth = load_auth(loader, arguments.config_dir)
    signer: LocalSigner | None = None
    with loader.collecting():
        key = loaded.private_key()
        signer = LocalSigner(key) if key else None
    backup_key: bytes | None = None
    if loaded.ok:
        with loader.collecting():
            replication_options(loaded.value.replication)
        if (file := loaded.value.backup.key_file) is not None:
            with loader.collecting():
                backup_key = read_private_key(None, file, loaded.where("backup", "key_file"))
    me: ValidatorIdentity | None = None
    if network is not None:
        with loader.collecting():
            me = _identity(network.parameters, arguments)
    if network is not None and me is not None and signer is not None:
        with loader.collecting():
            _check_key(network.parameters, me, signer, loaded.where("private_key"))
    loader.finish()
    if network is None or policies is None or auth is None or me is None or signer is None:
        raise AssertionError("the loader reports what it could not load")
    return Configuration(
        settings=loaded.value,
        network=network,
        me=me,
        policies=policies,
        auth=auth,
        signer=signer,
        guard=Guard(takeover=arguments.takeover, rejoin_empty=arguments.rejoin_empty),
        backup_key=backup_key,
        candidate=candidate_of(arguments, environ),
    )


def candidate_of(arguments: Arguments, environ: Mapping[str, str]) -> Candidate | None:
    """Return the policies of the shadow file, or why they cannot run: a wrong candidate stops no validator."""
    path = arguments.config_dir / SHADOW_NAME
    if not path.exists():
        return None
    loader = SettingsLoader(environ, origins=arguments.origins)
    file = read_policy_file(loader, path)
    if file is not None and not loader.problems:
        return Candidate(policies=file.validator.book())
    problems = tuple(f"{one.code} {one.where}: {one.message}" for one in loader.problems)
    return Candidate(policies=None, problems=problems)


def replication_options(section: ReplicationSection) -> ReplicationOptions:
    """Return the engine's options; raise `StartupError` when they do not fit together."""
    try:
        return ReplicationOptions(
            election_min_seconds=section.election_min_seconds,
            election_max_seconds=section.election_max_seconds,
            heartbeat_seconds=section.heartbeat_seconds,
            compact_after_entries=section.compact_after_entries,
            keep_entries=section.keep_entries,
        )
    except SubnetError as exc:
        raise cannot_start(
            exc.code, exc.message, where="replication", fix="correct it in validator.yaml"
        ) from exc


def _identity(parameters: NetworkParameters, arguments: Arguments) -> ValidatorIdentity:
    known = ", ".join(member.id for member in parameters.validators)
    if arguments.id is None:
        raise cannot_start(
            "SN-V103",
            f"no validator id was given; network.yaml knows {known}",
            where="--id",
            fix="add --id and one of them",
        )
    me = parameters.validator(arguments.id)
    if me is None:
        raise cannot_start(
            "SN-V103",
            f"{arguments.id!r} is not a validator of this network; network.yaml knows {known}",
            where="--id",
            fix="use one of them, or add the validator to network.yaml on every member",
        )
    return me


def _check_key(
    parameters: NetworkParameters, me: ValidatorIdentity, signer: LocalSigner, where: str
) -> None:
    if signer.public_key == me.public_key:
        return
    owner = parameters.validator_at(signer.address)
    whose = f"that is {owner.id}'s" if owner else "which belongs to no validator in network.yaml"
    raise cannot_start(
        "SN-V102",
        f"{me.id}: the key derives to {signer.public_key.hex()[:16]}… ({whose}), "
        f"but network.yaml says {me.public_key.hex()[:16]}…",
        where=where,
        fix=f"give {me.id} its own key, or correct its public_key in network.yaml",
    )
