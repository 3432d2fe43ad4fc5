"""The replicated log for asyncio code: the `Replication` port over the engine and its thread. No rules of Raft here."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog
from pysyncobj.monotonic import monotonic
from pysyncobj.node import Node

from pinai_subnet.consensus import seams
from pinai_subnet.consensus.admission import Admission
from pinai_subnet.consensus.build import UNSAID, Build
from pinai_subnet.consensus.durable import DirectoryLock, WriteFailed
from pinai_subnet.consensus.endpoint import open_listener, split_endpoint
from pinai_subnet.consensus.engine import Engine, Results
from pinai_subnet.consensus.fence import Guard
from pinai_subnet.consensus.group import Group
from pinai_subnet.consensus.handshake import Member
from pinai_subnet.consensus.journal import FIRST_INDEX, Journal
from pinai_subnet.consensus.looking import look
from pinai_subnet.consensus.options import ReplicationOptions
from pinai_subnet.consensus.recovery import NO_OP
from pinai_subnet.consensus.replicas import REGULAR
from pinai_subnet.consensus.requests import Inbox, Request
from pinai_subnet.consensus.snapshot import SnapshotStore
from pinai_subnet.consensus.transport import Transport
from pinai_subnet.ports.errors import DependencyError, Refused, Unreachable
from pinai_subnet.ports.replication import (
    GroupChange,
    Peer,
    Replication,
    ReplicationStatus,
    StateMachine,
)
from pinai_subnet.ports.signer import Signer

_log = structlog.get_logger(__name__)

_LOOK_SECONDS = 0.02


class ReplicatedLog(Replication):
    """One member of a replication group. `others` may be empty: a group of one is its own majority."""

    def __init__(
        self,
        *,
        me: Peer,
        others: Sequence[Peer],
        listen: str,
        cluster_id: str,
        directory: Path,
        state_machine: StateMachine,
        signer: Signer,
        options: ReplicationOptions,
        first_group: Sequence[Peer] | None = None,
        guard: Guard | None = None,
        build: Build = UNSAID,
        synced: Callable[[float], None] = lambda _: None,
    ) -> None:
        """Bind everything; no file or socket is touched before `start`.

        `me` and `others` are the members as this node's configuration names them now. `first_group` is what the log
        began with, equal on all members and for ever; without it, `me` and `others`. A node that is not in it is an
        outsider, without a vote, until the group adds it.

        `build` is what peers must fit to share a log with this node. `synced` takes the seconds of every fsync of the
        log, on the engine's thread.
        `listen` is the endpoint to bind, which may differ from the advertised `me.endpoint`.
        `directory` belongs to this member alone.
        """
        self._me = me
        self._others = tuple(others)
        self._first_group = tuple((me, *others) if first_group is None else first_group)
        self._listen = listen
        self._cluster_id = cluster_id
        self._directory = directory
        self._state_machine = state_machine
        self._signer = signer
        self._options = options
        self._admission = Admission(
            me=me,
            others=self._others,
            first_group=self._first_group,
            cluster_id=cluster_id,
            directory=directory,
            options=options,
            guard=guard,
        )
        self._build_facts = build
        self._synced = synced
        self._engine: Engine | None = None
        self._lock: DirectoryLock | None = None
        self._inbox = Inbox(
            max_requests=options.max_pending_requests, max_bytes=options.max_pending_bytes
        )
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._failure: DependencyError | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._open_requests: set[Request] = set()
        self._rejoining: asyncio.Task[None] | None = None

    # -- life ------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Open journal and listener, load the newest snapshot and start the engine's thread.

        Raises `Damaged` where the disk lies and `Refused` where directory, endpoint or key are not this member's.
        """
        self._loop = asyncio.get_running_loop()
        await asyncio.to_thread(self._open)
        self._thread = threading.Thread(target=self._run, name=f"raft-{self._me.id}", daemon=True)
        self._thread.start()
        if not self._require_engine().may_vote:
            self._rejoining = asyncio.create_task(self._earn_vote(), name="rejoin_group")

    async def _earn_vote(self) -> None:
        await self._admission.earn_vote(
            self._require_engine(), lambda seconds: self.barrier(timeout_seconds=seconds)
        )

    def _open(self) -> None:
        seams.check_version()
        self._check_group()
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = DirectoryLock(self._directory)
        try:
            self._admission.prepare()
            self._engine = self._build()
            self._engine.may_vote = self._admission.may_vote
        except BaseException:
            self._lock.release()
            raise

    def _check_group(self) -> None:
        names = [self._me.id, *(peer.id for peer in self._others)]
        keys = [self._me.address, *(peer.address for peer in self._others)]
        if len(set(names)) < len(names) or len(set(keys)) < len(keys):
            raise Refused("SN-R006", "two members of the group share an id or a key")
        for peer in self._others:
            split_endpoint(peer.endpoint)
        if self._signer.address != self._me.address:
            raise Refused(
                "SN-R006",
                f"this node signs as {self._signer.address}, the group knows {self._me.id!r} as {self._me.address}",
            )

    def _build(self) -> Engine:
        options = self._options
        store = SnapshotStore(self._directory, cluster=self._cluster_id, fsync=options.fsync)
        snapshot = store.load()
        journal = Journal(
            self._directory,
            cluster=self._cluster_id,
            node=self._me.id,
            segment_bytes=options.segment_bytes,
            segment_entries=options.segment_entries,
            fsync=options.fsync,
            synced=self._synced,
        )
        try:
            transport, nodes = self._network(journal)
        except BaseException:
            journal.abandon()
            raise
        try:
            engine = Engine(
                me=Node(self._me.id),
                nodes=nodes,
                options=options,
                journal=journal,
                transport=transport,
                store=store,
                state_machine=self._state_machine,
                inbox=self._inbox,
                deliver=self._deliver,
                first_group=Group.of(self._first_group),
            )
            engine.load(snapshot)
        except BaseException:
            transport.destroy()
            journal.abandon()
            raise
        return engine

    def _network(self, journal: Journal) -> tuple[Transport, list[Node]]:
        first = {peer.id: peer for peer in self._first_group}
        nodes = [Node(name) for name in first if name != self._me.id]
        invited = first | {peer.id: peer for peer in self._others}
        invited.pop(self._me.id, None)
        member = Member(
            me=self._me,
            cluster=self._cluster_id,
            signer=self._signer,
            others=invited,
            life=lambda: self._admission.life(empty=journal.last_index <= FIRST_INDEX),
            build=self._build_facts,
        )
        transport = Transport(
            member=member,
            nodes=nodes,
            listener=open_listener(self._listen),
            options=self._options,
            sync=journal.sync,
            fence=self._admission.fence,
        )
        return transport, nodes

    async def stop(self) -> None:
        """Stop the loop, sync and close; requests that wait fail with SN-R023. Safe to call twice."""
        self._stopping.set()
        if self._rejoining is not None:
            self._rejoining.cancel()
            await asyncio.gather(self._rejoining, return_exceptions=True)
        if self._engine is not None and self._thread is not None and self._thread.is_alive():
            self._engine.wake()
            await asyncio.to_thread(self._thread.join)
        self._fail_open_requests()

    @property
    def out_of_space(self) -> bool:
        """Whether the engine stopped for good only because the disk had no room."""
        return isinstance(self._failure, WriteFailed) and self._failure.out_of_space

    # -- the engine's thread ---------------------------------------------------------------------------

    def _run(self) -> None:
        """Turn the engine until it is told to stop or fails for good."""
        engine = self._require_engine()
        try:
            ended = monotonic()
            while not self._stopping.is_set():
                engine.turn()
                now = monotonic()
                engine.note_turn(now - ended)
                ended = now
        except DependencyError as error:
            self._fail(error)
        except Exception as error:  # noqa: BLE001  # loop supervision
            _log.exception("raft_loop_broke")
            self._fail(
                DependencyError("SN-R031", f"{type(error).__name__}: {error}", retryable=False)
            )
        finally:
            self._close(engine)

    def _fail(self, error: DependencyError) -> None:
        self._failure = error
        _log.error("raft_stopped_for_good", code=error.code, reason=error.message)

    def _close(self, engine: Engine) -> None:
        try:
            engine.close(failed=self._failure is not None)
        except DependencyError as error:
            self._fail(error)
        if self._lock is not None:
            self._lock.release()
        self._call_soon(self._fail_open_requests)

    def _deliver(self, results: Results) -> None:
        self._call_soon(_resolve, results)

    def _call_soon(self, callback: object, *arguments: object) -> None:
        try:
            self._loop.call_soon_threadsafe(callback, *arguments)  # type: ignore[union-attr, arg-type]
        except RuntimeError:
            _log.debug("event_loop_gone")

    # -- requests --------------------------------------------------------------------------------------

    async def submit(self, command: bytes, *, timeout_seconds: float) -> object:
        """Replicate one command and return what `apply` returned for it here.

        Raises `Unreachable` SN-R020 when no quorum took it in time (outcome unknown), `Refused`
        SN-R021 for one that is too large, `Exhausted` SN-R022 when too many wait, and the failure
        with its own code once the engine stopped for good.
        """
        if len(command) > self._options.max_command_bytes:
            raise Refused(
                "SN-R021",
                f"a command of {len(command)} bytes; at most {self._options.max_command_bytes} are allowed",
            )
        return await self._request(REGULAR + command, timeout_seconds)

    async def barrier(self, *, timeout_seconds: float) -> int:
        """Commit a no-op and return its index; see the port."""
        index = await self._request(NO_OP, timeout_seconds)
        return index if isinstance(index, int) else 0

    async def change(self, change: GroupChange, *, timeout_seconds: float) -> int:
        """Change the membership by one step; see the port."""
        index = await self._request(b"", timeout_seconds, change)
        return index if isinstance(index, int) else 0

    async def _request(
        self, command: bytes, timeout_seconds: float, change: GroupChange | None = None
    ) -> object:
        engine = self._require_engine()
        self._require_running()
        loop = asyncio.get_running_loop()
        request = Request(command, loop, loop.create_future(), change=change)
        engine.submit(request)
        self._open_requests.add(request)
        try:
            async with asyncio.timeout(timeout_seconds):
                return await request.future
        except TimeoutError as error:
            raise Unreachable(
                "SN-R020",
                f"no quorum took the command within {timeout_seconds:g} s; it may still be committed",
            ) from error
        finally:
            self._open_requests.discard(request)
            self._inbox.release(request)

    def _require_engine(self) -> Engine:
        if self._engine is None:
            raise Unreachable("SN-R023", "the replicated log is not started")
        return self._engine

    def _require_running(self) -> None:
        if self._failure is not None:
            raise self._stopped_error()
        if self._stopping.is_set():
            raise Unreachable("SN-R023", "the replicated log is stopped")

    def _stopped_error(self) -> DependencyError:
        if self._failure is not None:
            return Refused(self._failure.code, self._failure.message)
        return Unreachable(
            "SN-R023", "the replicated log stopped; the command may still be committed"
        )

    def _fail_open_requests(self) -> None:
        for request in self._open_requests:
            if not request.future.done():
                request.future.set_exception(self._stopped_error())

    async def hand_over(self, *, timeout_seconds: float, to: str | None = None) -> bool:
        """Stop leading in favour of an up-to-date voter; see the port."""
        engine = self._require_engine()
        if to == self._me.id:
            return engine.leads()
        if not engine.voters():
            return False
        if engine.leads():
            engine.ask_hand_over(timeout_seconds, to)
        deadline = monotonic() + timeout_seconds
        while monotonic() < deadline and self._failure is None:
            leader = engine.current_leader()
            if leader is not None and leader.id == (to or leader.id) != self._me.id:
                return True
            await asyncio.sleep(_LOOK_SECONDS)
        return False

    def status(self) -> ReplicationStatus:
        """Report role, leader, indexes and peers; never blocks and never raises."""
        if self._engine is not None:
            return look(self._engine, self._failure, waiting=len(self._inbox))
        return ReplicationStatus(
            id=self._me.id,
            role="follower",
            leader_id=None,
            term=0,
            last_index=0,
            commit_index=0,
            applied_index=0,
            has_quorum=False,
            tick_lag_seconds=0.0,
            peers=(),
            failure=str(self._failure) if self._failure is not None else None,
        )


def _resolve(results: Results) -> None:
    for request, value in results:
        if request.future.done():
            continue
        if isinstance(value, DependencyError):
            request.future.set_exception(value)
        else:
            request.future.set_result(value)
