"""Frames between the members of the group, driven by the engine's loop. No pickle, no utility clients.

Of two members, the one with the greater id dials first. A connection counts only after the handshake;
everything else that reaches the listener is closed with a logged reason. `poll` is one turn of the
loop and the only place where this node waits: frames leave before it waits, and a frame that
promises durability leaves only after the journal's sync.
"""

import contextlib
import errno
import os
import selectors
import socket
from collections.abc import Callable, Mapping, Sequence

import structlog
from pysyncobj.monotonic import monotonic
from pysyncobj.node import Node
from pysyncobj.transport import Transport as EngineTransport

from pinai_subnet.consensus.connection import Connection
from pinai_subnet.consensus.endpoint import split_endpoint
from pinai_subnet.consensus.fence import Fence, Gate, Life
from pinai_subnet.consensus.handshake import Acceptor, Dialer, Member
from pinai_subnet.consensus.link import Link, linked, tell
from pinai_subnet.consensus.messages import (
    PROMISES,
    Message,
    Ping,
    Refusal,
    decode,
    encode,
    from_engine,
)
from pinai_subnet.consensus.names import NameLookup
from pinai_subnet.consensus.options import ReplicationOptions
from pinai_subnet.consensus.repeats import Repeats
from pinai_subnet.consensus.wakeup import Wakeup
from pinai_subnet.ports.errors import DependencyError, Refused, Unreachable
from pinai_subnet.ports.replication import Peer

_log = structlog.get_logger(__name__)

_MAX_UNPROVEN = 32
_PING_SECONDS = 1.0
_STABLE_SECONDS = 2.0
"""A connection that lived this long starts the back-off anew; one that breaks at once does not."""
_LEASE_MARGIN_SECONDS = 2.0
_IN_PROGRESS = (errno.EINPROGRESS, errno.EWOULDBLOCK)


