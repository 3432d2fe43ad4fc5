"""One member's engine: requests go in, committed commands reach the state machine, snapshots keep the log short.

Everything here runs on the engine's own thread except `submit`, `wake` and `ask_hand_over`. An
exception in the state machine, or a disk that refuses a write, ends the engine for good with a
coded failure; it is never retried (consensus.md finding E).
"""

import hashlib
from collections.abc import Callable, Sequence

import structlog
from pysyncobj.monotonic import monotonic
from pysyncobj.node import Node

from pinai_subnet.consensus.compaction import Compaction
from pinai_subnet.consensus.elections import LEADER, ROLES
from pinai_subnet.consensus.group import GROUP, Group
from pinai_subnet.consensus.journal import Journal
from pinai_subnet.consensus.messages import Forward, Forwarded, Message
from pinai_subnet.consensus.options import ReplicationOptions
from pinai_subnet.consensus.recovery import NO_OP
from pinai_subnet.consensus.replicas import REGULAR
from pinai_subnet.consensus.requests import Inbox, Request, Waiting
from pinai_subnet.consensus.snapshot import SnapshotStore
from pinai_subnet.consensus.transport import Transport
from pinai_subnet.ports.errors import Refused
from pinai_subnet.ports.replication import StateMachine

_log = structlog.get_logger(__name__)

_APPLY_SECONDS = 0.02
"""How long one turn may apply before heartbeats get their chance."""
_TAKE_BYTES = 4 << 20
_UNCOMMITTED_BYTES = 64 << 20
_LONGEST_WAIT_SECONDS = 0.1
_UNDECIDED_WAIT_SECONDS = 0.01
_FORGET_SECONDS = 0.5
_REFUSED_WAIT_SECONDS = 0.01

Results = list[tuple[Request, object]]


