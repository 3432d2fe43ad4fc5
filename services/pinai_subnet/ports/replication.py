"""Agreement on an ordered log of opaque commands. Says nothing about what a command means or which engine orders it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """One member of the replication group: its identity (address of its key) and where it listens."""

    id: str
    address: str
    """Checksummed address of the key that the peer proves possession of in the handshake."""
    endpoint: str
    """host:port of its replication listener."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerStatus:
    """What this node knows about one other member."""

    id: str
    connected: bool
    last_heard_seconds: float | None
    """Seconds since its last message; None if never heard."""
    lag: int | None
    """Entries it is behind the leader; None where only the leader knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicationStatus:
    """One consistent look at the engine; cheap, never blocks."""

    id: str
    role: str
    """`leader`, `follower` or `candidate`."""
    leader_id: str | None
    term: int
    last_index: int
    commit_index: int
    applied_index: int
    has_quorum: bool
    """The leader heard a majority within the lease, or this follower has a live leader."""
    tick_lag_seconds: float
    """How late the last tick of the engine's own loop was."""
    peers: Sequence[PeerStatus]
    failure: str | None
    """Why the engine stopped for good, with its code; None while it runs."""


class StateMachine(Protocol):
    """What the log is applied to. Called from the engine's own thread, one call at a time, in log order.

    `apply` must be deterministic and must never raise for any bytes: an invalid command is a recorded rejection.
    """

    def apply(self, index: int, command: bytes) -> object:
        """Apply one committed command; the returned value reaches `Replication.submit` on the submitting node only."""
        ...

    def snapshot(self) -> bytes:
        """Serialise the whole state; equal states give equal bytes on every node."""
        ...

    def restore(self, data: bytes) -> None:
        """Replace the state by one that `snapshot` produced; raise `Damaged` if the bytes are not one."""
        ...


class Replication(Protocol):
    """A replicated log with one leader at a time.

    Ordering: every node applies the same commands in the same order. Durability: `submit` returns only after the
    command is on disk on a majority and applied on this node. Delivery: at least once (an unknown outcome is retried
    inside with the same bytes), so commands carry a request id and the state machine de-duplicates. Cancelling a call
    is safe and leaves the outcome unknown.
    """

    async def start(self) -> None:
        """Open journal and listener, load the newest snapshot, replay; raise `Damaged` where the disk lies."""
        ...

    async def submit(self, command: bytes, *, timeout_seconds: float) -> object:
        """Replicate one command from any node (followers forward) and return what `apply` returned for it here.

        Rides out elections until the timeout. Raises `Unreachable` when no quorum took it in time (outcome unknown).
        """
        ...

    async def barrier(self, *, timeout_seconds: float) -> int:
        """Commit a no-op and return its index: reads after it see everything acknowledged before the call."""
        ...

    def status(self) -> ReplicationStatus:
        """Report role, leader, indexes and peers; never blocks and never raises."""
        ...

    async def hand_over(self, *, timeout_seconds: float) -> bool:
        """If leading, stop leading so that an up-to-date follower takes over; True when another leader is known."""
        ...

    async def stop(self) -> None:
        """Stop the loop, sync and close files and sockets; safe to call twice."""
        ...
