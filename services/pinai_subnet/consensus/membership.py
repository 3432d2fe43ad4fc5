"""The group as it changes: which configuration counts now, whom this node talks to, who may take over from it.

A configuration is one entry of the log and counts from there on (see `group`). A member that was removed keeps its
connections until the removal is committed and it could learn of it; a leader that was removed commits that, hands over
and stops leading. Not here: what an operator may ask for, which is decided where changes are proposed.
"""

from collections.abc import Sequence

import structlog
from pysyncobj.monotonic import monotonic
from pysyncobj.node import Node

from pinai_subnet.consensus.elections import FOLLOWER
from pinai_subnet.consensus.group import GROUP, Group, GroupLog, GroupMember
from pinai_subnet.consensus.journal import FIRST_INDEX, Journal
from pinai_subnet.consensus.options import ReplicationOptions
from pinai_subnet.consensus.replicas import Replicas
from pinai_subnet.consensus.snapshot import Snapshot, SnapshotStore
from pinai_subnet.consensus.transport import Transport
from pinai_subnet.ports.errors import Refused
from pinai_subnet.ports.replication import ChangeKind, GroupChange, Peer

_log = structlog.get_logger(__name__)

_LOST_TIMEOUTS = 4
"""A member without a leader for so many election timeouts may have missed changes of the group."""


