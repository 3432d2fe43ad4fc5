"""A seeded world: real engines, journals and snapshots over a simulated clock and network, with crashes where it hurts.

The network is what TCP can do: order within a connection, any delay, stalled directions, broken
connections. A crash loses what was not synced and may leave a torn tail. One seed is one history;
the same seed replays it.
"""

import hashlib
import math
import os
import random
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Self
from unittest.mock import patch

import msgspec
from pysyncobj.node import Node
from pysyncobj.transport import Transport as EngineTransport

from pinai_subnet.consensus.engine import Engine, Results
from pinai_subnet.consensus.group import Group
from pinai_subnet.consensus.journal import Journal
from pinai_subnet.consensus.messages import PROMISES, Message, decode, encode, from_engine
from pinai_subnet.consensus.options import ReplicationOptions
from pinai_subnet.consensus.replicas import REGULAR
from pinai_subnet.consensus.requests import Inbox, Request
from pinai_subnet.consensus.snapshot import SnapshotHeader, SnapshotStore
from pinai_subnet.ports.errors import DependencyError
from pinai_subnet.ports.replication import GroupChange, Peer, StateMachine

OPTIONS = ReplicationOptions(
    compact_after_entries=40,
    keep_entries=5,
    segment_entries=10,
    snapshot_chunk_bytes=300,
    batch_bytes=400,
    fsync=False,
)
STEP_SECONDS = 0.004
CLOCKS = (
    "pysyncobj.syncobj.monotonicTime",
    "pinai_subnet.consensus.elections.monotonic",
    "pinai_subnet.consensus.replicas.monotonic",
    "pinai_subnet.consensus.engine.monotonic",
    "pinai_subnet.consensus.membership.monotonic",
)


def peer_of(name: str) -> Peer:
    return Peer(id=name, address=f"key of {name}", endpoint=f"{name}:1")


class Crash(BaseException):
    """The process of this member ends here."""


class Clock:
    """Time that only the world moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Machine:
    """Applies commands once each, in order, and reports every application to the world."""

    def __init__(self, observe: Callable[[int, bytes], None]) -> None:
        self.order: list[bytes] = []
        self.known: set[bytes] = set()
        self._observe = observe

    def apply(self, index: int, command: bytes) -> object:
        self._observe(index, command)
        if command not in self.known:
            self.known.add(command)
            self.order.append(command)
        return index

    def snapshot(self) -> bytes:
        return msgspec.msgpack.encode(self.order)

    def restore(self, data: bytes) -> None:
        self.order = msgspec.msgpack.decode(data, type=list[bytes])
        self.known = set(self.order)


def chance_of(text: str) -> float:
    """Return a number in [0, 1) that depends on the text alone, not on what else happened before."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=6).digest()) / (1 << 48)


class Network:
    """Connections between members; each direction is a queue with delivery times."""

    def __init__(self, clock: Clock, seed: int) -> None:
        self.clock = clock
        self.seed = seed
        self.up: set[frozenset[str]] = set()
        self.stalled: set[tuple[str, str]] = set()
        self.slow = 0.002
        self._queues: dict[tuple[str, str], deque[tuple[float, bytes]]] = {}
        self._counts: dict[tuple[str, str], int] = {}

    def push(self, source: str, target: str, payload: bytes) -> None:
        if frozenset((source, target)) not in self.up:
            return
        key = (source, target)
        count = self._counts[key] = self._counts.get(key, 0) + 1
        delay = -math.log(1.0 - chance_of(f"{self.seed} {key} {count}")) * self.slow
        queue = self._queues.setdefault(key, deque())
        earliest = queue[-1][0] if queue else 0.0
        queue.append((max(earliest, self.clock.now + delay), payload))

    def arrives_at(self, source: str, target: str) -> float:
        """Return when the next thing can be taken."""
        queue = self._queues.get((source, target))
        return queue[0][0] if queue and (source, target) not in self.stalled else math.inf

    def take(self, source: str, target: str) -> Iterable[bytes]:
        queue = self._queues.get((source, target))
        while queue and (source, target) not in self.stalled and queue[0][0] <= self.clock.now:
            yield queue.popleft()[1]

    def clear(self, first: str, second: str) -> None:
        for key in ((first, second), (second, first)):
            self._queues.pop(key, None)
            self.stalled.discard(key)