class Engine(Compaction):
    """A member of the group with its state machine."""

    def __init__(
        self,
        *,
        me: Node,
        nodes: Sequence[Node],
        options: ReplicationOptions,
        journal: Journal,
        transport: Transport,
        store: SnapshotStore,
        state_machine: StateMachine,
        inbox: Inbox,
        deliver: Callable[[Results], None],
        first_group: Group,
    ) -> None:
        """Build the engine; `deliver` takes results on the engine's thread and must not block."""
        self._inbox = inbox
        self._waiting = Waiting(inbox.put_back)
        self._deliver = deliver
        self._results: Results = []
        self._wake_asked = False
        self._hold_until = 0.0
        self._forget_at = 0.0
        self._uncommitted_bytes = 0
        self._planned_wait = 0.0
        self.tick_lag_seconds = 0.0
        super().__init__(
            me=me,
            nodes=nodes,
            options=options,
            journal=journal,
            transport=transport,
            store=store,
            first_group=first_group,
            state_machine=state_machine,
        )
        self._poller = self
        transport.on_partial = self._partial_from

    # -- from other threads ----------------------------------------------------------------------------

    def submit(self, request: Request) -> None:
        """Admit a request; raise `Exhausted` SN-R022 when too many wait."""
        self._inbox.admit(request)
        self.wake()

    def wake(self) -> None:
        """Make the loop turn at once."""
        if not self._wake_asked:
            self._wake_asked = True
            self._links.wake()

    # -- opening and closing -----------------------------------------------------------------------------

    def close(self, *, failed: bool) -> None:
        """Release files and sockets; after a failure nothing more is written."""
        self.end_writing()
        self._drop_incoming()
        self.role_changed(self.role(), self.role())
        try:
            if not failed:
                self._journal.close()
        finally:
            self._journal.abandon()
            self._links.destroy()

    # -- one turn ----------------------------------------------------------------------------------------

    def turn(self) -> None:
        """Do one turn of the loop: elections, commits, apply, requests, compaction, network."""
        self.doTick(0.0)

    def poll(self, _timeout: float) -> None:
        """Stand in for pysyncobj's poller: wait as long as nothing is due."""
        if self._results:
            results, self._results = self._results, []
            self._deliver(results)
        wait = self._wait_seconds()
        self._planned_wait = wait
        self._links.poll(wait)

    def note_turn(self, seconds: float) -> None:
        """Remember how much longer than planned the last turn took."""
        self.tick_lag_seconds = max(0.0, seconds - self._planned_wait)

    def _wait_seconds(self) -> float:
        if self.commit_index() > self._SyncObj__raftLastApplied:
            return 0.0
        now = monotonic()
        if self.leads():
            if not self.voters() and self._journal.last_index > self.commit_index():
                return 0.0
            wait = self._SyncObj__newAppendEntriesTime - now
            if self._inbox and not self._paused():
                return 0.0
        else:
            wait = self._SyncObj__raftElectionDeadline - now
            if wait <= 0 or self._inbox:
                alone = self.votes() and not self.voters()
                return 0.0 if alone else _UNDECIDED_WAIT_SECONDS
        return float(min(max(wait, 0.0), _LONGEST_WAIT_SECONDS))

    # -- requests ----------------------------------------------------------------------------------------

    def _checkCommandsToApply(self) -> None:  # noqa: N802  # pysyncobj's name
        """Move waiting requests into the log or to the leader, then speak if there is something to say."""
        self._wake_asked = False
        self.keep_company()
        if self._hand_over_until:
            self.hand_over_now()
        if self._inbox:
            self._move_requests()
        if self._speak:
            self._speak = False
            if self.leads():
                self._SyncObj__sendAppendEntries()

    def _move_requests(self) -> None:
        now = monotonic()
        if self.leads():
            if not self._paused():
                for request in self._inbox.take(_TAKE_BYTES):
                    if request.change is not None:
                        self._begin_change(request)
                        continue
                    self._waiting.place(*self._append_command(request.command), request)
            return
        leader = self.current_leader()
        if leader is not None and now >= self._hold_until:
            for request in self._inbox.take(_TAKE_BYTES):
                if request.change is not None:
                    self._begin_change(request)
                    continue
                number = self._waiting.ask(request)
                message = Forward(term=self.term(), request=number, command=request.command)
                if not self._links.send(leader, message):
                    self._waiting.answered(number)
                    self._inbox.put_back(request)
                    self._hold_until = now + _REFUSED_WAIT_SECONDS
                    return
        elif now >= self._forget_at:
            self._forget_at = now + _FORGET_SECONDS
            self._inbox.forget_done()

    def _begin_change(self, request: Request) -> None:
        """Put a change of the membership into the log, or answer why not."""
        try:
            after = self.plan(request.change) if request.change is not None else self.group
        except Refused as refused:
            self._results.append((request, refused))
            return
        if after == self.group:
            if self.change_pending:
                self._waiting.place(self._groups.index, self.term(), request)
            else:
                self._results.append((request, self._groups.index))
            return
        index, term = self._append_command(GROUP + after.encode())
        self._waiting.place(index, term, request)
        self.group_appended(index, after)

    def _paused(self) -> bool:
        """Whether this leader takes nothing now: it hands over, or followers do not keep up."""
        return bool(self._hand_over_until) or self._uncommitted_bytes > _UNCOMMITTED_BYTES

    def _append_command(self, command: bytes) -> tuple[int, int]:
        index, term = self._journal.last_index + 1, self.term()
        self._journal.add(command, index, term)
        self._uncommitted_bytes += len(command)
        self._speak = True
        return index, term

    def _take_forward(self, node: Node, message: Forward) -> None:
        allowed = message.command[:1] == REGULAR or message.command == NO_OP
        if not allowed or len(message.command) > self._options.max_command_bytes + 1:
            raise Refused("SN-R044", "a forwarded command of an unknown kind or size")
        index = 0
        if self.leads() and not self._paused():
            index, _ = self._append_command(message.command)
        self._links.send(node, Forwarded(term=self.term(), request=message.request, index=index))

    def _take_forwarded(self, message: Forwarded) -> None:
        request = self._waiting.answered(message.request)
        if request is None:
            return
        if message.index <= self._SyncObj__raftLastApplied:
            self._hold_until = monotonic() + _REFUSED_WAIT_SECONDS
            self._inbox.put_back(request)
            return
        self._waiting.place(message.index, message.term, request)

    def handle(self, node: Node, message: Message) -> None:
        """Act on one message of a proven peer."""
        match message:
            case Forward():
                self._take_forward(node, message)
            case Forwarded():
                self._take_forwarded(message)
            case _:
                super().handle(node, message)

    # -- leadership --------------------------------------------------------------------------------------

    def role_changed(self, old: int, new: int) -> None:
        """Requests that were placed by the former leader go back."""
        super().role_changed(old, new)
        self._uncommitted_bytes = 0
        if LEADER in (old, new) and old != new:
            _log.info("raft_role_changed", role=ROLES[new], term=self.term())
            self._waiting.doubt_all()
            self._hand_over_until = 0.0

    def leader_changed(self) -> None:
        """Nobody answers for requests that the former leader took."""
        self._waiting.doubt_all()

    def peer_lost(self, node: Node) -> None:
        """Requests that the lost leader took have an unknown outcome."""
        super().peer_lost(node)
        if node == self._SyncObj__raftLeader:
            self._waiting.doubt_all()

    def installed(self) -> None:
        """State and log were replaced: what waits for entries asks again."""
        self._waiting.doubt_all()

    # -- commit and apply ------------------------------------------------------------------------------------

    def _SyncObj__applyLogEntries(self) -> bool:  # noqa: N802  # pysyncobj's name
        """Apply what is committed, at most for a moment; never before it is durable here."""
        commit = self.commit_index()
        applied: int = self._SyncObj__raftLastApplied
        if commit <= applied:
            return False
        if self._journal.durable_index < commit:
            self._journal.sync()
        self._speak = True
        deadline = monotonic() + _APPLY_SECONDS
        head = self._journal.head_index
        while applied < commit:
            applied += 1
            self._apply_entry(*self._journal[applied - head])
            self._SyncObj__raftLastApplied = applied
            if applied % 16 == 0 and monotonic() > deadline:
                break
        return False

    def _apply_entry(self, command: bytes, index: int, term: int) -> None:
        value: object = index
        if command[:1] == REGULAR:
            value = self._apply_command(index, command[1:])
        elif command[:1] == GROUP:
            self.group_applied(index)
        elif command != NO_OP:
            raise Refused("SN-R033", f"entry {index} is of an unknown kind {command[:1]!r}")
        self._applied_bytes += len(command)
        if self.leads():
            self._uncommitted_bytes = max(0, self._uncommitted_bytes - len(command))
        for request in self._waiting.applied(index, term):
            self._results.append((request, value))

    def _apply_command(self, index: int, command: bytes) -> object:
        try:
            return self._state_machine.apply(index, command)
        except Exception as error:
            _log.error("state_machine_broke", index=index, state_digest=self._state_digest())
            raise Refused(
                "SN-R030", f"applying entry {index} raised {type(error).__name__}: {error}"
            ) from error

    def _state_digest(self) -> str:
        """Return what identifies the state, for comparing with the other members' after a failure."""
        try:
            return hashlib.sha256(self._state_machine.snapshot()).hexdigest()
        except Exception as error:  # noqa: BLE001  # the state may be broken: then that is the answer
            return f"unknown ({type(error).__name__})"

    def _SyncObj__doApplyCommand(self, command: bytes) -> object:  # noqa: N802  # pysyncobj's name
        raise Refused("SN-R002", f"pysyncobj wants to apply {len(command)} bytes by itself")

    def _SyncObj__parseChangeClusterRequest(self, _command: bytes) -> None:  # noqa: N802  # pysyncobj's name
        """Know no membership commands."""

    def _SyncObj__loadDumpFile(self, clearJournal: bool) -> None:  # noqa: N802, N803  # pysyncobj's names
        raise Refused("SN-R002", f"pysyncobj wants to load a dump (clear={clearJournal})")