class Membership(Replicas):
    """Replicas of a group whose members change one at a time."""

    def __init__(
        self,
        *,
        me: Node,
        nodes: Sequence[Node],
        options: ReplicationOptions,
        journal: Journal,
        transport: Transport,
        store: SnapshotStore,
        first_group: Group,
    ) -> None:
        """`first_group` is what every member's log begins with."""
        self._first_group = first_group
        self._groups = GroupLog(FIRST_INDEX, first_group)
        self._leaving: dict[str, float] = {}
        """Removed members that may still have to learn of it, and until when."""
        self._left: dict[str, Peer] = {}
        self._led_at = monotonic()
        """When a leader was last known."""
        self._lost = False
        self._hand_over_until = 0.0
        self._hand_over_sent_at = 0.0
        self._hand_over_to: Node | None = None
        super().__init__(
            me=me, nodes=nodes, options=options, journal=journal, transport=transport, store=store
        )

    # -- views -------------------------------------------------------------------------------------

    @property
    def group(self) -> Group:
        """The configuration that counts now."""
        return self._groups.current

    @property
    def change_pending(self) -> bool:
        """Whether the newest configuration is not committed yet."""
        return self._groups.index > self.commit_index()

    def group_at(self, index: int) -> Group | None:
        """Return the configuration at an index for a snapshot; None while it is the one that everybody began with."""
        where, group = self._groups.at(index)
        return group if where > FIRST_INDEX or group != self._first_group else None

    def recipients(self) -> frozenset[Node]:
        """Return the members, and those that have just been removed and should learn of it."""
        return self.peers() | {Node(name) for name in self._left}

    def lag_of(self, node: Node) -> int | None:
        """Return how many entries a follower is behind; None where this node does not know."""
        matched = self._SyncObj__raftMatchIndex.get(node, 0) if self.leads() else 0
        return int(max(0, self._journal.last_index - matched)) if matched else None

    # -- configurations ----------------------------------------------------------------------------

    def read_groups(self, snapshot: Snapshot | None, *, kept: bool) -> None:
        """Take the configuration of a snapshot, and of the entries behind it."""
        if snapshot is not None:
            header = snapshot.header
            group = Group.decode(header.group) if header.group else self._first_group
            self._groups.reset(
                header.last_index if header.group else FIRST_INDEX,
                group,
                keep_behind=header.last_index if kept else None,
            )
        self.use_group()

    def replay_groups(self) -> None:
        """Take the configurations of all entries in the journal."""
        for command, index, _ in self._journal.batch(self._journal.head_index + 1, 1 << 62):
            if command[:1] == GROUP and index > self._groups.index:
                self._groups.add(index, Group.decode(command[1:]))
        self.use_group()

    def group_appended(self, index: int, group: Group) -> None:
        """A configuration is in the log: it counts from now on."""
        before = self.group.peers()
        self._groups.add(index, group)
        _log.info("group_changed", index=index, voters=sorted(group.voters()))
        for name in before.keys() - group.peers().keys() - {self.selfNode.id}:
            self._left[name] = before[name]
        self.use_group()

    def entries_replaced(self, index: int) -> None:
        """Entries are void, and configurations among them with them."""
        if self._groups.cut(index):
            _log.info("group_change_undone", index=index, voters=sorted(self.group.voters()))
            self.use_group()

    def group_applied(self, index: int) -> None:
        """A configuration is committed: those who left may go, a leader that left hands over."""
        self._groups.applied(index)
        until = monotonic() + self._options.leave_grace_seconds
        for name in self._left:
            self._leaving.setdefault(name, until)
        if self.leads() and not self.votes():
            _log.info("raft_leader_removed", index=index)
            self.ask_hand_over(self._options.leave_grace_seconds / 2)
        self.use_group()

    def use_group(self) -> None:
        """Make elections, replication and connections follow the configuration that counts now."""
        me = self.selfNode.id
        group = self.group
        wanted: dict[str, Peer] = dict(self._left)
        for older in self._groups:
            wanted |= older.peers()
        for name in self._left.keys() & group.peers().keys():
            del self._left[name]
            self._leaving.pop(name, None)
        wanted.pop(me, None)
        voters = {Node(name) for name in group.voters() - {me}}
        names = group.peers().keys() - {me}
        # Who has been cut off for long may have missed that others took over: it listens to all it was told of.
        leader = self.current_leader()
        self._links.set_peers(
            wanted,
            everybody=self._lost or group.get(me) is None,
            outsider=group.get(me) is None,
            also=None if leader is None else leader.id,
        )
        self.set_members(
            voters=voters,
            learners={Node(name) for name in names} - voters,
            votes=me in group.voters(),
            stands=any(me in one.voters() for one in self._groups),
        )

    def keep_company(self) -> None:
        """Close connections to members whose time to learn of their removal is over; look wider without a leader."""
        now = monotonic()
        if self.current_leader() is not None:
            self._led_at = now
        lost = now - self._led_at > _LOST_TIMEOUTS * self._options.election_max_seconds
        if lost != self._lost:
            self._lost = lost
            self.use_group()
        if not self._leaving:
            return
        over = [name for name, until in self._leaving.items() if now > until]
        for name in over:
            del self._leaving[name]
            self._left.pop(name, None)
        if over:
            self.use_group()

    # -- changes -----------------------------------------------------------------------------------

    def plan(self, change: GroupChange) -> Group:
        """Return the group after a change, if this node may begin it now; raises as `Replication.change`."""
        if not self.leads():
            raise Refused("SN-R063", "only the leader changes the membership")
        after = self.group.after(change)
        if after == self.group:
            return after
        if self.change_pending:
            raise Refused("SN-R061", "another change of the membership is not committed yet")
        if self._journal.term_at(self.commit_index()) != self.term():
            raise Refused("SN-R061", "this leader has not committed an entry of its term yet")
        if change.kind is ChangeKind.PROMOTE:
            self._require_caught_up(change.member_id)
        self._require_quorum(after, new=change.member_id)
        return after

    def _require_caught_up(self, name: str) -> None:
        lag = self.lag_of(Node(name))
        if lag is None or lag > self._options.promote_lag_entries:
            behind = "an unknown number of" if lag is None else lag
            raise Refused(
                "SN-R062", f"learner {name!r} is {behind} entries behind; wait and ask again"
            )

    def _require_quorum(self, after: Group, *, new: str) -> None:
        """Refuse a change after which those who are here now could not commit anything."""
        voters = after.voters()
        now = monotonic() - self._options.leader_lease_seconds
        answers = self._SyncObj__lastResponseTime
        here = {
            name
            for name in voters
            if name in {self.selfNode.id, new} or answers.get(Node(name), 0.0) > now
        }
        if 2 * len(here) <= len(voters):
            absent = ", ".join(sorted(voters - here))
            raise Refused(
                "SN-R062",
                f"of the {len(voters)} voters then only {len(here)} are here (not {absent}): no quorum",
            )

    # -- leadership --------------------------------------------------------------------------------

    def ask_hand_over(self, seconds: float, to: str | None = None) -> None:
        """If leading, pause for at most `seconds` and move the leadership to a voter that has everything."""
        self._hand_over_to = None if to is None else Node(to)
        self._hand_over_until = monotonic() + seconds
        self._links.wake()

    def hand_over_now(self) -> None:
        """Ask a voter to take over; a leader that is no member any more steps down when nobody did."""
        now = monotonic()
        if not self.leads():
            self._hand_over_until = 0.0
        elif now > self._hand_over_until:
            self._hand_over_until = 0.0
            if not self.votes():
                self._SyncObj__setState(FOLLOWER)
                self._SyncObj__raftLeader = None
                self.leader_changed()
        elif now - self._hand_over_sent_at > self._options.heartbeat_seconds:
            self._hand_over_sent_at = now
            self.transferLeadership(self._hand_over_to, None)


def membership_of(member: GroupMember | None) -> str:
    """Return what a member is, in one word."""
    if member is None:
        return "outsider"
    return "voter" if member.voter else "learner"