class SimulatedTransport(EngineTransport):  # type: ignore[misc]  # pysyncobj has no types
    """What the engine sees of the network; the same order of sync and send as the real one."""

    def __init__(self, network: Network, me: str, nodes: list[Node], journal: Journal) -> None:
        super().__init__(None, None, [])
        self.network = network
        self.me = me
        self.nodes = {node.id: node for node in nodes}
        self.journal = journal
        self.outbox: list[tuple[str, bytes]] = []
        self.promised = False
        self.due = 0.0
        """When the engine wants its next turn, unless something arrives before."""
        self.on_partial: Callable[[Node], None] = lambda _: None
        self.invited = set(self.nodes)
        self.admitted = set(self.nodes)
        self.hang_up: Callable[[str], None] = lambda _: None
        """Told of members that this one has nothing to say to any more."""

    def setOnUtilityMessageCallback(self, message: str, callback: object) -> None:  # noqa: N802
        """There are none."""

    def send(self, node: Node, message: Message | dict[str, object]) -> bool:
        typed = from_engine(message) if isinstance(message, dict) else message
        return self.send_encoded(node, encode(typed), promises=isinstance(typed, PROMISES))

    def send_encoded(self, node: Node, payload: bytes, *, promises: bool = False) -> bool:
        if not self.connected(node.id):
            return False
        self.outbox.append((node.id, payload))
        self.promised |= promises
        return True

    def set_peers(
        self,
        peers: Mapping[str, Peer],
        *,
        everybody: bool,
        also: str | None,
        outsider: bool = False,
    ) -> None:
        self.admitted = {*peers, *(self.invited if everybody else {also} & self.invited)}
        for name in self.admitted - self.nodes.keys():
            self.nodes[name] = Node(name)
        for name in self.nodes.keys() - self.admitted:
            self.hang_up(name)

    def backlog(self, _node: Node) -> int:
        return 0

    def connected(self, node_id: str) -> bool:
        return frozenset((self.me, node_id)) in self.network.up

    def heard_at(self, _node_id: str) -> float | None:
        return None

    def failure(self, node_id: str) -> str | None:
        return None if self.connected(node_id) else "the simulated link is down"

    def wake(self) -> None:
        self.due = 0.0

    def ready_at(self) -> float:
        """Return when the engine has something to do; a real one would sleep until then."""
        if self.due <= self.network.clock.now:
            return self.due
        return min(self.due, *(self.network.arrives_at(name, self.me) for name in self.nodes))

    def flush(self) -> None:
        if self.promised:
            self.journal.sync()
            self.promised = False
        outbox, self.outbox = self.outbox, []
        for target, payload in outbox:
            self.network.push(self.me, target, payload)
        self.journal.sync()

    def poll(self, timeout: float) -> None:
        self.flush()
        self.due = self.network.clock.now + timeout
        for name in sorted(self.nodes):
            for payload in self.network.take(name, self.me):
                self.due = 0.0
                if name in self.admitted:
                    self._onMessageReceived(self.nodes[name], decode(payload))
        self.flush()

    def destroy(self) -> None:
        """Nothing to close."""


