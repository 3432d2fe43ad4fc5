"""One look at an engine from any thread. Reads only single values, so it never waits and never disturbs the loop."""

from pysyncobj.monotonic import monotonic
from pysyncobj.node import Node

from pinai_subnet.consensus.elections import ROLES
from pinai_subnet.consensus.engine import Engine
from pinai_subnet.consensus.group import GroupMember
from pinai_subnet.consensus.membership import membership_of
from pinai_subnet.ports.errors import DependencyError
from pinai_subnet.ports.replication import PeerStatus, ReplicationStatus


def look(engine: Engine, failure: DependencyError | None, *, waiting: int = 0) -> ReplicationStatus:
    """Return the engine's status; a failed engine has no quorum and follows nobody."""
    group = engine.group
    leader = engine.current_leader() if failure is None else None
    role = ROLES[engine.role()] if failure is None else ROLES[0]
    return ReplicationStatus(
        id=engine.selfNode.id,
        role=role,
        leader_id=leader.id if leader is not None else None,
        term=engine.term(),
        last_index=engine.last_index(),
        commit_index=engine.commit_index(),
        applied_index=engine.applied_index(),
        has_quorum=failure is None and engine.has_lease(),
        tick_lag_seconds=engine.tick_lag_seconds,
        peers=tuple(
            _look_at(engine, member)
            for member in sorted(group.members, key=lambda m: m.peer.id)
            if member.peer.id != engine.selfNode.id
        ),
        failure=str(failure) if failure is not None else None,
        membership=membership_of(group.get(engine.selfNode.id)),
        change_pending=engine.change_pending,
        waiting=waiting,
    )


def _look_at(engine: Engine, member: GroupMember) -> PeerStatus:
    peer = member.peer
    heard = engine.links().heard_at(peer.id)
    return PeerStatus(
        id=peer.id,
        connected=engine.links().connected(peer.id),
        last_heard_seconds=None if heard is None else max(0.0, monotonic() - heard),
        lag=engine.lag_of(Node(peer.id)),
        role=membership_of(member),
        address=peer.address,
        endpoint=peer.endpoint,
        former_address=peer.former_address,
        failure=engine.links().failure(peer.id),
    )