class Transport(EngineTransport):  # type: ignore[misc]  # pysyncobj has no types
    """The group's network as pysyncobj sees it, and its poller. Owned by the engine's thread except for `wake`."""

    def __init__(
        self,
        *,
        member: Member,
        nodes: Sequence[Node],
        listener: socket.socket,
        options: ReplicationOptions,
        sync: Callable[[], None],
        fence: Fence | None = None,
    ) -> None:
        """Take over the listener; nothing is accepted or dialled before the first `poll`."""
        super().__init__(None, None, [])
        self.on_partial: Callable[[Node], None] = lambda _: None
        """Called now and then while a large frame from a peer is still arriving."""
        self._member = member
        self._options = options
        self._sync = sync
        lease = options.connection_timeout_seconds + _LEASE_MARGIN_SECONDS
        self._gate = Gate(fence or Fence(), lease_seconds=lease)
        self._listener = listener
        self._selector = selectors.DefaultSelector()
        self._invited = dict(member.others)
        """Whom this node's own configuration names: counts as long as the group does not know this node, or is lost."""
        self._links = {
            node.id: Link(node, member.others[node.id], member.me.id > node.id) for node in nodes
        }
        self._unproven: set[Connection] = set()
        self._unsent: set[Connection] = set()
        self._promised = False
        self._refusals = Repeats()
        self._names = NameLookup()
        self._wakeup = Wakeup()
        self._selector.register(self._wakeup.reader, selectors.EVENT_READ, None)
        self._selector.register(listener, selectors.EVENT_READ, None)

    # -- what pysyncobj and the engine call --------------------------------------------------------

    def setOnUtilityMessageCallback(self, message: str, callback: object) -> None:  # noqa: N802  # pysyncobj's name
        """Ignore: there are no utility clients on this port."""

    def set_peers(
        self,
        peers: Mapping[str, Peer],
        *,
        everybody: bool,
        also: str | None,
        outsider: bool = False,
    ) -> None:
        """Talk to exactly these from now on, and to those (everybody, or one) that this node's own files name."""
        wanted = {name: peer for name, peer in self._invited.items() if everybody or name == also}
        # An outsider's own files are newer than what it knows of the group.
        wanted = {**peers, **wanted} if outsider else {**wanted, **peers}
        self._member.others.clear()
        self._member.others.update(wanted)
        for name in self._links.keys() - wanted.keys():
            self._forget(self._links[name])
        # Other threads look at it: it is replaced, never changed.
        self._links = linked(self._links, wanted, me=self._member.me.id)

    def _forget(self, link: Link) -> None:
        for connection in (link.attempt, link.connection):
            if connection is not None:
                self._drop(connection, "SN-R048", "no member any more")

    def send(self, node: Node, message: Message | dict[str, object]) -> bool:
        """Queue a message for a peer; False when it is not connected or does not keep up."""
        if isinstance(message, dict):
            message = from_engine(message)
        return self.send_encoded(node, encode(message), promises=isinstance(message, PROMISES))

    def send_encoded(self, node: Node, payload: bytes, *, promises: bool = False) -> bool:
        """Queue bytes that `encode` made, for messages that go to several peers."""
        link = self._links.get(node.id)
        connection = link.connection if link else None
        if connection is None:
            return False
        if connection.backlog > self._options.send_buffer_bytes + self._options.max_frame_bytes:
            return False
        connection.queue(payload)
        self._promised |= promises
        self._unsent.add(connection)
        return True

    def backlog(self, node: Node) -> int:
        """Return the unsent bytes to a peer."""
        link = self._links.get(node.id)
        return link.connection.backlog if link and link.connection else 0

    def connected(self, node_id: str) -> bool:
        """Whether a proven connection to that peer exists."""
        link = self._links.get(node_id)
        return link is not None and link.connection is not None

    def heard_at(self, node_id: str) -> float | None:
        """Return the monotonic time of the last complete message from that peer."""
        link = self._links.get(node_id)
        return link.heard_at if link else None

    def failure(self, node_id: str) -> str | None:
        """Return why that peer is not connected, where that is known."""
        link = self._links.get(node_id)
        return link.failure if link and link.connection is None else None

    def wake(self) -> None:
        """End the current wait of `poll`; callable from any thread."""
        self._wakeup.wake()

    def poll(self, timeout: float) -> None:
        """Do one turn: send, sync, wait at most `timeout` seconds, receive and dispatch, send and sync again."""
        self._flush()
        for key, events in self._selector.select(timeout):
            if key.fileobj is self._listener:
                self._accept()
            elif key.data is None:
                self._wakeup.drain()
            else:
                self._serve(key.data, events)
        self._maintain(monotonic())
        self._flush()

    def destroy(self) -> None:
        """Close everything."""
        for link in self._links.values():
            link.close()
        for connection in self._unproven:
            connection.close()
        self._unproven.clear()
        self._names.close()
        self._selector.close()
        self._listener.close()
        self._wakeup.close()

    # -- sending -----------------------------------------------------------------------------------

    def _flush(self) -> None:
        """Send what is queued: a promise waits for the sync, a leader's entries leave first and sync meanwhile."""
        if self._promised:
            self._sync()
            self._promised = False
        unsent, self._unsent = self._unsent, set()
        for connection in unsent:
            self._write(connection)
        self._sync()

    def _write(self, connection: Connection) -> None:
        if connection.sock.fileno() < 0 or connection.connecting:
            return
        try:
            done = connection.write()
        except OSError as error:
            self._drop(connection, "SN-R048", error.strerror or str(error))
            return
        self._watch(connection, write=not done)

    def _watch(self, connection: Connection, *, write: bool) -> None:
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if write else 0)
        key = self._selector.get_map().get(connection.sock)
        if key is None:
            self._selector.register(connection.sock, events, connection)
        elif key.events != events:
            self._selector.modify(connection.sock, events, connection)

    # -- receiving -----------------------------------------------------------------------------------

    def _accept(self) -> None:
        for _ in range(_MAX_UNPROVEN):
            try:
                sock, address = self._listener.accept()
            except OSError:
                return
            where = f"{address[0]}:{address[1]}"
            if len(self._unproven) >= _MAX_UNPROVEN:
                _log.warning(
                    "raft_peer_refused", code="SN-R047", where=where, reason="too many handshakes"
                )
                sock.close()
                continue
            connection = self._connection(sock, Acceptor(self._member), where)
            self._unproven.add(connection)
            self._watch(connection, write=False)

    def _connection(self, sock: socket.socket, side: Dialer | Acceptor, where: str) -> Connection:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return Connection(sock, side, self._options.max_frame_bytes, where)

    def _serve(self, connection: Connection, events: int) -> None:
        if connection.sock.fileno() < 0:
            return
        try:
            if connection.connecting and not self._finish_connect(connection):
                return
            if events & selectors.EVENT_WRITE:
                self._watch(connection, write=not connection.write())
            if events & selectors.EVENT_READ:
                connection.read()
                for payload in connection.frames():
                    self._dispatch(connection, payload)
                    if connection.sock.fileno() < 0:
                        return
                self._tell_partial(connection)
        except DependencyError as error:
            if not isinstance(error, Refused | Unreachable) or error.code < "SN-R040":
                raise
            self._drop(connection, error.code, error.message)
        except OSError as error:
            self._drop(connection, "SN-R048", error.strerror or str(error))

    def _finish_connect(self, connection: Connection) -> bool:
        problem = connection.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if problem:
            raise OSError(problem, os.strerror(problem))
        connection.connecting = False
        self._watch(connection, write=not connection.write())
        return True

    def _dispatch(self, connection: Connection, payload: bytes) -> None:
        if connection.session is None:
            connection.shake(payload)
            if connection.backlog:
                self._write(connection)
            if connection.side.session is not None and connection.sock.fileno() >= 0:
                connection.session = connection.side.session
                self._prove(connection, connection.session.peer)
            return
        message = decode(payload)
        link = self._links.get(connection.session.peer.id)
        if link is None or link.connection is not connection:
            return
        link.hear(message)
        if isinstance(message, Refusal):
            self._gate.heed(link.peer.id, message, monotonic())
            self._drop(connection, message.code, message.reason)
        elif not isinstance(message, Ping):
            self._onMessageReceived(link.node, message)

    def _tell_partial(self, connection: Connection) -> None:
        link = self._links.get(connection.session.peer.id) if connection.session else None
        if link is not None and connection.partial and link.may_tell(monotonic()):
            self.on_partial(link.node)

    def _prove(self, connection: Connection, peer: Peer) -> None:
        """A handshake succeeded: this is now the connection to that peer; an older one was its former life."""
        link = self._links.get(peer.id)
        if link is None:
            self._drop(connection, "SN-R041", f"{peer.id!r} is no member any more")
            return
        if refusal := link.against(connection, self._gate):
            self._refuse(connection, refusal)
            return
        self._unproven.discard(connection)
        if link.attempt is connection:
            link.attempt = None
        if link.connection is not None:
            if farewell := link.farewell(connection, self._gate):
                self._refuse(link.connection, farewell)
            else:
                self._drop(link.connection, "SN-R048", "replaced by a newer connection")
        link.connect(connection)
        _log.info("raft_peer_connected", peer=peer.id, where=connection.where)
        self._onNodeConnected(link.node)

    def _refuse(self, connection: Connection, refusal: Refusal) -> None:
        with contextlib.suppress(OSError):
            tell(connection, refusal)
        self._drop(connection, refusal.code, refusal.reason)

    def lives(self) -> dict[str, Life | None]:
        """Return which process of each peer is connected; None for a peer that is not."""
        return {name: link.life() for name, link in list(self._links.items())}

    def _drop(self, connection: Connection, code: str, reason: str) -> None:
        self._unproven.discard(connection)
        self._unsent.discard(connection)
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(connection.sock)
        connection.close()
        peer = connection.side.peer
        link = self._links.get(peer.id) if peer else None
        if link is None or not (link.connection is connection or link.attempt is connection):
            host = connection.where.rpartition(":")[0]
            if self._refusals.worth_telling(host, code, reason):
                _log.warning("raft_peer_refused", code=code, where=connection.where, reason=reason)
            return
        if link.connection is connection:
            link.connection = None
            if monotonic() - connection.opened_at > _STABLE_SECONDS:
                link.failures = 0
            _log.info("raft_peer_lost", peer=link.peer.id, code=code, reason=reason)
            self._onNodeDisconnected(link.node)
        else:
            link.attempt = None
            link.note_failure(code, reason)
        link.back_off(self._options.reconnect_max_seconds)

    # -- timers ------------------------------------------------------------------------------------

    def _maintain(self, now: float) -> None:
        for link in list(self._links.values()):
            if link.connection is not None:
                link.missed_since = now
                if link.newly_holds():
                    self._gate.met(link.peer, link.life())
                self._keep_alive(link.connection, link, now)
            elif link.attempt is not None:
                self._expire(link.attempt, now)
            elif link.may_dial(now) and now >= link.retry_at:
                self._dial(link)
        for connection in list(self._unproven):
            self._expire(connection, now)

    def _keep_alive(self, connection: Connection, link: Link, now: float) -> None:
        if now - connection.received_at > self._options.connection_timeout_seconds:
            self._drop(connection, "SN-R049", "silent for too long")
        elif not connection.backlog and (
            now - connection.sent_at > _PING_SECONDS or link.has_news(self._member)
        ):
            self.send(link.node, link.ping(self._member))

    def _expire(self, connection: Connection, now: float) -> None:
        if now - connection.opened_at > self._options.handshake_timeout_seconds:
            self._drop(connection, "SN-R047", "no handshake in time")

    def _dial(self, link: Link) -> None:
        host, port = split_endpoint(link.peer.endpoint)
        found = self._names.find(host, port)
        if found is None:
            return
        if isinstance(found, OSError):
            link.note_failure("SN-R049", f"{link.peer.endpoint}: {found}")
            link.back_off(self._options.reconnect_max_seconds)
            return
        family, address = found
        sock = socket.socket(family, socket.SOCK_STREAM)
        side = Dialer(self._member, link.peer)
        connection = self._connection(sock, side, link.peer.endpoint)
        connection.connecting = True
        link.attempt = connection
        connection.queue(side.opening())
        problem = sock.connect_ex(address)
        if problem not in (0, *_IN_PROGRESS):
            self._drop(connection, "SN-R048", os.strerror(problem))
            return
        self._watch(connection, write=True)