class FragileJournal(Journal):
    """A journal whose process may die at every point of persistence."""

    fate: Callable[[str], None]

    def sync(self) -> None:
        if self._pending:
            self.fate("before sync")
            super().sync()
            self.fate("after sync")
        else:
            super().sync()

    def setCurrentTerm(self, term: int, votedForNodeId: str | None) -> None:  # noqa: N802, N803
        self.fate("before vote")
        super().setCurrentTerm(term, votedForNodeId)
        self.fate("after vote")

    def _remove(self, parts: list) -> None:  # type: ignore[type-arg]
        self.fate("before removal")
        for part in parts:
            super()._remove([part])
            self.fate("during removal")

    def _begin(self, start: object, base_index: int, base_term: int) -> None:
        if self._parts:
            self.fate("before segment")
        super()._begin(start, base_index, base_term)  # type: ignore[arg-type]
        if len(self._parts) > 1:
            self.fate("after segment")


class FragileStore(SnapshotStore):
    """A snapshot store whose process may die between the rename and the compaction (finding B)."""

    fate: Callable[[str], None]

    def write(
        self, last_index: int, last_term: int, data: bytes, group: bytes = b""
    ) -> SnapshotHeader:
        self.fate("before snapshot")
        header = super().write(last_index, last_term, data, group)
        self.fate("after snapshot")
        return header


class Inline:
    """Runs the snapshot writer's work at once, so that a seed replays."""

    def submit(self, work: Callable[..., object], *arguments: object) -> "Future[object]":
        future: Future[object] = Future()
        future.set_result(work(*arguments))
        return future

    def shutdown(self, **_: object) -> None:
        """Nothing runs."""


