"""Who leads: pysyncobj's elections with what they lack around them. Not replication of entries: that is `replicas`.

Added: a pre-vote round (Ongaro's thesis, 9.6), so that a node which was cut off does not depose a
healthy leader; step-down on any newer term seen in a reply; one count per voter; an early election
when the connection to the leader breaks; a fresh deadline after losing leadership. Attributes
written `_SyncObj__x` are pysyncobj's private ones; `seams` asserts that they exist.
"""

import random
from collections.abc import Sequence
from typing import Any

from pysyncobj.config import SyncObjConf
from pysyncobj.monotonic import monotonic
from pysyncobj.node import Node
from pysyncobj.syncobj import SyncObj

from pinai_subnet.consensus import seams
from pinai_subnet.consensus.journal import Journal
from pinai_subnet.consensus.messages import (
    Alive,
    Message,
    PreVote,
    PreVoteGranted,
    RequestVote,
    TimeoutNow,
    VoteGranted,
)
from pinai_subnet.consensus.options import ReplicationOptions
from pinai_subnet.consensus.transport import Transport

FOLLOWER, CANDIDATE, LEADER = 0, 1, 2
ROLES = ("follower", "candidate", "leader")
NOBODY = Node("")
"""A member that never answers; see `Elections.set_members`."""


