"""What a node knows about reaching one peer, and who may hold the connection to it. Moves no bytes by itself."""

from dataclasses import dataclass, field

from pysyncobj.monotonic import monotonic
from pysyncobj.node import Node

from pinai_subnet.consensus.connection import Connection
from pinai_subnet.consensus.fence import Gate, Life
from pinai_subnet.consensus.messages import Refusal, encode
from pinai_subnet.ports.replication import Peer

_TRY_SECONDS = 3.0


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
    retry_at: float = 0.0
    heard_at: float | None = None
    told_at: float = 0.0
    missed_since: float = field(default_factory=monotonic)
    """When it was last seen to have no connection."""

    def life(self) -> Life | None:
        """Return which process of the peer is connected."""
        connection = self.connection
        return connection.session.life if connection and connection.session else None

    def may_dial(self, now: float) -> bool:
        """One side dials; after a while without a connection the other tries too, or hears why it is not wanted."""
        return self.dials or now - self.missed_since > _TRY_SECONDS

    def against(self, newcomer: Connection, gate: Gate) -> Refusal | None:
        """Return why a proven connection must not become this link's; None if it may."""
        if newcomer.session is None:
            return None
        life = self.life()
        current = (life, self.connection.where) if life and self.connection else None
        return gate.refusal(self.peer.id, newcomer.session.life, current)

    def farewell(self, newcomer: Connection, gate: Gate) -> Refusal | None:
        """Return what to tell the process that a newcomer takes the identity from; None where it is the same one."""
        life = self.life()
        if life is None or newcomer.session is None:
            return None
        return gate.ousted(self.peer.id, life, newcomer.session.life)


def tell(connection: Connection, refusal: Refusal) -> None:
    """Send a refusal as the connection's last frame, if the kernel takes it."""
    connection.queue(encode(refusal))
    connection.write()
