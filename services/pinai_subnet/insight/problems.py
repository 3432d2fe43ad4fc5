"""Why a network is not ready, each reason with its code and what to do, and how bad that is. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from pinai_subnet.insight.clocks import ClockFinding
from pinai_subnet.insight.network_status import (
    CanaryView,
    Difference,
    Health,
    MemberView,
    Problem,
    QuorumView,
)

NO_LEADER = "SN-N420"
NO_SIGNATURES = "SN-N421"
NO_SPARE = "SN-N422"
NOT_READY = "SN-N423"
DIFFERENT = "SN-N424"
NO_CANARY = "SN-N425"
NO_MATCHER = "SN-N426"
UNREACHABLE = "SN-N401"
UNPAID = "SN-S075"

_STOPPING = frozenset({NO_LEADER, NO_SIGNATURES, NO_CANARY, NO_MATCHER})
"""What an intent that is sent now would not survive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What the reasons are found in."""

    members: tuple[MemberView, ...]
    leader: str | None
    raft: QuorumView
    signatures: QuorumView
    differences: tuple[Difference, ...]
    clocks: tuple[ClockFinding, ...]
    canary: CanaryView | None


def problems_of(look: Judged) -> tuple[Problem, ...]:
    """Return every reason, the worst first."""
    found = [
        *_quorums(look),
        *_canary(look),
        *_members(look),
        *_spares(look),
        *_settings(look),
    ]
    return tuple(sorted(found, key=lambda problem: problem.code not in _STOPPING))


def health_of(look: Judged, problems: tuple[Problem, ...]) -> Health:
    """Return what the network can do with these problems."""
    if any(problem.code in _STOPPING for problem in problems) or not look.members:
        return Health.DOWN
    return Health.DEGRADED if problems else Health.READY


def _quorums(look: Judged) -> Iterator[Problem]:
    if look.leader is None or look.raft.spare < 0:
        yield Problem(
            code=NO_LEADER,
            member="",
            text=f"no leader: {look.raft.have} validators are ready, {look.raft.need} needed",
            fix="bring validators back; `subnetctl recover` only where a majority is lost for good",
        )
    if look.signatures.spare < 0:
        yield Problem(
            code=NO_SIGNATURES,
            member="",
            text=f"nothing can be finalised: {look.signatures.have} validators are ready, "
            f"{look.signatures.need} signatures needed",
            fix="bring validators back, or remove lost ones with `subnetctl validator remove`",
        )


def _canary(look: Judged) -> Iterator[Problem]:
    if look.canary is not None and look.canary.enabled and not look.canary.ok:
        yield Problem(
            code=NO_CANARY,
            member="matcher",
            text=f"the canary does not come through: {look.canary.reason}",
            fix="the problems below usually say why; else read the matcher's log",
        )


def _members(look: Judged) -> Iterator[Problem]:
    for member in look.members:
        if member.ready:
            continue
        if member.role == "matcher":
            yield Problem(
                code=NO_MATCHER,
                member=member.id,
                text=f"the matcher gives no work to anybody: {member.reason}",
                fix="start it, or do what its reason says",
            )
        elif member.reachable:
            yield Problem(
                code=NOT_READY,
                member=member.id,
                text=f"{member.id} is not ready: {member.reason}",
                fix="`subnetctl explain` with the code in its reason says what to do",
            )
        else:
            yield _unreachable(member)


def _unreachable(member: MemberView) -> Problem:
    ago = "" if member.unreachable_seconds is None else f" {member.unreachable_seconds:.0f} s"
    told = [f"{name} ✓" for name in member.seen_by] + [f"{name} ✗" for name in member.not_seen_by]
    seen = f" ({', '.join(told)})" if told else ""
    fix = (
        f"start it again; if its host is lost: `subnetctl validator replace {member.id}`"
        if member.role == "validator"
        else "start it again"
    )
    return Problem(
        code=UNREACHABLE,
        member=member.id,
        text=f"{member.id} UNREACHABLE{ago}{seen}: {member.reason}",
        fix=fix,
    )


def _spares(look: Judged) -> Iterator[Problem]:
    """Where something is lost already, say what the next loss would stop."""
    voters = [m for m in look.members if m.role == "validator" and m.membership != "learner"]
    if look.raft.have >= len(voters):
        return
    stopped = [
        what
        for what, quorum in (("electing", look.raft), ("finalisation", look.signatures))
        if quorum.spare == 0
    ]
    if stopped:
        yield Problem(
            code=NO_SPARE,
            member="",
            text=f"0 spare: the next loss stops {' and '.join(stopped)}",
            fix="bring the missing validators back before anything else",
        )


def _settings(look: Judged) -> Iterator[Problem]:
    for difference in look.differences:
        values = "; ".join(
            f"{', '.join(held.validators)}: {held.value}" for held in difference.values
        )
        yield Problem(
            code=DIFFERENT,
            member="",
            text=f"configuration differs in {difference.field}: {values}",
            fix="give every validator the same network.yaml, policy_config.yaml and variables",
        )
    for clock in look.clocks:
        if clock.verdict == "fail":
            yield Problem(
                code=clock.code,
                member=clock.validator,
                text=f"{clock.validator}'s clock is {clock.offset_seconds:+.3f} s off",
                fix=clock.fix,
            )
    for member in look.members:
        if member.settlement_paused:
            yield Problem(
                code=UNPAID,
                member=member.id,
                text=f"settlement waits for funds: {member.settlement_paused}",
                fix="fund the settlement account; it goes on by itself",
            )
            return
