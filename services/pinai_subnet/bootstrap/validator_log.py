"""The replicated log of a validator process: put together from its configuration. Starts nothing."""

from collections.abc import Callable
from pathlib import Path

from pinai_subnet.bootstrap.listening import port_of
from pinai_subnet.bootstrap.validator_files import Configuration, replication_options
from pinai_subnet.bootstrap.version import VERSION
from pinai_subnet.consensus.build import Build
from pinai_subnet.consensus.fence import Guard
from pinai_subnet.consensus.generation import cluster_of
from pinai_subnet.consensus.node import ReplicatedLog
from pinai_subnet.consensus.resumable import ResumableLog
from pinai_subnet.ports.errors import Damaged, Refused
from pinai_subnet.ports.replication import Peer
from pinai_subnet.protocol.network import ValidatorIdentity
from pinai_subnet.runtime.binding import address_text
from pinai_subnet.runtime.data_dir import DataDirectory
from pinai_subnet.runtime.errors import cannot_start
from pinai_subnet.validator.rules_version import OLDEST_RULES, RULES
from pinai_subnet.validator.state_machine import LedgerMachine
from pinai_subnet.validator.status import chain_text
from pinai_subnet.wire.network_file import Network


def log_factory(
    configuration: Configuration, path: Path, cluster_id: str, *, synced: Callable[[float], None]
) -> Callable[[LedgerMachine], ResumableLog]:
    """Return what makes the log of a state machine, kept under `path`; `synced` takes the seconds of every fsync."""
    # What the command line says counts for the start, not each time that the log comes back after a pause.
    guards = iter((configuration.guard,))

    def make(machine: LedgerMachine) -> ReplicatedLog:
        guard = next(guards, Guard())
        return _replicated_log(
            configuration, machine, path, cluster_id=cluster_id, guard=guard, synced=synced
        )

    return lambda machine: ResumableLog(lambda: make(machine))


def _replicated_log(
    configuration: Configuration,
    machine: LedgerMachine,
    directory: Path,
    *,
    cluster_id: str,
    guard: Guard,
    synced: Callable[[float], None],
) -> ReplicatedLog:
    network, me = configuration.network, configuration.me
    parameters = network.parameters
    present = {member.address: member for member in parameters.validators}
    listen = configuration.settings.listen
    port = port_of(listen.raft_port, me.raft_endpoint)
    return ReplicatedLog(
        me=_peer(me),
        others=[_peer(other) for other in parameters.validators if other.id != me.id],
        listen=address_text(listen.host, port),
        cluster_id=cluster_id,
        directory=directory,
        state_machine=machine,
        signer=configuration.signer,
        options=replication_options(configuration.settings.replication),
        first_group=[
            _peer(present.get(member.address, member)) for member in network.genesis.validators
        ],
        guard=guard,
        build=Build(
            rules=RULES,
            oldest_rules=OLDEST_RULES,
            release=VERSION,
            chain=chain_text(parameters.domain),
        ),
        synced=synced,
    )


def cluster_id_of(directory: DataDirectory, network: Network) -> str:
    """Return which life of the network a data directory belongs to; raise `StartupError` where that is unreadable."""
    try:
        return cluster_of(directory.path, network.parameters.subnet_id, network.restored)
    except (Damaged, Refused) as exc:
        raise cannot_start(
            exc.code,
            exc.message,
            where=str(directory.path),
            fix=f"`subnetctl explain {exc.code}` says what to do",
        ) from exc


def _peer(member: ValidatorIdentity) -> Peer:
    return Peer(id=member.id, address=member.address, endpoint=member.raft_endpoint)
