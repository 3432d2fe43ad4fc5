"""What the one screen shows: every member, both quorums, who sees whom, and what that adds up to. Values only.

The JSON form (`NetworkStatus.document`) is stable: keys are only ever added. Times are unix milliseconds or seconds as
their names say; None means that nobody could tell.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from pinai_subnet.insight.clocks import ClockFinding


class Health(StrEnum):
    """What the network can do now."""

    READY = "ready"
    """Everything answers and nothing is wrong."""
    DEGRADED = "degraded"
    """Intents are finalised, but something is lost or wrong that an operator should see to."""
    DOWN = "down"
    """An intent that is sent now would not be finalised."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that keeps the network from being ready, with what to do about it."""

    code: str
    member: str
    """Who it is about; empty where it is about the network."""
    text: str
    fix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QuorumView:
    """How many are there, how many it takes, how many may still be lost; negative means that some are missing."""

    have: int
    need: int
    spare: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskView:
    """The file system of a validator's data."""

    free_bytes: int
    free_ratio: float
    full_in_seconds: float | None
    """At the rate of the last day; None while it does not fill."""
    warning: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberView:
    """One process. What only validators tell is None for the others and for those that do not answer."""

    id: str
    role: str
    pid: int | None = None
    ready: bool
    reachable: bool
    reason: str = ""
    """Why it is not ready; empty when it is."""
    unreachable_seconds: float | None = None
    """For how long nobody has heard of it, as far as anybody knows."""
    version: str | None = None
    uptime_seconds: float | None = None
    raft: str | None = None
    """`leader`, `follower` or `candidate`."""
    membership: str | None = None
    """`voter`, `learner` or `outsider`."""
    term: int | None = None
    index: int | None = None
    lag: int | None = None
    """Entries behind the leader; 0 for the leader itself."""
    epoch: int | None = None
    digest: str | None = None
    signed: int | None = None
    expected: int | None = None
    """Of the last 100 final epochs of this member's time in the set."""
    clock_offset_seconds: float | None = None
    config_digest: str | None = None
    disk: DiskView | None = None
    sees: tuple[str, ...] = ()
    does_not_see: tuple[str, ...] = ()
    seen_by: tuple[str, ...] = ()
    not_seen_by: tuple[str, ...] = ()
    settlement_paused: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldValue:
    """One value of a field that all validators must share, and who has it."""

    value: str
    validators: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A field of the shared configuration that is not the same everywhere; the most common value first."""

    field: str
    values: tuple[HeldValue, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentsView:
    """What became of intents in the last while, as the matcher's journal has it."""

    window_seconds: int
    open: int
    finalised: int
    failed: int
    p50_seconds: float | None
    p99_seconds: float | None
    """From seeing an intent to its settlement, of the finalised ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlementView:
    """What RootLayer has still to take."""

    backlog_epochs: int
    paused: str | None
    """Why settlement waits for funds; None while it does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupView:
    """The newest backup that was checked against this network from here."""

    file: str
    index: int
    verified_at_ms: int
    how: str
    """`save`, `verify` or `drill`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryView:
    """The matcher's proof that the whole path works: an intent without cost that was finalised lately."""

    enabled: bool
    ok: bool
    reason: str
    last_ok_at_ms: int | None
    last_seconds: float | None
    every_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkStatus:
    """One look at the whole network."""

    at_ms: int
    subnet_id: str
    health: Health
    leader: str | None
    raft_quorum: QuorumView
    signature_quorum: QuorumView
    members: tuple[MemberView, ...]
    problems: tuple[Problem, ...]
    differences: tuple[Difference, ...]
    clocks: tuple[ClockFinding, ...]
    intents: IntentsView | None
    settlement: SettlementView | None
    backup: BackupView | None
    canary: CanaryView | None

    @property
    def healthy(self) -> bool:
        """Whether there is nothing for an operator to do."""
        return self.health is Health.READY

    @property
    def validators(self) -> tuple[MemberView, ...]:
        """The validators among the members, in the order of the set."""
        return tuple(member for member in self.members if member.role == "validator")

    def member(self, name: str) -> MemberView | None:
        """Return one member by its id."""
        return next((member for member in self.members if member.id == name), None)

    def peer_matrix(self) -> dict[str, dict[str, bool | None]]:
        """Return who sees whom: viewer -> other -> whether it is connected; None where the viewer does not answer."""
        names = [member.id for member in self.validators]
        return {
            viewer.id: {
                other: (other in viewer.sees if viewer.reachable else None)
                for other in names
                if other != viewer.id
            }
            for viewer in self.validators
        }

    def document(self) -> dict[str, Any]:
        """Return the JSON form."""
        plain = {name: _plain(value) for name, value in asdict(self).items()}
        return {"healthy": self.healthy, **plain, "peer_matrix": self.peer_matrix()}


def differences(shared: Mapping[str, Mapping[str, str]]) -> tuple[Difference, ...]:
    """Say which configuration that all validators must share differs, and who has what; the most common value first."""
    found = []
    for name in dict.fromkeys(name for values in shared.values() for name in values):
        holders: dict[str, list[str]] = {}
        for validator, values in shared.items():
            holders.setdefault(values.get(name, "unknown"), []).append(validator)
        if len(holders) > 1:
            ranked = sorted(holders.items(), key=lambda item: -len(item[1]))
            held = tuple(HeldValue(value=v, validators=tuple(ids)) for v, ids in ranked)
            found.append(Difference(field=name, values=held))
    return tuple(found)


def _plain(value: Any) -> Any:
    """Return a value as JSON would give it back: lists for tuples, texts for enumerations."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, tuple):
        return [_plain(inner) for inner in value]
    return str(value) if isinstance(value, StrEnum) else value
