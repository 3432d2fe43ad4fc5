"""What a node knows about reaching one peer. Moves no bytes by itself."""

from dataclasses import dataclass

from pysyncobj.node import Node

from pinai_subnet.consensus.connection import Connection
from pinai_subnet.ports.replication import Peer


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
