"""One identity, one process: whether a proven peer may be the member it proves to be, now. Knows no socket.

A key and a data directory can be copied, so proving the key does not prove that there is one process with it. Each
process therefore names its own life in the handshake, and every member lets only one life of an identity in at a
time. A life that takes an identity over carries a claim; members remember the highest one, and lives with a lower
claim are refused from then on. Members also remember whom they have met, so that one which comes back without its
data is not taken for a new one. What is remembered belongs to a key, not to an id: a member that was removed and
comes back under its id, or rotated its key, has a new one and begins anew.
"""

import json
import secrets
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec

from pinai_subnet.consensus.durable import replace_file
from pinai_subnet.consensus.messages import Refusal
from pinai_subnet.ports.errors import Damaged, Refused
from pinai_subnet.ports.replication import Peer

FILE_NAME = "fence"
_REMEMBERED = 256
"""Keys of which something is remembered; the oldest give way."""


T = TypeVar("T")
Moment = Annotated[int, msgspec.Meta(ge=0, le=253_402_300_799_000)]
"""Unix milliseconds before the year 10000."""


class Life(msgspec.Struct, frozen=True, array_like=True):
    """One process of a member, as it names itself in the handshake."""

    instance: bytes = msgspec.field(default_factory=lambda: secrets.token_bytes(16))
    """Random for every start."""
    since_ms: Moment = 0
    """When it started, by its own clock; unix milliseconds."""
    claim_ms: Moment = 0
    """When its data directory took the identity over; 0 if never."""
    empty: bool = False
    """Its log holds nothing at all."""
    rejoins: bool = False
    """Its operator said that it lost its data."""

    def later_than(self, other: "Life") -> bool:
        """Whether this is the second of two lives; the same answer on every member."""
        mine = (self.claim_ms, -self.since_ms, self.instance)
        return mine < (other.claim_ms, -other.since_ms, other.instance)


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """How a member is protected against a second process of its identity and against its own amnesia."""

    takeover: bool = False
    """Take the identity from whichever process has it."""
    rejoin_empty: bool = False
    """The member's data is lost: come back without a vote and fetch everything."""


class _Memory(msgspec.Struct, forbid_unknown_fields=True):
    """What a member remembers across restarts, by the peers' addresses."""

    format: int = 1
    own_claim_ms: int = 0
    claims: dict[str, int] = {}
    met: dict[str, str] = {}
    """Peers that had entries of the log, with their last life's instance as hex."""


class Fence:
    """What one member remembers about the lives of the others. Owned by the engine's thread once it runs."""

    def __init__(self, path: Path | None = None, *, fsync: bool = True) -> None:
        """Read the memory; without a path nothing outlives the process. Raises `Damaged` SN-R090 for other bytes."""
        self._path = path
        self._fsync = fsync
        self._memory = _Memory()
        if path is not None and path.exists():
            check, _, body = path.read_bytes().partition(b"\n")
            try:
                if check != _checksum(body):
                    raise Damaged("SN-R090", f"{path} fails its check")
                self._memory = msgspec.json.decode(body, type=_Memory)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                raise Damaged("SN-R090", f"{path}: {error}") from error
            if self._memory.format != 1:
                raise Refused(
                    "SN-R016", f"{path} has format {self._memory.format}; this build reads 1"
                )

    @property
    def own_claim_ms(self) -> int:
        """Return when this directory took its identity over; 0 if it never did."""
        return self._memory.own_claim_ms

    def take_over(self, now_ms: int) -> None:
        """Claim this identity from now on, durably."""
        self._memory.own_claim_ms = max(now_ms, self._memory.own_claim_ms + 1)
        self._store()

    def admit(self, peer: Peer, life: Life, *, current: tuple[Life, str] | None) -> None:
        """Let a proven peer in, or say why not; `current` is the life that is connected now, and from where.

        Raises `Refused`: SN-K011 for a life that was taken over, SN-K010 while another one is active, SN-R019 for a
        known member that comes back without its data and does not say so.
        """
        peer_id = peer.id
        claimed = self._memory.claims.get(peer.address, 0)
        if life.claim_ms < claimed:
            raise Refused(
                "SN-K011", f"identity {peer_id} was taken over by another process; this one is out"
            )
        if current is not None and current[0].instance != life.instance:
            holder, where = current
            if life.claim_ms <= holder.claim_ms:
                raise Refused(
                    "SN-K010",
                    f"identity {peer_id} is active at {where} since {_text(holder.since_ms)}; refusing",
                )
        known = self._memory.met.get(peer.address)
        if life.empty and known not in {None, life.instance.hex()} and not life.rejoins:
            raise Refused(
                "SN-R019",
                f"{peer_id} is a member of this network and its directory is empty: it has forgotten what it "
                "acknowledged; start it once with --rejoin-empty",
            )
        if life.claim_ms > claimed:
            _remember(self._memory.claims, peer.address, life.claim_ms)
            self._store()

    def meet(self, peer: Peer, life: Life) -> None:
        """Remember that this peer takes part in the log; cheap when it is known."""
        if self._memory.met.get(peer.address) != life.instance.hex():
            _remember(self._memory.met, peer.address, life.instance.hex())
            self._store()

    def _store(self) -> None:
        if self._path is not None:
            body = json.dumps(msgspec.to_builtins(self._memory)).encode()
            replace_file(self._path, [_checksum(body), b"\n", body], fsync=self._fsync)


def _checksum(body: bytes) -> bytes:
    return f"{zlib.crc32(body):08x}".encode()


def _text(moment_ms: int) -> str:
    return datetime.fromtimestamp(moment_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _remember(table: dict[str, T], key: str, value: T) -> None:
    table.pop(key, None)
    table[key] = value
    while len(table) > _REMEMBERED:
        del table[next(iter(table))]


class Gate:
    """A connection's question to the fence, and this process's answer to the fences of others."""

    def __init__(self, fence: Fence, *, lease_seconds: float) -> None:
        """A peer may hold on to a dead process's connection for less than `lease_seconds`."""
        self._fence = fence
        self._lease_seconds = lease_seconds
        self._refused_since: dict[str, float] = {}

    def refusal(self, peer: Peer, life: Life, current: tuple[Life, str] | None) -> Refusal | None:
        """Return what to tell a process that may not take part; None for one that may."""
        try:
            self._fence.admit(peer, life, current=current)
        except Refused as error:
            later = current is None or life.later_than(current[0])
            return Refusal(error.code, error.message[:512], later)
        return None

    def ousted(self, peer_id: str, former: Life, newer: Life) -> Refusal | None:
        """Return what to tell the process whose place another one took over; None where it is the same one."""
        if former.claim_ms >= newer.claim_ms:
            return None
        text = f"identity {peer_id} was taken over by another process; this one is out"
        return Refusal("SN-K011", text, later=True)

    def heed(self, peer_id: str, refusal: Refusal, now: float) -> None:
        """Raise `Refused` when the network says for good that this process must not run.

        As the second process of an identity it waits first: the peer may only not know yet that the other one ended.
        """
        if refusal.code == "SN-K010":
            since = self._refused_since.setdefault(peer_id, now)
            if not refusal.later or now - since < self._lease_seconds:
                return
        raise Refused(refusal.code, f"{peer_id} says: {refusal.reason}")

    def met(self, peer: Peer, life: Life | None) -> None:
        """Take note that a connected peer holds a part of the log."""
        if life is not None:
            self._fence.meet(peer, life)
