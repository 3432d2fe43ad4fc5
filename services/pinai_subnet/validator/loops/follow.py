"""Follow the set: the leader makes the replication group what the ledger says, one step at a time.

A new validator's replica first follows as a learner; when it has caught up, its change is enacted, and then it gets
its vote. A removed one loses its vote when no epoch needs its signature any more. Decides nothing: the approvals do.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from pinai_subnet.ports.replication import (
    ChangeKind,
    GroupChange,
    Peer,
    PeerStatus,
    Replication,
)
from pinai_subnet.protocol.errors import WrongState
from pinai_subnet.protocol.ids import ValidatorId
from pinai_subnet.protocol.membership import SetAction, change_digest
from pinai_subnet.protocol.network import ValidatorIdentity
from pinai_subnet.runtime.clock import Clock
from pinai_subnet.runtime.logs import get_logger
from pinai_subnet.validator.applied import ReplyStatus
from pinai_subnet.validator.commands import EnactSetChange
from pinai_subnet.validator.ledger import Ledger
from pinai_subnet.validator.records import ProposedChange
from pinai_subnet.validator.replica import Replica

_CHANGE_SECONDS = 5.0
_CAUGHT_UP_ENTRIES = 64
_LAST_SIGNATURES_SECONDS = 3.0
"""How long a removed validator keeps its replica for epochs that may still want its signature."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    version: int
    members: tuple[tuple[ValidatorIdentity, str], ...]
    """The set, and the former key of each that is still accepted."""
    approved: ProposedChange | None
    still_signing: frozenset[ValidatorId]


class FollowSet:
    """One step whenever something changed; idle for a network whose set never did."""

    def __init__(self, *, replica: Replica, replication: Replication, clock: Clock) -> None:
        """Only the leader's work does anything."""
        self._replica = replica
        self._replication = replication
        self._clock = clock
        self._leaving: dict[str, float] = {}
        self._log = get_logger()

    async def work(self) -> bool:
        """Do the next step; return whether there may be another one. Raises `DependencyError` to be retried."""
        status = self._replica.status()
        if status.role != "leader":
            return False
        wanted = self._replica.read(_wanted)
        group = {peer.id: peer for peer in status.peers}
        if wanted.approved is not None and await self._prepare(wanted.approved, group):
            return True
        for change in self._steps(wanted, group):
            await self._replication.change(change, timeout_seconds=_CHANGE_SECONDS)
            if change.member_id != self._replica.validator_id:
                self._log.info("replica_changed", step=change.kind, validator_id=change.member_id)
                return True
        return False

    async def _prepare(self, approved: ProposedChange, group: dict[str, PeerStatus]) -> bool:
        """Make the replicas ready for an approved change, then enact it."""
        change, member = approved.change, approved.change.member
        known = group.get(member.id)
        if change.action is SetAction.ADD:
            if known is None:
                await self._change(ChangeKind.ADD, member)
                return True
            if not _caught_up(known):
                return False
        elif change.action in {SetAction.ROTATE_KEY, SetAction.MOVE}:
            before = self._replica.read(lambda ledger: ledger.parameters.validator(member.id))
            former = "" if before is None or before.address == member.address else before.address
            await self._change(ChangeKind.UPDATE, member, former)
        replies = await self._replica.propose(
            lambda stamp: EnactSetChange(stamp=stamp, change_digest=change_digest(change))
        )
        if replies[0].status is ReplyStatus.REJECTED:
            raise WrongState(replies[0].code, replies[0].message)
        self._log.info("set_change_enacted", action=change.action, validator_id=member.id)
        return True

    async def _change(self, kind: ChangeKind, member: ValidatorIdentity, former: str = "") -> None:
        await self._replication.change(
            GroupChange(kind=kind, member_id=member.id, peer=_peer(member, former)),
            timeout_seconds=_CHANGE_SECONDS,
        )

    def _steps(self, wanted: _Wanted, group: dict[str, PeerStatus]) -> Iterator[GroupChange]:
        me = self._replica.validator_id
        # The first set is the configuration's business; only who came for a change that was withdrawn has to go.
        for member, former in wanted.members if wanted.version > 1 else ():
            known = group.get(member.id)
            peer = _peer(member, former)
            if known is None and member.id != me:
                yield GroupChange(kind=ChangeKind.ADD, member_id=member.id, peer=peer)
            elif known is None or _different(known, peer):
                yield GroupChange(kind=ChangeKind.UPDATE, member_id=member.id, peer=peer)
            elif known.role == "learner" and _caught_up(known):
                yield GroupChange(kind=ChangeKind.PROMOTE, member_id=member.id)
        names = {str(member.id) for member, _ in wanted.members}
        if wanted.approved is not None:
            names.add(wanted.approved.change.member.id)
        # The leader itself goes last: it must see the others through.
        gone = {*group, me} - names
        if wanted.version == 1:
            gone = {name for name in gone & group.keys() if group[name].role == "learner"}
        leaving = sorted(gone, key=lambda name: (name == me, name))
        self._leaving = {name: self._leaving.get(name, self._clock.monotonic()) for name in leaving}
        for name in leaving:
            waited = self._clock.monotonic() - self._leaving[name]
            if name not in wanted.still_signing or waited > _LAST_SIGNATURES_SECONDS:
                yield GroupChange(kind=ChangeKind.REMOVE, member_id=name)


def _wanted(ledger: Ledger) -> _Wanted:
    proposed = ledger.proposed_change()
    enough = ledger.quorum.required_signatures
    approved = proposed if proposed and len(proposed.approvals) >= enough else None
    return _Wanted(
        version=ledger.set_state().version,
        members=tuple((member, _former(ledger, member)) for member in ledger.members()),
        approved=approved,
        still_signing=frozenset(
            member.id
            for epoch in ledger.epochs()
            if epoch.final_at_ms is None
            for member in ledger.parameters_at(epoch.epoch).validators
        ),
    )


def _former(ledger: Ledger, member: ValidatorIdentity) -> str:
    found = ledger.proposer(member.id)
    keys = () if found is None else found[1]
    return next((key for key in keys if key != member.address), "")


def _peer(member: ValidatorIdentity, former: str) -> Peer:
    return Peer(
        id=member.id,
        address=member.address,
        endpoint=member.raft_endpoint,
        former_address=former,
    )


def _different(known: PeerStatus, peer: Peer) -> bool:
    return (known.address, known.endpoint, known.former_address) != (
        peer.address,
        peer.endpoint,
        peer.former_address,
    )


def _caught_up(known: PeerStatus) -> bool:
    return known.connected and known.lag is not None and known.lag <= _CAUGHT_UP_ENTRIES
