"""A ledger state into the data directories of a stopped home: a new life of the network. Asks nobody; see `backup`."""

import secrets
import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from pinai_subnet.adapters.signing_record.file import FileSigningRecord
from pinai_subnet.cli.local_network import members
from pinai_subnet.cli.session import Session
from pinai_subnet.cli.set_files import write_restored
from pinai_subnet.consensus.generation import restored_cluster, write_cluster
from pinai_subnet.consensus.salvage import seed
from pinai_subnet.ports.errors import DependencyError, Refused
from pinai_subnet.ports.replication import Peer
from pinai_subnet.protocol.ids import Address
from pinai_subnet.protocol.network import ValidatorIdentity
from pinai_subnet.runtime.data_dir import DataDirectory, Identity
from pinai_subnet.validator.archive import DATABASE, copy_archive
from pinai_subnet.validator.ledger import Ledger
from pinai_subnet.validator.reopening import open_intents, state_above

LOG = "log"
RECORD = "signing-record.log"
_PAGE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One validator of this home and where its data is."""

    identity: ValidatorIdentity
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What was done."""

    cluster_id: str
    epoch_floor: int
    validators: tuple[str, ...]
    aside: Path
    """Where the former data directories are now."""
    content_digest: str
    """Of the state that every validator begins with."""
    archives: tuple[str, ...]
    """Validators whose archive of forgotten work was carried over."""
    set_replaced: bool
    """Whether it goes on with other validators than the ledger's."""


def targets(session: Session, *, containers: bool = False) -> Sequence[Target]:
    """Return the validators that this home has keys for; raise `Refused` SN-R084 where there is none.

    In containers each has a volume of its own, data/NAME, and its directory in it; who does not know that is refused.
    """
    if not containers:
        session.home.require_processes(
            "the ledgers of this home are in volumes of containers",
            "bring back the hosts that are lost, or go on from a backup: ./scripts/deploy.sh restore FILE",
        )
    parameters = session.network.parameters
    local = {member.id for member in members(session.environment) if member.role == "validator"}
    found = [
        Target(
            identity=one, path=session.home.data / (f"{one.id}/{one.id}" if containers else one.id)
        )
        for one in parameters.validators
        if one.id in local
    ]
    if not found:
        raise Refused(
            "SN-R084", f"{session.home.root} holds the key of no validator of the network"
        )
    return found


def highest_epoch(session: Session, ledger: Ledger, wanted: Sequence[Target]) -> int:
    """Return the highest epoch that is known to be used: ledger, signing records here, RootLayer where it answers."""
    highest = ledger.next_epoch - 1
    for target in wanted:
        path = target.path / RECORD
        if path.exists():
            record = FileSigningRecord(path, address=target.identity.address)
            highest = max(highest, record.highest_epoch)
            record.close()
    try:
        while page := session.rootlayer.get(
            "/api/v1/batches", {"after_epoch": highest, "limit": _PAGE}
        )["batches"]:
            highest = max(highest, *(int(batch["epoch"]) for batch in page))
    except DependencyError:
        return highest
    return highest


def restore(
    session: Session,
    ledger: Ledger,
    *,
    wanted: Sequence[Target],
    term: int,
    epoch_floor: int,
    restore_id: str | None = None,
) -> Restored:
    """Give these validators of this home the state; former directories are moved aside, signing records carried over.

    Every directory is locked first, so nothing happens while a validator runs (`StartupError` SN-H010).
    """
    parameters = session.network.parameters
    name = restore_id or secrets.token_hex(4)
    cluster = restored_cluster(parameters.subnet_id, name)
    aside = session.home.data / f"before-restore-{name}"
    members = parameters.validators
    replaced = members != ledger.members()
    state = state_above(
        ledger, epoch_floor, members=members, version=_version_at_rootlayer(session, members)
    )
    changed = ledger.set_state().version > 1
    archives: list[str] = []
    with ExitStack() as locks:
        for target in wanted:
            if target.path.exists():
                locks.enter_context(opened(session, target))
        session.home.data.mkdir(mode=0o700, exist_ok=True)
        aside.mkdir(mode=0o700)
        for target in wanted:
            former = aside / target.identity.id
            if target.path.exists():
                target.path.rename(former)
            target.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with opened(session, target) as directory:
                write_cluster(directory.path, cluster)
                if _carry_over(former, directory):
                    archives.append(str(target.identity.id))
                _keep_record(directory.file(RECORD), target.identity.address, ledger, epoch_floor)
                # The log comes last: without it a directory that was not finished does not look like a member's.
                seed(
                    directory.file(LOG),
                    cluster=cluster,
                    state=state,
                    last_index=ledger.index,
                    last_term=max(1, term),
                    group=[_peer(member) for member in members] if changed else (),
                )
        write_restored(session.home, name)
    return Restored(
        cluster_id=cluster,
        epoch_floor=epoch_floor,
        validators=tuple(target.identity.id for target in wanted),
        aside=aside,
        content_digest="0x" + sha256(state).hexdigest(),
        archives=tuple(archives),
        set_replaced=replaced,
    )


def _version_at_rootlayer(session: Session, members: Sequence[ValidatorIdentity]) -> int:
    """Return under which number RootLayer knows this set, so that later changes follow it; 0 where it does not."""
    wanted = {(str(member.id), str(member.address)) for member in members}
    try:
        known = session.rootlayer.get("/api/v1/validator-sets")["sets"]
    except DependencyError:
        return 0
    return max(
        (
            int(one["version"])
            for one in known
            if {(member["id"], member["address"]) for member in one["validators"]} == wanted
        ),
        default=0,
    )


def _peer(member: ValidatorIdentity) -> Peer:
    return Peer(id=member.id, address=member.address, endpoint=member.raft_endpoint)


def _carry_over(former: Path, directory: DataDirectory) -> bool:
    """Copy what a validator's former directory holds besides the log; return whether an archive was among it."""
    if (former / RECORD).exists():
        shutil.copyfile(former / RECORD, directory.file(RECORD))
    archive = former / DATABASE
    return archive.exists() and copy_archive(archive, directory.file(DATABASE))


def opened(session: Session, target: Target) -> DataDirectory:
    """Open a validator's data directory, which locks it; raise `StartupError` as the validator would."""
    identity = Identity(
        subnet_id=session.network.parameters.subnet_id,
        role="validator",
        node_id=target.identity.id,
    )
    return DataDirectory.open(target.path, identity=identity)


def _keep_record(path: Path, address: Address, ledger: Ledger, epoch_floor: int) -> None:
    """Carry on the signing record: what it knows, then the open epochs of the ledger, then nothing up to the floor."""
    record = FileSigningRecord(path, address=address)
    try:
        unknown = [one for one in open_intents(ledger) if one.epoch > record.highest_epoch]
        record.remember(unknown)
        record.raise_to(epoch_floor)
    finally:
        record.close()
