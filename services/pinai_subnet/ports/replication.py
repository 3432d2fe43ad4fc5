"""Agreement on an ordered log of opaque commands. Says nothing about what a command means or which engine orders it."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """One member of the replication group: its identity (address of its key) and where it listens."""

    id: str
    address: str
    """Checksummed address of the key that the peer proves possession of in the handshake."""
    endpoint: str
    """host:port of its replication listener."""
    former_address: str = ""
    """Address of the key it had before; still accepted while a rotation is under way."""


class ChangeKind(StrEnum):
    """What can happen to the membership, one thing at a time."""

    ADD = "add"
    """As a learner: it receives entries and snapshots, but has no vote and counts for no quorum."""
    PROMOTE = "promote"
    """A learner that has caught up becomes a voter."""
    REMOVE = "remove"
    UPDATE = "update"
    """Another endpoint or key of a member."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupChange:
    """One change of the membership. `peer` is what the member will be; only for ADD and UPDATE."""

    kind: ChangeKind
    member_id: str
    peer: Peer | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerStatus:
    """What this node knows about one other member."""

    id: str
    connected: bool
    last_heard_seconds: float | None
    """Seconds since its last message; None if never heard."""
    lag: int | None
    """Entries it is behind the leader; None where only the leader knows."""
    role: str = "voter"
    """`voter` or `learner`."""
    address: str = ""
    endpoint: str = ""
    former_address: str = ""
    failure: str | None = None
    """Why it is not connected, where this node tried and knows."""


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
    membership: str = "voter"
    """What this node is itself: `voter`, `learner` or `outsider` (not yet added, or removed)."""
    change_pending: bool = False
    """A change of the membership is in the log and not committed yet."""
    waiting: int = 0
    """Commands of this node's callers that wait for a leader, for commit or to be applied here."""
    paused: str | None = None
    """Why this node takes no part for now (see `PausableReplication.pause`), None while it does."""


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

    async def change(self, change: GroupChange, *, timeout_seconds: float) -> int:
        """Change the membership by one step and return the index at which that was committed.

        Only the leader takes it; one at a time. A change that is in effect already succeeds. Raises `Refused`
        SN-R060 for one that is impossible, SN-R061 while another is under way or this leader has not committed
        anything yet, SN-R062 for one that would cost the quorum or a learner that has not caught up, SN-R063 on a
        follower; `Unreachable` where the outcome is unknown.
        """
        ...

    async def hand_over(self, *, timeout_seconds: float, to: str | None = None) -> bool:
        """If leading, stop leading so that an up-to-date voter takes over; True when another leader is known.

        With `to`, only that member is asked to take over, and True means that it leads.
        """
        ...

    async def stop(self) -> None:
        """Stop the loop, sync and close files and sockets; safe to call twice."""
        ...


class PausableReplication(Replication, Protocol):
    """A replicated log that can take no part for a while, as if its process had been stopped, and come back."""

    async def pause(self, reason: str) -> None:
        """Take no part and write nothing until `resume`; the applied state stays and can be read.

        Leadership goes to somebody else first, where there is one. Until `resume`, `submit`, `barrier` and `change`
        raise `Unreachable` SN-R024 with the reason. A log whose disk runs full pauses by itself.
        """
        ...

    async def resume(self) -> bool:
        """Take part again from what is stored, where paused; say whether it does. Raises as `start`."""
        ...
