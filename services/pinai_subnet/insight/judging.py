"""What the members' answers add up to: who sees whom, both quorums, and every reason why the network is not ready.

Pure: answers in, one `NetworkStatus` out. Whatever a member left out or told in another form counts as not told.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pinai_subnet.insight.answers import Answer, Expected
from pinai_subnet.insight.clocks import clock_findings
from pinai_subnet.insight.network_status import (
    CanaryView,
    DiskView,
    IntentsView,
    MemberView,
    NetworkStatus,
    QuorumView,
    SettlementView,
    differences,
)
from pinai_subnet.insight.problems import Judged, health_of, problems_of

Document = Mapping[str, Any]


def judged(answers: Sequence[Answer], expected: Expected, *, at: float) -> NetworkStatus:
    """Return the look at the network that these answers give."""
    validators = [answer for answer in answers if answer.target.role == "validator"]
    members = tuple(_member(answer, validators) for answer in answers)
    views = [member for member in members if member.role == "validator"]
    voters = [member for member in views if member.membership not in ("learner", "outsider")]
    ready = sum(member.ready for member in voters)
    majority = len(voters) // 2 + 1
    leaders = {member.id for member in views if member.raft == "leader"}
    summary = next((a.summary for a in answers if a.summary), {})
    look = Judged(
        members=members,
        leader=next(iter(leaders)) if len(leaders) == 1 else None,
        raft=QuorumView(have=ready, need=majority, spare=ready - majority),
        signatures=QuorumView(
            have=ready,
            need=expected.required_signatures,
            spare=ready - expected.required_signatures,
        ),
        differences=differences(
            {a.target.name: part(a.status, "config") for a in validators if a.status}
        ),
        clocks=clock_findings({a.target.name: a.clock for a in validators if a.clock is not None}),
        canary=_canary(part(summary, "canary")),
    )
    problems = problems_of(look)
    return NetworkStatus(
        at_ms=int(at * 1000),
        subnet_id=expected.subnet_id,
        health=health_of(look, problems),
        leader=look.leader,
        raft_quorum=look.raft,
        signature_quorum=look.signatures,
        members=members,
        problems=problems,
        differences=look.differences,
        clocks=look.clocks,
        intents=_intents(part(summary, "intents")),
        settlement=_settlement(validators),
        backup=expected.backup,
        canary=look.canary,
    )


def part(document: Document, name: str) -> Document:
    """Return an object inside a document; an empty one where there is none."""
    found = document.get(name)
    return found if isinstance(found, dict) else {}


def _member(answer: Answer, validators: Sequence[Answer]) -> MemberView:
    target = answer.target
    if target.role != "validator":
        return MemberView(
            id=target.name,
            role=target.role,
            pid=target.pid,
            ready=answer.ready,
            reachable=answer.reachable,
            reason=answer.reason,
            version=_text(answer.summary, "version"),
        )
    status, raft = answer.status, part(answer.status, "replication")
    others = [other for other in validators if other is not answer]
    sees, blind = _split(answer, others)
    seen_by = [o.target.name for o in others if target.name in _split(o, validators)[0]]
    not_seen_by = [o.target.name for o in others if target.name in _split(o, validators)[1]]
    clock = answer.clock
    return MemberView(
        id=target.name,
        role=target.role,
        pid=target.pid,
        ready=answer.ready,
        reachable=answer.reachable,
        reason=answer.reason,
        unreachable_seconds=None if answer.reachable else _silent_for(target.name, others),
        version=_text(status, "version"),
        uptime_seconds=_number(status, "uptime_seconds"),
        raft=_text(raft, "role"),
        membership=_text(raft, "membership"),
        term=_whole(raft, "term"),
        index=_whole(raft, "applied_index"),
        lag=_lag(answer, validators),
        epoch=_whole(part(status, "epochs"), "sealed"),
        digest=(_text(part(status, "state"), "digest") or "")[:12] or None,
        signed=_signed(target.name, validators, "signed"),
        expected=_signed(target.name, validators, "expected"),
        clock_offset_seconds=None if clock is None else round(clock[0] - clock[1], 3),
        config_digest=_text(status, "config_digest"),
        disk=_disk(part(status, "disk")),
        sees=tuple(sees),
        does_not_see=tuple(blind),
        seen_by=tuple(seen_by),
        not_seen_by=tuple(not_seen_by),
        settlement_paused=_text(status, "settlement_paused"),
    )


def _peers(answer: Answer) -> list[Document]:
    found = part(answer.status, "replication").get("peers")
    return [peer for peer in found if isinstance(peer, dict)] if isinstance(found, list) else []


def _split(answer: Answer, others: Sequence[Answer]) -> tuple[list[str], list[str]]:
    """Return which of the others a validator is connected to, and which not; neither where it told nothing."""
    if not answer.status:
        return [], []
    connected = {peer.get("id") for peer in _peers(answer) if peer.get("connected")}
    names = [other.target.name for other in others if other is not answer]
    return [n for n in names if n in connected], [n for n in names if n not in connected]


def _silent_for(name: str, others: Sequence[Answer]) -> float | None:
    """Return how long ago the last of the others heard of a member."""
    heard = [
        seconds
        for other in others
        for peer in _peers(other)
        if peer.get("id") == name and (seconds := _number(peer, "last_heard_seconds")) is not None
    ]
    return round(min(heard), 1) if heard else None


def _lag(answer: Answer, validators: Sequence[Answer]) -> int | None:
    """Return how many entries a member is behind: the leader's word, else what the indexes say."""
    name = answer.target.name
    for other in validators:
        if part(other.status, "replication").get("role") != "leader":
            continue
        if other is answer:
            return 0
        for peer in _peers(other):
            if peer.get("id") == name and (lag := _whole(peer, "lag")) is not None:
                return lag
    mine = _whole(part(answer.status, "replication"), "applied_index")
    newest = max(
        (_whole(part(v.status, "replication"), "commit_index") or 0 for v in validators), default=0
    )
    return None if mine is None else max(0, newest - mine)


