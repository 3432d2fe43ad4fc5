"""How entries and snapshots reach the followers. Elections are below, requests and the state machine above.

pysyncobj's own versions delete agreeing entries, commit unverified tails, pickle large commands and
fork for snapshots; these follow the Raft paper: entries go away only on a conflict, a follower
commits only what the leader verified, a stale answer is never counted.
"""

from collections.abc import Sequence

import structlog
from pysyncobj.monotonic import monotonic
from pysyncobj.node import Node

from pinai_subnet.consensus.elections import LEADER, Elections
from pinai_subnet.consensus.group import GROUP, Group
from pinai_subnet.consensus.journal import FIRST_INDEX, Journal
from pinai_subnet.consensus.messages import (
    Alive,
    Append,
    Beat,
    Message,
    Next,
    SnapshotPiece,
    SnapshotReceived,
    encode,
)
from pinai_subnet.consensus.options import ReplicationOptions
from pinai_subnet.consensus.recovery import NO_OP
from pinai_subnet.consensus.segment import LogEntry
from pinai_subnet.consensus.snapshot import (
    IncomingSnapshot,
    OutgoingSnapshot,
    Snapshot,
    SnapshotStore,
)
from pinai_subnet.consensus.transport import Transport
from pinai_subnet.ports.errors import Damaged, Refused

_log = structlog.get_logger(__name__)

REGULAR = b"\x00"
"""First byte of an entry that carries a command; the other kinds are `NO_OP` and `GROUP`."""
_RESEND_SECONDS = 3.0
_TRANSFER_FACTOR = 4
"""How many times `compact_after_bytes` the log may grow while a follower receives a snapshot."""


