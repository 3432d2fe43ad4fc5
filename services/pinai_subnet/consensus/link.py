"""What a node knows about reaching one peer, and who may hold the connection to it. Moves no bytes by itself."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

import structlog
from pysyncobj.monotonic import monotonic
from pysyncobj.node import Node

from pinai_subnet.consensus.connection import Connection
from pinai_subnet.consensus.fence import Gate, Life
from pinai_subnet.consensus.handshake import Member
from pinai_subnet.consensus.journal import FIRST_INDEX
from pinai_subnet.consensus.messages import Append, Message, Next, Ping, Refusal, encode
from pinai_subnet.ports.replication import Peer

_log = structlog.get_logger(__name__)

_TRY_SECONDS = 3.0
_FIRST_RETRY_SECONDS = 0.05
_SIGN_OF_LIFE_SECONDS = 0.05


@dataclass(slots=True, eq=False)
class Link:
    """What this node knows about reaching one peer."""

    node: Node
    peer: Peer
    dials: bool
    connection: Connection | None = None
    """The proven connection."""
    attempt: Connection | None = None
    failures: int = 0
    failure: str | None = None
    """Why there is no connection, as far as this node could tell."""
    retry_at: float = 0.0
    heard_at: float | None = None
    told_at: float = 0.0
    holds: bool = False
    """Whether the peer has shown on this connection that its log holds something."""
    remembered: bool = False
    """Whether that is written down."""
    told_holding: bool = False
    """Whether this node has told on this connection that its own log does."""
    missed_since: float = field(default_factory=monotonic)
    """When it was last seen to have no connection."""

    def life(self) -> Life | None:
        """Return which process of the peer is connected."""
        connection = self.connection
        return connection.session.life if connection and connection.session else None

    def connect(self, connection: Connection) -> None:
        """Take a proven connection as the one to this peer."""
        self.connection, self.heard_at = connection, monotonic()
        self.failure = None
        life = self.life()
        self.holds = life is not None and not life.empty
        self.remembered = self.told_holding = False

    def hear(self, message: Message) -> None:
        """Take note of a complete message."""
        self.heard_at = monotonic()
        match message:
            case Next(success=True, next_index=following) if following > FIRST_INDEX + 1:
                self.holds = True
            case Append(commit_index=index) if index > FIRST_INDEX:
                self.holds = True
            case Ping(empty=False):
                self.holds = True

    def newly_holds(self) -> bool:
        """Whether the peer's log holds something and nobody asked since that is known."""
        newly = self.holds and not self.remembered
        self.remembered |= newly
        return newly

    def has_news(self, me: Member) -> bool:
        """Whether this node's log holds something and the peer was not told."""
        return not self.told_holding and not me.life().empty

    def ping(self, me: Member) -> Ping:
        """Return the next sign of life, which says whether this node's log holds something."""
        empty = me.life().empty
        self.told_holding = not empty
        return Ping(empty=empty)

    def may_tell(self, now: float) -> bool:
        """Whether it is time for the next note that a large frame is still arriving."""
        due = now - self.told_at >= _SIGN_OF_LIFE_SECONDS
        if due:
            self.told_at = now
        return due

    def may_dial(self, now: float) -> bool:
        """One side dials; after a while without a connection the other tries too, or hears why it is not wanted."""
        return self.dials or now - self.missed_since > _TRY_SECONDS

    def note_failure(self, code: str, reason: str) -> None:
        """Log the first failure and the lasting one: a peer that is down is one fact, not one a second."""
        self.failure = reason
        refused = code not in {"SN-R047", "SN-R048", "SN-R049"}
        if self.failures in {0, 10} or (refused and self.failures % 100 == 0):
            level = _log.warning if refused or self.failures else _log.info
            level("raft_peer_not_reached", peer=self.peer.id, code=code, reason=reason)

    def back_off(self, ceiling: float) -> None:
        """Wait longer before the next attempt, with jitter, up to `ceiling` seconds."""
        wait = min(ceiling, _FIRST_RETRY_SECONDS * 2 ** min(self.failures, 16))
        self.failures += 1
        self.retry_at = monotonic() + wait * random.uniform(0.5, 1.0)  # noqa: S311  # jitter

    def close(self) -> None:
        """Close whatever connection there is."""
        for connection in (self.connection, self.attempt):
            if connection is not None:
                connection.close()
        self.connection = self.attempt = None

    def against(self, newcomer: Connection, gate: Gate) -> Refusal | None:
        """Return why a proven connection must not become this link's; None if it may."""
        if newcomer.session is None:
            return None
        life = self.life()
        current = (life, self.connection.where) if life and self.connection else None
        return gate.refusal(self.peer, newcomer.session.life, current)

    def farewell(self, newcomer: Connection, gate: Gate) -> Refusal | None:
        """Return what to tell the process that a newcomer takes the identity from; None where it is the same one."""
        life = self.life()
        if life is None or newcomer.session is None:
            return None
        return gate.ousted(self.peer.id, life, newcomer.session.life)


def linked(links: Mapping[str, Link], wanted: Mapping[str, Peer], *, me: str) -> dict[str, Link]:
    """Return links to exactly the wanted peers: the ones there are, told of changes, and new ones."""
    found: dict[str, Link] = {}
    for name, peer in wanted.items():
        link = links.get(name) or Link(Node(name), peer, me > name)
        if link.peer != peer:
            link.peer, link.failures, link.retry_at, link.remembered = peer, 0, 0.0, False
        found[name] = link
    return found


def tell(connection: Connection, refusal: Refusal) -> None:
    """Send a refusal as the connection's last frame, if the kernel takes it."""
    connection.queue(encode(refusal))
    connection.write()