def _signed(name: str, validators: Sequence[Answer], key: str) -> int | None:
    """Return a count of a member's signatures, from whoever knows the most epochs."""
    newest = max(validators, key=lambda v: _whole(part(v.status, "state"), "index") or 0)
    rows = newest.status.get("validators")
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, dict) and row.get("id") == name:
            return _whole(part(row, "recent"), key)
    return None


def _disk(document: Document) -> DiskView | None:
    free, ratio = _whole(document, "free_bytes"), _number(document, "free_ratio")
    if free is None or ratio is None:
        return None
    return DiskView(
        free_bytes=free,
        free_ratio=ratio,
        full_in_seconds=_number(document, "full_in_seconds"),
        warning=_text(document, "warning") or "",
    )


def _settlement(validators: Sequence[Answer]) -> SettlementView | None:
    told = [v.status for v in validators if v.status]
    if not told:
        return None
    backlogs = [_whole(part(status, "epochs"), "settlement_backlog") or 0 for status in told]
    paused = next((text for s in told if (text := _text(s, "settlement_paused"))), None)
    return SettlementView(backlog_epochs=max(backlogs), paused=paused)


def _intents(document: Document) -> IntentsView | None:
    open_, finalised, failed = (_whole(document, key) for key in ("open", "finalised", "failed"))
    if open_ is None or finalised is None or failed is None:
        return None
    return IntentsView(
        window_seconds=_whole(document, "window_seconds") or 0,
        open=open_,
        finalised=finalised,
        failed=failed,
        p50_seconds=_number(document, "p50_seconds"),
        p99_seconds=_number(document, "p99_seconds"),
    )


def _canary(document: Document) -> CanaryView | None:
    if not document:
        return None
    return CanaryView(
        enabled=document.get("enabled") is True,
        ok=document.get("ok") is True,
        reason=_text(document, "reason") or "",
        last_ok_at_ms=_whole(document, "last_ok_at_ms"),
        last_seconds=_number(document, "last_seconds"),
        every_seconds=_number(document, "every_seconds") or 0.0,
    )


def _text(document: Document, name: str) -> str | None:
    found = document.get(name)
    return found[:300] if isinstance(found, str) else None


def _whole(document: Document, name: str) -> int | None:
    found = document.get(name)
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def _number(document: Document, name: str) -> float | None:
    found = document.get(name)
    return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None
