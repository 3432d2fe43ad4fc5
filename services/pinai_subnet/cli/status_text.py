"""One look at the network as an operator reads it on a terminal. Text only; nothing is asked or judged here."""

from collections.abc import Sequence

from pinai_subnet.insight.clocks import clock_lines
from pinai_subnet.insight.network_status import (
    Health,
    IntentsView,
    MemberView,
    NetworkStatus,
    Problem,
    QuorumView,
)

_HEAD = ("ID", "STATE", "RAFT", "TERM", "LAG", "SIGNED", "CLOCK", "VERSION", "DISK", "SEES", "PID")
_TITLE = {
    Health.READY: "NETWORK READY",
    Health.DEGRADED: "NETWORK DEGRADED",
    Health.DOWN: "NETWORK NOT READY",
}
_DAY_SECONDS = 86_400


def status_text(seen: NetworkStatus) -> str:
    """Return the whole screen."""
    short = f"{seen.subnet_id[:4]}…{seen.subnet_id[-4:]}"
    lines = [f"{_TITLE[seen.health]}  subnet {short}  leader {seen.leader or 'none'}"]
    if seen.intents is not None:
        lines.append(_intents(seen.intents))
    lines += _table([_HEAD, *(_row(member) for member in seen.members)])
    lines += [
        _quorum("can elect a leader", seen.raft_quorum),
        _quorum("can finalise", seen.signature_quorum),
        _facts(seen),
    ]
    lines += clock_lines(seen.clocks)
    for difference in seen.differences:
        values = "; ".join(f"{', '.join(h.validators)}: {h.value}" for h in difference.values)
        lines.append(f"  CONFIGURATION DIFFERS in {difference.field}: {values}")
    told = {"SN-N424", *(clock.code for clock in seen.clocks)}
    lines += [_problem(problem) for problem in seen.problems if problem.code not in told]
    return "\n".join(lines)


def _problem(problem: Problem) -> str:
    return f"  {problem.code} {problem.text}\n      fix: {problem.fix}"


def _intents(intents: IntentsView) -> str:
    ended = intents.finalised + intents.failed
    part = f" ({intents.failed / ended:.1%})" if intents.failed else ""
    times = ""
    if intents.p50_seconds is not None and intents.p99_seconds is not None:
        times = f"  p50 {intents.p50_seconds:.2f} s  p99 {intents.p99_seconds:.2f} s"
    return (
        f"intents: {intents.open} open, {intents.finalised} finalised, {intents.failed} failed{part}"
        f" in {intents.window_seconds // 3600} h{times}"
    )


def _row(member: MemberView) -> tuple[str, ...]:
    state = "ready" if member.ready else "NOT READY" if member.reachable else "UNREACHABLE"
    raft = member.raft if member.membership in (None, "voter") else member.membership
    return (
        member.id,
        state,
        (raft or "").replace("leader", "LEADER"),
        "" if member.term is None else str(member.term),
        "" if member.lag is None else str(member.lag),
        "" if member.signed is None else f"{member.signed}/{member.expected}",
        ""
        if member.clock_offset_seconds is None
        else f"{member.clock_offset_seconds * 1000:+.0f} ms",
        member.version or "",
        _disk(member),
        _sees(member),
        "" if member.pid is None else str(member.pid),
    )


def _disk(member: MemberView) -> str:
    disk = member.disk
    if disk is None:
        return ""
    sign = " ⚠" if disk.warning else ""
    if disk.full_in_seconds is not None and disk.full_in_seconds < 999 * _DAY_SECONDS:
        return f"{disk.full_in_seconds / _DAY_SECONDS:.0f} d{sign}"
    return f"{disk.free_ratio:.0%} free{sign}"


def _sees(member: MemberView) -> str:
    if member.role != "validator" or not member.reachable:
        return ""
    seen = [_short(name) for name in member.sees]
    return " ".join([*seen, *(f"{_short(name)}✗" for name in member.does_not_see)])


def _short(name: str) -> str:
    return name.replace("validator-", "v")


def _quorum(what: str, quorum: QuorumView) -> str:
    verdict = "yes" if quorum.spare >= 0 else "NO"
    return f"{what}: {verdict} ({quorum.have} of {quorum.need} needed, {quorum.spare} spare)"


def _facts(seen: NetworkStatus) -> str:
    parts = []
    if seen.settlement is not None:
        paused = "  WAITS FOR FUNDS ⚠" if seen.settlement.paused else ""
        parts.append(f"settlement: {seen.settlement.backlog_epochs} epochs pending{paused}")
    if seen.canary is not None and seen.canary.enabled:
        canary = seen.canary
        ago = "" if canary.last_ok_at_ms is None else f" {_ago(seen.at_ms - canary.last_ok_at_ms)}"
        took = "" if canary.last_seconds is None else f" in {canary.last_seconds:.2f} s"
        parts.append(f"canary: {'finalised' + ago + took if canary.ok else 'NO'}")
    if seen.backup is None:
        parts.append("backup: none verified from here ⚠")
    else:
        parts.append(f"backup: verified {_ago(seen.at_ms - seen.backup.verified_at_ms)}")
    return "   ".join(parts)


def _ago(milliseconds: int) -> str:
    seconds = max(0, milliseconds) / 1000
    for limit, unit, size in ((120, "s", 1), (7200, "min", 60), (172_800, "h", 3600)):
        if seconds < limit:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{seconds / _DAY_SECONDS:.0f} d ago"


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    used = [place for place in range(len(rows[0])) if any(row[place] for row in rows[1:])]
    widths = {place: max(len(row[place]) for row in rows) for place in used}
    return [
        "  " + "  ".join(row[place].ljust(widths[place]) for place in used).rstrip() for row in rows
    ]
