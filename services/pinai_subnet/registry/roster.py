"""Who is in the network and since when: registration, heartbeats, expiry, capabilities. Rules only, no I/O, no clock.

An entry's life is a function of its last sign of life: healthy, then stale, then evicted (no list shows it, a
heartbeat still revives it), then forgotten. An entry registered by a signed request is bound to that key: from then
on only that key may change it, also while it is evicted or unregistered and not yet forgotten.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum

from pinai_subnet.protocol.errors import Exhausted, Forbidden, NotFound, Unauthenticated
from pinai_subnet.protocol.ids import Address


class Kind(StrEnum):
    """What an entry is; ids of different kinds do not collide."""

    AGENT = "agent"
    VALIDATOR = "validator"


class Status(IntEnum):
    """State of an entry, numbered and named as `AgentStatus` on the wire."""

    UNKNOWN = 0
    ACTIVE = 1
    INACTIVE = 2
    UNHEALTHY = 3

    @property
    def wire_name(self) -> str:
        """The text that the HTTP API shows."""
        return f"AGENT_STATUS_{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One member. Times are unix seconds by the registry's clock."""

    kind: Kind
    id: str
    capabilities: tuple[str, ...] = ()
    endpoint: str = ""
    status: Status = Status.ACTIVE
    """What the member last said of itself; `Roster` lowers it to UNHEALTHY once the member is stale."""
    last_seen: int
    registered_at: int
    address: Address | None = None
    """The key the entry is bound to; None while it is open."""
    withdrawn: bool = False
    """Unregistered by its owner; kept only so that nobody else takes the id at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetimes:
    """How long silence is tolerated, in seconds, and how many entries of one kind are kept."""

    healthy_seconds: int = 300
    evicted_seconds: int = 600
    forgotten_seconds: int = 604_800
    max_entries: int = 10_000


class Roster:
    """All members of one network, in memory. Single-threaded; every method takes the time as an argument."""

    def __init__(
        self,
        *,
        lifetimes: Lifetimes,
        require_signed: bool = False,
        owners: dict[tuple[Kind, str], Address] | None = None,
        entries: Iterable[Entry] = (),
    ) -> None:
        """Start from stored `entries`; `owners` names the keys of ids that belong to someone from the start."""
        self._lifetimes = lifetimes
        self._require_signed = require_signed
        self._owners = dict(owners or {})
        self._entries: dict[Kind, dict[str, Entry]] = {kind: {} for kind in Kind}
        self._capable: dict[str, set[str]] = defaultdict(set)
        self._changes: dict[tuple[Kind, str], Entry | None] = {}
        for entry in entries:
            self._put(entry)
        self._changes.clear()

    def register(
        self,
        *,
        kind: Kind,
        member_id: str,
        capabilities: tuple[str, ...],
        endpoint: str,
        caller: Address | None,
        now: int,
    ) -> Entry:
        """Add or overwrite an entry and mark it active; a signed call binds it to the caller's key.

        Raises `Unauthenticated` SN-N210, `Forbidden` SN-N211 or, where the roster is full, `Exhausted` SN-N214.
        """
        known = self._entries[kind].get(member_id)
        if known is not None and self._forgotten(known, now):
            self._drop(known)
            known = None
        self._authorise(kind, member_id, known, caller)
        if known is None:
            self._make_room(kind, now)
        entry = Entry(
            kind=kind,
            id=member_id,
            capabilities=capabilities,
            endpoint=endpoint,
            last_seen=now,
            registered_at=now if known is None or known.withdrawn else known.registered_at,
            address=caller or self._owner(kind, member_id, known),
        )
        self._put(entry)
        return entry

    def heartbeat(
        self, *, kind: Kind, member_id: str, status: Status, caller: Address | None, now: int
    ) -> Entry:
        """Record a sign of life; revives a stale or evicted entry. UNKNOWN counts as ACTIVE.

        Raises `NotFound` SN-N212 for an id that never registered, was unregistered or is forgotten.
        """
        known = self._remembered(kind, member_id, now)
        self._authorise(kind, member_id, known, caller)
        entry = replace(known, last_seen=now, status=status or Status.ACTIVE)
        self._put(entry)
        return entry

    def unregister(self, *, kind: Kind, member_id: str, caller: Address | None, now: int) -> None:
        """Remove an entry; a bound id stays reserved for its key until it is forgotten.

        Raises `NotFound` SN-N212 for an id that is not registered.
        """
        known = self._remembered(kind, member_id, now)
        self._authorise(kind, member_id, known, caller)
        if known.address is None:
            self._drop(known)
        else:
            self._put(replace(known, withdrawn=True, last_seen=now, capabilities=(), endpoint=""))

    def get(self, *, kind: Kind, member_id: str, now: int) -> Entry:
        """Return a visible entry as it stands now; raise `NotFound` SN-N212 otherwise."""
        entry = self._entries[kind].get(member_id)
        if entry is None or not self._visible(entry, now):
            raise NotFound("SN-N212", f"no {kind} {member_id!r} is registered")
        return self._as_of(entry, now)

    def listing(
        self,
        *,
        kind: Kind,
        now: int,
        capabilities: Iterable[str] = (),
        status: Status = Status.UNKNOWN,
    ) -> list[Entry]:
        """Return the visible entries by id that have all `capabilities` and, unless UNKNOWN, that status."""
        wanted = set(capabilities)
        ids = (
            self._with_all(wanted) if wanted and kind is Kind.AGENT else self._entries[kind].keys()
        )
        found = (self._entries[kind][i] for i in sorted(ids))
        shown = (self._as_of(e, now) for e in found if self._visible(e, now))
        return [e for e in shown if status in (Status.UNKNOWN, e.status)]

    def discover(self, *, capabilities: Iterable[str], now: int) -> list[Entry]:
        """Return the agents that are active, healthy and have all `capabilities`, by id; none asked matches all."""
        return self.listing(
            kind=Kind.AGENT, now=now, capabilities=capabilities, status=Status.ACTIVE
        )

    def forget(self, now: int) -> list[Entry]:
        """Drop the entries whose memory has run out and return them."""
        gone = [e for kind in Kind for e in self._entries[kind].values() if self._forgotten(e, now)]
        for entry in gone:
            self._drop(entry)
        return gone

    def take_changes(self) -> dict[tuple[Kind, str], Entry | None]:
        """Return what changed since the last call, None meaning removed: what a store has to write."""
        changes, self._changes = self._changes, {}
        return changes

    def count(self, *, kind: Kind, now: int) -> int:
        """How many entries of a kind are visible."""
        return sum(self._visible(e, now) for e in self._entries[kind].values())

    def _owner(self, kind: Kind, member_id: str, known: Entry | None) -> Address | None:
        fixed = self._owners.get((kind, member_id))
        return fixed or (known.address if known else None)

    def _authorise(
        self, kind: Kind, member_id: str, known: Entry | None, caller: Address | None
    ) -> None:
        owner = self._owner(kind, member_id, known)
        if caller is None:
            if owner is not None:
                raise Unauthenticated(
                    "SN-N210",
                    f"{kind} {member_id!r} is bound to {owner}; sign the request with its key",
                )
            if self._require_signed:
                raise Unauthenticated("SN-N210", "this registry takes signed requests only")
        elif owner is not None and caller != owner:
            raise Forbidden(
                "SN-N211",
                f"{kind} {member_id!r} is bound to {owner}; the request is signed by {caller}",
            )

    def _remembered(self, kind: Kind, member_id: str, now: int) -> Entry:
        entry = self._entries[kind].get(member_id)
        if entry is None or entry.withdrawn or self._forgotten(entry, now):
            raise NotFound("SN-N212", f"no {kind} {member_id!r} is registered; register it first")
        return entry

    def _visible(self, entry: Entry, now: int) -> bool:
        return not entry.withdrawn and now - entry.last_seen < self._lifetimes.evicted_seconds

    def _forgotten(self, entry: Entry, now: int) -> bool:
        return now - entry.last_seen >= self._lifetimes.forgotten_seconds

    def _as_of(self, entry: Entry, now: int) -> Entry:
        stale = now - entry.last_seen >= self._lifetimes.healthy_seconds
        return replace(entry, status=Status.UNHEALTHY) if stale else entry

    def _with_all(self, capabilities: set[str]) -> set[str]:
        return set.intersection(*(self._capable.get(c, set()) for c in capabilities))

    def _make_room(self, kind: Kind, now: int) -> None:
        entries = self._entries[kind]
        if len(entries) < self._lifetimes.max_entries:
            return
        idle = [e for e in entries.values() if e.address is None and not self._visible(e, now)]
        if not idle:
            raise Exhausted(
                "SN-N214", f"the registry already holds {len(entries)} {kind}s, its limit"
            )
        self._drop(min(idle, key=lambda e: (e.last_seen, e.id)))

    def _put(self, entry: Entry) -> None:
        self._drop(entry)
        self._entries[entry.kind][entry.id] = entry
        self._changes[entry.kind, entry.id] = entry
        if entry.kind is Kind.AGENT:
            for capability in entry.capabilities:
                self._capable[capability].add(entry.id)

    def _drop(self, entry: Entry) -> None:
        known = self._entries[entry.kind].pop(entry.id, None)
        if known is None:
            return
        self._changes[entry.kind, entry.id] = None
        for capability in known.capabilities if known.kind is Kind.AGENT else ():
            self._capable[capability].discard(known.id)
            if not self._capable[capability]:
                del self._capable[capability]