class World:
    """A group of members and everything that happens to it."""

    options = OPTIONS
    journal_class: type[FragileJournal] = FragileJournal
    store_class: type[FragileStore] = FragileStore

    def __init__(
        self,
        directory: Path,
        seed: int,
        *,
        size: int = 3,
        first: int | None = None,
        names: Sequence[str] = (),
    ) -> None:
        """`first` of the `size` members begin as the group; the others wait to be added."""
        self.chance = random.Random(seed)  # noqa: S311  # seeded
        self.seed = seed
        self.directory = directory
        self.clock = Clock()
        self.network = Network(self.clock, seed)
        self.names = list(names) or [f"v{n}" for n in range(size)]
        self.first = self.names[:first]
        self.refusals: list[str] = []
        self.changed = 0
        self.engines: dict[str, Engine] = {}
        self.machines: dict[str, Machine] = {}
        self.inboxes: dict[str, Inbox] = {}
        self.crash_odds = 0.0
        self.crashes = 0
        self.applied: dict[int, bytes] = {}
        self.leaders: dict[int, str] = {}
        self.acknowledged: set[bytes] = set()
        self.submitted = 0
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        random.seed(self.seed)
        for target in CLOCKS:
            self._stack.enter_context(patch(target, self.clock))
        return self

    def __exit__(self, *_: object) -> None:
        for name in list(self.engines):
            self._die(name)
        self._stack.close()

    # -- members -----------------------------------------------------------------------------------

    def start(self, name: str) -> None:
        directory = self.directory / name
        directory.mkdir(exist_ok=True)
        journal = self.journal_class.__new__(self.journal_class)
        journal.fate = lambda _: None
        journal.__init__(  # type: ignore[misc]
            directory,
            cluster="c",
            node=name,
            segment_bytes=1 << 20,
            segment_entries=self.options.segment_entries,
            fsync=False,
        )
        store = self.store_class(directory, cluster="c", fsync=False)
        store.fate = lambda _: None
        snapshot = store.load()
        nodes = [Node(other) for other in self.names if other != name]
        transport = SimulatedTransport(self.network, name, nodes, journal)
        machine, inbox, deliver = self.process(name)
        engine = Engine(
            me=Node(name),
            nodes=nodes,
            options=self.options,
            journal=journal,
            transport=transport,  # type: ignore[arg-type]
            store=store,
            state_machine=machine,
            inbox=inbox,
            deliver=deliver,
            first_group=Group.of([self.peer(one) for one in self.first]),
        )
        engine._writer = Inline()  # type: ignore[assignment]
        transport.hang_up = lambda other: self.disconnect(name, other)
        engine.load(snapshot)
        journal.fate = store.fate = partial(self.fate, name)
        self.engines[name] = engine
        for other in self.engines:
            if other != name:
                self.connect(name, other)

    def process(self, name: str) -> tuple[StateMachine, Inbox, Callable[[Results], None]]:
        """Return what surrounds a new engine: its state machine, its inbox, and who takes results."""
        machine = self.machines[name] = Machine(self._observe)
        inbox = self.inboxes[name] = Inbox(max_requests=10_000, max_bytes=1 << 30)
        return machine, inbox, partial(self._deliver, inbox)

    def peer(self, name: str) -> Peer:
        return peer_of(name)

    def fate(self, name: str, where: str) -> None:
        """End this process at this point of persistence, if it comes to that."""
        if self.dies(name, where):
            raise Crash

    def dies(self, _name: str, _where: str) -> bool:
        """Decide whether this process dies at this point."""
        return self.chance.random() < self.crash_odds

    def crash(self, name: str) -> None:
        self.crashes += 1
        self._die(name)

    def _die(self, name: str) -> None:
        engine = self.engines.pop(name)
        journal = engine._journal
        torn = b"".join(journal._pending)
        if torn and journal._descriptor >= 0:
            os.write(journal._descriptor, torn[: self.chance.randrange(len(torn))])
        journal.abandon()
        for other in self.names:
            self.disconnect(name, other)

    def connect(self, first: str, second: str) -> None:
        pair = frozenset((first, second))
        if pair in self.network.up or not pair <= self.engines.keys():
            return
        for me, other in ((first, second), (second, first)):
            if other not in self.engines[me]._links.admitted:  # type: ignore[attr-defined]
                return
        self.network.up.add(pair)
        for me, other in ((first, second), (second, first)):
            links = self.engines[me]._links
            links.due = 0.0  # type: ignore[attr-defined]
            links._onNodeConnected(links.nodes[other])  # type: ignore[attr-defined]

    def disconnect(self, first: str, second: str) -> None:
        pair = frozenset((first, second))
        if pair not in self.network.up:
            return
        self.network.up.discard(pair)
        self.network.clear(first, second)
        for me, other in ((first, second), (second, first)):
            if me in self.engines:
                links = self.engines[me]._links
                links.due = 0.0  # type: ignore[attr-defined]
                links._onNodeDisconnected(links.nodes[other])  # type: ignore[attr-defined]

    # -- time --------------------------------------------------------------------------------------

    def turn(self, name: str) -> None:
        """One turn of one member, and the death of its process if it comes to that."""
        try:
            self.engines[name].turn()
        except Crash:
            self.crash(name)
            return
        engine = self.engines[name]
        if engine.leads():
            leader = self.leaders.setdefault(engine.term(), name)
            assert leader == name, f"two leaders in term {engine.term()}: {leader} and {name}"

    def step(self, seconds: float = STEP_SECONDS) -> None:
        self.clock.now += seconds
        ready = [name for name in sorted(self.engines) if self._ready_at(name) <= self.clock.now]
        for name in self.chance.sample(ready, len(ready)):
            if name in self.engines and self.chance.random() < 0.9:
                self.turn(name)

    def run(self, seconds: float, until: Callable[[], bool] = lambda: False) -> bool:
        end = self.clock.now + seconds
        while self.clock.now < end:
            self.step()
            if until():
                return True
            idle = min(self.next_at(), end) - self.clock.now
            if idle > STEP_SECONDS:
                # Nothing can happen before then.
                self.clock.now += STEP_SECONDS * math.floor(idle / STEP_SECONDS)
        return False

    def _ready_at(self, name: str) -> float:
        return self.engines[name]._links.ready_at()  # type: ignore[attr-defined, no-any-return]

    def next_at(self) -> float:
        """Return the next moment at which anything can happen."""
        return min(map(self._ready_at, self.engines), default=math.inf)

    # -- commands ----------------------------------------------------------------------------------

    def submit(self, name: str, command: bytes | None = None) -> bytes:
        if command is None:
            self.submitted += 1
            command = b"c%d" % self.submitted
        self.engines[name].submit(Request(REGULAR + command, None, None))  # type: ignore[arg-type]
        return command

    def change(self, name: str, change: GroupChange) -> None:
        """Ask one member to change the membership."""
        request = Request(b"", None, None, change=change)  # type: ignore[arg-type]
        self.engines[name].submit(request)

    def _deliver(self, inbox: Inbox, results: Results) -> None:
        for request, value in results:
            if request.change is not None:
                if isinstance(value, DependencyError):
                    self.refusals.append(value.code)
                else:
                    self.changed += 1
                inbox.release(request)
                continue
            self.acknowledged.add(request.command[1:])
            inbox.release(request)

    def _observe(self, index: int, command: bytes) -> None:
        known = self.applied.setdefault(index, command)
        assert known == command, f"index {index} is {known!r} and {command!r}"

    # -- the end -----------------------------------------------------------------------------------

    def heal(self) -> None:
        self.crash_odds = 0.0
        self.network.slow = 0.002
        self.network.stalled.clear()
        for name in self.names:
            if name not in self.engines:
                self.start(name)
        for first in self.names:
            for second in self.names:
                if first != second:
                    self.connect(first, second)

    def converged(self) -> bool:
        orders = {tuple(machine.order) for machine in self.machines.values()}
        return len(orders) == 1 and self.acknowledged <= set(next(iter(orders)))

    def assert_nothing_lost(self) -> None:
        """Heal everything; then every acknowledged command must be on every member, in one order."""
        self.heal()
        last = self.submit(self.names[0])
        assert self.run(60.0, lambda: last in self.acknowledged and self.converged()), (
            f"seed {self.seed}: not converged; lost "
            f"{[sorted(self.acknowledged - m.known) for m in self.machines.values()]}"
        )

    def trace(self) -> str:
        """Return a digest of the whole history: equal only if every command, leader and crash was."""
        history = hashlib.sha256()
        for index, command in sorted(self.applied.items()):
            history.update(b"%d %d " % (index, len(command)) + command)
        history.update(repr((sorted(self.leaders.items()), self.crashes, self.clock.now)).encode())
        return history.hexdigest()

    # -- a group that changes ----------------------------------------------------------------------

    def leader(self) -> str | None:
        """Return the leader of the highest term, if anybody leads."""
        leading = [name for name, engine in self.engines.items() if engine.leads()]
        return max(leading, key=lambda name: self.engines[name].term(), default=None)

    def members_agree(self) -> bool:
        """Whether every member of the leader's group has everything, in one order."""
        leader = self.leader()
        if leader is None or self.engines[leader].change_pending:
            return False
        group = self.engines[leader].group
        orders = {tuple(self.machines[name].order) for name in group.peers()}
        groups = {self.engines[name].group for name in group.peers()}
        return len(orders) == len(groups) == 1 and self.acknowledged <= set(next(iter(orders)))

    def assert_members_agree(self) -> None:
        """Heal everything; then a leader emerges and its whole group has every acknowledged command."""
        last = b""
        for _ in range(120):
            self.heal()
            self.run(0.5, self.members_agree)
            leader = self.leader()
            if leader is None:
                continue
            if not last:
                last = self.submit(leader)
            elif last in self.acknowledged and self.members_agree():
                return
            elif last not in self.acknowledged:
                self.submit(leader, last)
        states = {
            name: (engine.term(), engine.leads(), sorted(engine.group.voters()))
            for name, engine in self.engines.items()
        }
        raise AssertionError(f"seed {self.seed}: members do not agree: {states}")