class Elections(SyncObj):  # type: ignore[misc]  # pysyncobj has no types
    """A SyncObj that holds elections over our journal and transport. Every method runs on the engine's thread."""

    _SyncObj__raftLeader: Any

    def __init__(
        self,
        *,
        me: Node,
        nodes: Sequence[Node],
        options: ReplicationOptions,
        journal: Journal,
        transport: Transport,
    ) -> None:
        """Build the engine around an open journal; raise `Refused` SN-R002 if pysyncobj is not the pinned one."""
        seams.check_version()
        self._options = options
        self._journal = journal
        self._links = transport
        self.may_vote = True
        """False while this member is rejoining: it then neither votes nor stands."""
        self.vote_above = 0
        """The term in which it got its vote: in that one and below, a forgotten vote may have been cast already."""
        self._heard_leader_at = 0.0
        self._pre_votes: set[str] = set()
        self._pre_vote_term = 0
        self._pre_vote_retry_at = 0.0
        self._voters: set[tuple[int, str]] = set()
        super().__init__(me, nodes, conf=self._configuration(options), transport=transport)
        seams.check_instance(self)
        term = max(journal.getCurrentTerm(), journal[-1][2])
        self._SyncObj__raftLog = journal
        self._SyncObj__raftCurrentTerm = term
        voted = journal.getVotedForNodeId() if term == journal.getCurrentTerm() else None
        self._SyncObj__votedForNodeId = voted
        self._SyncObj__raftCommitIndex = self._SyncObj__raftLastApplied = journal.head_index
        self._SyncObj__serializer = None  # nothing may reach pysyncobj's pickling snapshots
        if not nodes:
            self._SyncObj__raftElectionDeadline = 0.0
        self._members: frozenset[Node] = frozenset(nodes)
        self._votes = True
        self._stands = True

    def _configuration(self, options: ReplicationOptions) -> SyncObjConf:
        return SyncObjConf(
            autoTick=False,
            raftMinTimeout=options.election_min_seconds,
            raftMaxTimeout=options.election_max_seconds,
            appendEntriesPeriod=options.heartbeat_seconds,
            leaderFallbackTimeout=options.leader_lease_seconds,
            connectionTimeout=options.connection_timeout_seconds,
            dynamicMembershipChange=False,
            useFork=False,
            journalFile=None,
            fullDumpFile=None,
            onStateChanged=self._note_role,
        )

    # -- views -------------------------------------------------------------------------------------

    def term(self) -> int:
        """Return the current term."""
        return int(self._SyncObj__raftCurrentTerm)

    def role(self) -> int:
        """Return FOLLOWER, CANDIDATE or LEADER."""
        return int(self._SyncObj__raftState)

    def leads(self) -> bool:
        """Whether this node believes that it leads."""
        return bool(self._SyncObj__raftState == LEADER)

    def peers(self) -> frozenset[Node]:
        """Return the other members, learners included."""
        return self._members

    def voters(self) -> set[Node]:
        """Return the other members that vote."""
        others: set[Node] = self._SyncObj__otherNodes
        return others if self._votes else others - {NOBODY}

    def set_members(
        self, *, voters: set[Node], learners: set[Node], votes: bool, stands: bool
    ) -> None:
        """Take a configuration: `voters` and `learners` are the others, `votes` says whether this node counts itself.

        It `stands` for election also when only an older configuration counts it and the one that does not is not
        known to be committed: it may hold entries that nobody else can be elected without.

        pysyncobj counts itself in every majority. Where this node is no voter (a leader that commits its own
        removal), a member that never answers makes up for that: n others and nobody need n // 2 + 1 of the n.
        """
        self._members = frozenset(voters | learners)
        self._votes, self._stands = votes, stands
        self._SyncObj__otherNodes = voters if votes else voters | {NOBODY}
        if self.leads():
            following = self._journal.last_index + 1
            for node in self._SyncObj__otherNodes | learners:
                self._SyncObj__raftNextIndex.setdefault(node, following)
                self._SyncObj__raftMatchIndex.setdefault(node, 0)
                heard = 0.0 if node == NOBODY else monotonic()
                self._SyncObj__lastResponseTime.setdefault(node, heard)
            for table in (
                self._SyncObj__raftNextIndex,
                self._SyncObj__raftMatchIndex,
                self._SyncObj__lastResponseTime,
            ):
                for node in table.keys() - self.recipients() - {NOBODY}:
                    del table[node]

    def recipients(self) -> frozenset[Node]:
        """Return whom a leader sends entries to."""
        return self._members

    def votes(self) -> bool:
        """Whether this node is a voter of the current configuration."""
        return self._votes

    def current_leader(self) -> Node | None:
        """Return the leader this node follows (or itself), None while nobody is known to lead."""
        leader: Node | None = self._SyncObj__raftLeader
        if leader is None or self.leads() or leader == self.selfNode:
            return self.selfNode if self.leads() else None
        return leader if self._leader_is_alive(self._options.election_max_seconds) else None

    def commit_index(self) -> int:
        """Return the newest index this node knows to be committed."""
        return int(self._SyncObj__raftCommitIndex)

    def last_index(self) -> int:
        """Return the newest index in this node's log."""
        return self._journal.last_index

    def applied_index(self) -> int:
        """Return the newest index applied to the state machine."""
        return int(self._SyncObj__raftLastApplied)

    def links(self) -> Transport:
        """Return the connections to the other members."""
        return self._links

    def has_lease(self) -> bool:
        """Whether a majority answered this leader within the lease, or this follower has a live leader."""
        if not self.leads():
            return self.current_leader() is not None
        oldest = monotonic() - self._options.leader_lease_seconds
        answers = self._SyncObj__lastResponseTime
        return self._majority(sum(answers.get(node, 0.0) > oldest for node in self.voters()))

    def _majority(self, others: int) -> bool:
        mine = int(self._votes)
        return bool(2 * (others + mine) > len(self.voters()) + mine)

    def _leader_is_alive(self, within_seconds: float) -> bool:
        leader: Node | None = self._SyncObj__raftLeader
        if leader is None or leader not in self._SyncObj__connectedNodes:
            return False
        return bool(monotonic() - self._heard_leader_at < within_seconds)

    # -- roles and terms -----------------------------------------------------------------------------

    def _note_role(self, old: int, new: int) -> None:
        """Called by pysyncobj on every change of role."""
        if old == LEADER:
            self._refresh_deadline()
        self.role_changed(old, new)

    def role_changed(self, old: int, new: int) -> None:
        """Hook: the role changed."""

    def leader_changed(self) -> None:
        """Hook: another node leads, or nobody is known to."""

    def _SyncObj__onLeaderChanged(self) -> None:  # noqa: N802  # pysyncobj's name
        self.leader_changed()

    def _refresh_deadline(self) -> None:
        self._SyncObj__raftElectionDeadline = monotonic() + self._SyncObj__generateRaftTimeout()

    def _see_term(self, term: int) -> None:
        """Adopt a newer term as a follower without a leader."""
        if term > self.term():
            self._SyncObj__setCurrentTerm(term, None)
            self._SyncObj__setState(FOLLOWER)
            if self._SyncObj__raftLeader is not None:
                self._SyncObj__raftLeader = None
                self.leader_changed()

    def _follow(self, node: Node, term: int) -> bool:
        """Accept `node` as the leader of `term`; False (and an answer with our term) if that is over."""
        if term < self.term():
            self._links.send(node, Alive(term=self.term()))
            return False
        if term > self.term():
            self._SyncObj__transferInProgress = False
            self._SyncObj__setCurrentTerm(term, None)
        if not self._SyncObj__transferInProgress:
            self._refresh_deadline()
        self._heard_leader_at = monotonic()
        changed = self._SyncObj__raftLeader != node
        self._SyncObj__raftLeader = node
        self._SyncObj__setState(FOLLOWER)
        if changed:
            self.leader_changed()
        return True

    # -- elections -----------------------------------------------------------------------------------

    def _SyncObj__connectedToAnyone(self) -> bool:  # noqa: N802  # pysyncobj's name
        """Decide whether an expired deadline may start an election; pysyncobj asks this on every tick after it."""
        if not self.may_vote or not self._stands:
            return False
        if not self.voters() or self._SyncObj__transferInProgress:
            return True
        wanted = self.term() + 1
        if self._pre_vote_term == wanted and self._majority(len(self._pre_votes)):
            self._pre_vote_term = 0
            return True
        now = monotonic()
        if now >= self._pre_vote_retry_at:
            self._pre_vote_term = wanted
            self._pre_votes.clear()
            self._pre_vote_retry_at = now + self._SyncObj__generateRaftTimeout() / 2
            last = self._journal[-1]
            question = PreVote(term=wanted, last_index=last[1], last_term=last[2])
            for node in self.voters():
                self._links.send(node, question)
        return False

    def _answer_pre_vote(self, node: Node, asked: PreVote) -> None:
        if asked.term <= self.term():
            self._links.send(node, Alive(term=self.term()))
            return
        if self.leads() or self._leader_is_alive(self._options.election_min_seconds):
            return
        if not self.may_vote:
            return
        last = self._journal[-1]
        if (asked.last_term, asked.last_index) >= (last[2], last[1]):
            self._links.send(node, PreVoteGranted(term=asked.term))

    def _count_vote(self, node: Node, term: int) -> None:
        if (term, node.id) in self._voters or node not in self.voters():
            return
        self._voters = {vote for vote in self._voters if vote[0] == term} | {(term, node.id)}
        super()._SyncObj__onMessageReceived(node, {"type": "response_vote", "term": term})

    def _SyncObj__onNodeDisconnected(self, node: Node) -> None:  # noqa: N802  # pysyncobj's name
        super()._SyncObj__onNodeDisconnected(node)
        if node == self._SyncObj__raftLeader and not self.leads():
            soon = monotonic() + self._options.election_min_seconds * random.uniform(0.05, 0.5)  # noqa: S311  # jitter
            self._SyncObj__raftElectionDeadline = min(self._SyncObj__raftElectionDeadline, soon)
        self.peer_lost(node)

    def peer_lost(self, node: Node) -> None:
        """Hook: the connection to a peer ended."""

    # -- messages ------------------------------------------------------------------------------------

    def _SyncObj__onMessageReceived(self, node: Node, message: Message) -> None:  # noqa: N802  # pysyncobj's name
        self.handle(node, message)

    def handle(self, node: Node, message: Message) -> None:
        """Act on one message of a proven peer."""
        original = super()._SyncObj__onMessageReceived
        match message:
            case PreVote():
                self._answer_pre_vote(node, message)
            case PreVoteGranted():
                if message.term == self._pre_vote_term and node in self.voters():
                    self._pre_votes.add(node.id)
            case RequestVote() if not self.may_vote or message.term <= self.vote_above:
                self._see_term(message.term)
            case RequestVote():
                fields = {
                    "type": "request_vote",
                    "term": message.term,
                    "last_log_index": message.last_index,
                    "last_log_term": message.last_term,
                }
                known = self._SyncObj__raftLeader
                original(node, fields)
                if known is not None and self._SyncObj__raftLeader is None:
                    self.leader_changed()
            case VoteGranted():
                self._count_vote(node, message.term)
            case TimeoutNow() if self.may_vote and self._stands:
                original(node, {"type": "timeout_now", "term": message.term})
            case Alive():
                self._see_term(message.term)
                if self.leads() and message.term == self.term():
                    self._SyncObj__lastResponseTime[node] = monotonic()
            case _:
                pass
