"""The knobs of the replicated log with defaults that suit a two-core machine. Not settings: nothing is read here."""

from dataclasses import dataclass

from pinai_subnet.protocol.errors import InvalidInput

MEBIBYTE = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicationOptions:
    """Timing, limits and thresholds of one node; all nodes of a group should use the same."""

    election_min_seconds: float = 0.3
    """A follower that heard nothing for a random time between min and max asks for an election."""
    election_max_seconds: float = 0.6
    heartbeat_seconds: float = 0.05
    """How often an idle leader speaks; new commands leave at once."""
    leader_lease_seconds: float = 1.0
    """A leader that heard no majority for this long steps down."""
    connection_timeout_seconds: float = 4.0
    """A connection without one byte for this long is closed; idle ones are pinged."""
    handshake_timeout_seconds: float = 5.0
    reconnect_max_seconds: float = 1.0
    """Upper bound of the back-off between two attempts to reach a peer."""
    compact_after_entries: int = 20_000
    """Entries applied since the last snapshot that trigger the next one."""
    compact_after_bytes: int = 16 * MEBIBYTE
    """The same for bytes; the log of this much stays in memory."""
    keep_entries: int = 2_000
    """Entries kept behind a snapshot, so that a slow follower needs no snapshot."""
    keep_bytes: int = 4 * MEBIBYTE
    """Bytes of such entries at most."""
    segment_bytes: int = 4 * MEBIBYTE
    """A journal segment is closed at this size or number of entries; compaction removes whole segments."""
    segment_entries: int = 2_000
    batch_bytes: int = MEBIBYTE
    """Entry bytes in one append message; a larger single command travels alone."""
    max_command_bytes: int = 8 * MEBIBYTE
    max_snapshot_bytes: int = 1024 * MEBIBYTE
    snapshot_chunk_bytes: int = 256 * 1024
    rejoin_wait_seconds: float = 5.0
    """How long a member that lost term and vote stays without a vote at least; several election timeouts."""
    promote_lag_entries: int = 64
    """How many entries a learner may be behind when it becomes a voter."""
    leave_grace_seconds: float = 2.0
    """How long a removed member stays connected, so that it learns of its removal."""
    max_pending_requests: int = 20_000
    """Requests waiting on this node (for a leader, for commit or for apply) before new ones are refused."""
    max_pending_bytes: int = 128 * MEBIBYTE
    send_buffer_bytes: int = 16 * MEBIBYTE
    """Unsent bytes to one peer above which nothing more is queued for it."""
    fsync: bool = True
    """False only in tests: acknowledged work then survives a killed process, but not a power loss."""

    def __post_init__(self) -> None:
        """Refuse values that cannot work together (SN-R001)."""
        self._require(
            self.election_min_seconds > 3 * self.heartbeat_seconds > 0,
            "election_min_seconds must be more than three heartbeats",
        )
        self._require(
            self.election_max_seconds > self.election_min_seconds,
            "election_max_seconds must be more than election_min_seconds",
        )
        self._require(
            self.heartbeat_seconds * 3 < self.leader_lease_seconds <= 1.0,
            "leader_lease_seconds must be more than three heartbeats and at most 1",
        )
        self._require(
            self.connection_timeout_seconds > self.election_max_seconds,
            "connection_timeout_seconds must be more than election_max_seconds",
        )
        self._require(self.compact_after_entries >= 1, "compact_after_entries must be at least 1")
        self._require(self.keep_entries >= 0, "keep_entries must not be negative")
        self._require(
            0 < self.max_command_bytes <= 64 * MEBIBYTE,
            "max_command_bytes must be between 1 and 64 MiB",
        )

    @staticmethod
    def _require(holds: bool, text: str) -> None:
        if not holds:
            raise InvalidInput("SN-R001", f"replication options: {text}")

    @property
    def max_frame_bytes(self) -> int:
        """The largest payload of one frame: one command of full size, or one batch, plus its envelope."""
        return max(self.max_command_bytes, self.batch_bytes, self.snapshot_chunk_bytes) + 64 * 1024