class Replicas(Elections):
    """Keeps the followers' logs equal to the leader's."""

    def __init__(
        self,
        *,
        me: Node,
        nodes: Sequence[Node],
        options: ReplicationOptions,
        journal: Journal,
        transport: Transport,
        store: SnapshotStore,
    ) -> None:
        """Build on an open journal and snapshot store."""
        self._store = store
        self._outgoing: dict[Node, OutgoingSnapshot] = {}
        self._incoming: tuple[SnapshotPiece, IncomingSnapshot] | None = None
        self._speak = False
        """The leader has something to say in this turn: entries, a commit or an answer."""
        super().__init__(me=me, nodes=nodes, options=options, journal=journal, transport=transport)

    def install(self, snapshot: Snapshot) -> None:
        """Hook: replace state and log by a snapshot that is already durable."""
        raise NotImplementedError

    def group_appended(self, index: int, group: Group) -> None:
        """Hook: an entry that sets the configuration is in the log."""
        raise NotImplementedError

    def entries_replaced(self, index: int) -> None:
        """Hook: what was in the log at `index` and behind it is void."""
        raise NotImplementedError

    def before_install(self) -> None:
        """Hook: called before a received snapshot replaces the stored one."""

    def newest_snapshot(self) -> tuple[int, int]:
        """Return index and term of the newest stored snapshot."""
        raise NotImplementedError

    # -- leader --------------------------------------------------------------------------------------

    def _SyncObj__sendAppendEntries(self) -> None:  # noqa: N802  # pysyncobj's name
        """Send every follower what it lacks, or a heartbeat."""
        now = monotonic()
        self._SyncObj__newAppendEntriesTime = now + self._options.heartbeat_seconds
        encoded: dict[int, tuple[bytes, int]] = {}
        for node in self.recipients():
            if not self._links.connected(node.id):
                continue
            following = self._next_index(node)
            if following <= self._journal.head_index:
                self._send_snapshot(node, now)
            else:
                self._send_entries(node, following, encoded)

    def _next_index(self, node: Node) -> int:
        """Return the next index to send, kept between what is matched and what exists."""
        lowest = max(self._SyncObj__raftMatchIndex[node], FIRST_INDEX) + 1
        wanted: int = self._SyncObj__raftNextIndex[node]
        return int(min(max(wanted, lowest), self._journal.last_index + 1))

    def _send_entries(
        self, node: Node, following: int, encoded: dict[int, tuple[bytes, int]]
    ) -> None:
        sent = False
        window = self._options.send_buffer_bytes // 4
        while following <= self._journal.last_index and self._links.backlog(node) < window:
            if following not in encoded:
                entries = self._journal.batch(following, self._options.batch_bytes)
                encoded[following] = (self._append(following, entries), entries[-1][1])
            payload, last = encoded[following]
            if not self._links.send_encoded(node, payload):
                break
            following = last + 1
            sent = True
        self._SyncObj__raftNextIndex[node] = following
        if not sent:
            self._links.send_encoded(node, self._append(following, []))

    def _append(self, following: int, entries: Sequence[LogEntry]) -> bytes:
        previous = following - 1
        return encode(
            Append(
                term=self.term(),
                commit_index=self.commit_index(),
                prev_index=previous,
                prev_term=self._journal.term_at(previous) or 0,
                entries=[(entry[2], entry[0]) for entry in entries],
            )
        )

    def _send_snapshot(self, node: Node, now: float) -> None:
        transfer = self._outgoing.get(node)
        if transfer is None or transfer.last_index < self._journal.head_index:
            if transfer is not None:
                transfer.close()
            index, term = self.newest_snapshot()
            transfer = self._outgoing[node] = OutgoingSnapshot(self._store.path, index, term)
            _log.info("snapshot_transfer_started", peer=node.id, index=index, bytes=transfer.total)
        if now - transfer.sent_at < _RESEND_SECONDS:
            self._links.send(node, Beat(term=self.term()))
            return
        transfer.sent_at = now
        self._links.send(
            node,
            SnapshotPiece(
                term=self.term(),
                last_index=transfer.last_index,
                last_term=transfer.last_term,
                total=transfer.total,
                offset=transfer.offset,
                data=transfer.piece(self._options.snapshot_chunk_bytes),
            ),
        )

    def _continue_snapshot(self, node: Node, message: SnapshotReceived) -> None:
        transfer = self._outgoing.get(node)
        if transfer is None or transfer.last_index != message.last_index:
            return
        if message.offset == transfer.offset or message.offset > transfer.total:
            return
        transfer.offset = message.offset
        if transfer.offset < transfer.total:
            transfer.sent_at = 0.0
            self._send_snapshot(node, monotonic())

    def _end_transfer(self, node: Node) -> None:
        transfer = self._outgoing.pop(node, None)
        if transfer is not None:
            transfer.close()

    def expendable(self, snapshot_index: int) -> int:
        """Return up to where entries may go; a follower that takes a snapshot now still needs those behind it."""
        options = self._options
        index = self._journal.index_behind(
            snapshot_index, entries=options.keep_entries, max_bytes=options.keep_bytes
        )
        if self._journal.live_bytes > _TRANSFER_FACTOR * options.compact_after_bytes:
            return index
        return min([index, *(transfer.last_index for transfer in self._outgoing.values())])

    def role_changed(self, old: int, new: int) -> None:  # noqa: ARG002  # the hook's signature
        """Drop what belonged to the former role; a new leader knows of no recipient where it stands."""
        for node in list(self._outgoing):
            self._end_transfer(node)
        if new == LEADER:
            for node in self.recipients():
                self._SyncObj__raftNextIndex[node] = self._journal.last_index + 1
                self._SyncObj__raftMatchIndex[node] = 0

    def peer_lost(self, node: Node) -> None:
        """Forget a transfer that the lost connection carried."""
        self._end_transfer(node)

    def _take_next(self, node: Node, message: Next) -> None:
        match = message.next_index - 1
        if message.success and match <= self._journal.last_index:
            known: int = self._SyncObj__raftMatchIndex[node]
            self._SyncObj__raftMatchIndex[node] = max(known, match)
            if match >= self._journal.head_index:
                self._end_transfer(node)
            self._SyncObj__raftNextIndex[node] = max(
                self._SyncObj__raftNextIndex[node], message.next_index
            )
        elif not message.success:
            self._SyncObj__raftNextIndex[node] = message.next_index
            self._speak = True

    def _SyncObj__onNodeConnected(self, node: Node) -> None:  # noqa: N802  # pysyncobj's name
        """Ask a returning follower where it stands: it may have lost entries that it once confirmed."""
        super()._SyncObj__onNodeConnected(node)
        if self.leads():
            matched = self._SyncObj__raftMatchIndex.get(node, 0)
            if matched:
                self._SyncObj__raftNextIndex[node] = matched + 1
                self._SyncObj__raftMatchIndex[node] = 0
            self._speak = True

    # -- follower --------------------------------------------------------------------------------------

    def _take_append(self, node: Node, message: Append) -> None:
        if not self._follow(node, message.term):
            return
        journal = self._journal
        if message.prev_index > journal.last_index:
            self._answer(node, journal.last_index + 1, success=False)
            return
        if message.prev_index >= journal.head_index:
            if journal.term_at(message.prev_index) != message.prev_term:
                start = journal.first_index_of_term_at(message.prev_index)
                self._answer(node, max(start, self.commit_index() + 1), success=False)
                return
        elif message.prev_index + len(message.entries) < journal.head_index:
            self._answer(node, journal.head_index + 1, success=True)
            return
        verified = self._store_entries(message)
        commit = min(message.commit_index, verified)
        if commit > self.commit_index():
            self._set_commit(commit)
        self._answer(node, verified + 1, success=True)

    def _store_entries(self, message: Append) -> int:
        """Put the leader's entries into the journal; return the index up to which both logs are now known to agree."""
        index = message.prev_index
        previous = message.prev_term
        for term, command in message.entries:
            index += 1
            if not previous <= term <= message.term:
                raise Refused("SN-R044", f"entry {index} has term {term} after {previous}")
            if command[:1] not in {REGULAR, GROUP} and command != NO_OP:
                raise Refused("SN-R044", f"entry {index} is of an unknown kind")
            previous = term
            known = self._journal.term_at(index)
            if known == term or index <= self._journal.head_index:
                continue
            group = Group.decode(command[1:]) if command[:1] == GROUP else None
            self._journal.add(command, index, term)
            if known is not None:
                self.entries_replaced(index)
            if group is not None:
                self.group_appended(index, group)
        return index

    def _set_commit(self, index: int) -> None:
        self._SyncObj__raftCommitIndex = index
        self._journal.setRaftCommitIndex(index)

    def _answer(self, node: Node, next_index: int, *, success: bool) -> None:
        self._links.send(node, Next(term=self.term(), next_index=next_index, success=success))

    def _take_piece(self, node: Node, message: SnapshotPiece) -> None:
        if not self._follow(node, message.term):
            return
        if message.last_index <= self.commit_index():
            self._drop_incoming()
            self._answer(node, self.commit_index() + 1, success=True)
            return
        if message.total > self._options.max_snapshot_bytes:
            raise Refused("SN-R045", f"a snapshot of {message.total} bytes is more than allowed")
        incoming = self._incoming_for(message)
        if message.offset == incoming.size:
            incoming.append(message.data)
        if incoming.size < message.total:
            self._links.send(
                node,
                SnapshotReceived(
                    term=self.term(), last_index=message.last_index, offset=incoming.size
                ),
            )
            return
        self._incoming = None
        self._install_received(node, incoming)

    def _incoming_for(self, message: SnapshotPiece) -> IncomingSnapshot:
        """Return the file that this piece belongs to; a piece of another snapshot starts over."""
        if self._incoming is not None:
            first, incoming = self._incoming
            same = (first.last_index, first.last_term, first.total)
            if same == (message.last_index, message.last_term, message.total) and message.offset:
                return incoming
        self._drop_incoming()
        incoming = self._store.receive()
        self._incoming = (message, incoming)
        return incoming

    def _drop_incoming(self) -> None:
        if self._incoming is not None:
            self._incoming[1].close()
            self._incoming = None

    def _install_received(self, node: Node, incoming: IncomingSnapshot) -> None:
        self.before_install()
        try:
            snapshot = self._store.install(incoming)
        except Damaged as damage:
            raise Refused("SN-R044", f"received snapshot: {damage.message}") from damage
        self.install(snapshot)
        self._answer(node, snapshot.header.last_index + 1, success=True)

    def _partial_from(self, node: Node) -> None:
        """A large frame of the leader is on its way: that is a sign of life in both directions."""
        if node == self._SyncObj__raftLeader and not self.leads():
            self._heard_leader_at = monotonic()
            self._refresh_deadline()
            self._links.send(node, Alive(term=self.term()))

    # -- messages --------------------------------------------------------------------------------------

    def handle(self, node: Node, message: Message) -> None:
        """Act on one message of a proven peer."""
        match message:
            case Append():
                self._take_append(node, message)
            case SnapshotPiece():
                self._take_piece(node, message)
            case Beat():
                if self._follow(node, message.term):
                    self._links.send(node, Alive(term=self.term()))
            case Next() | SnapshotReceived():
                self._see_term(message.term)
                if not self.leads() or message.term != self.term():
                    return
                if node not in self.recipients():
                    return
                self._SyncObj__lastResponseTime[node] = monotonic()
                if isinstance(message, Next):
                    self._take_next(node, message)
                else:
                    self._continue_snapshot(node, message)
            case _:
                super().handle(node, message)
