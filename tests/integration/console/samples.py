"""What a busy, a degraded and an empty network tell, for the console's tests. Not a test."""

from typing import Any

from pinai_subnet.insight.clocks import ClockFinding
from pinai_subnet.insight.intent_story import (
    AttemptTold,
    BatchTold,
    BiddingWindow,
    Ending,
    IntentStory,
    Missing,
    Needed,
    NoBid,
    Offer,
    ReportTold,
    ScorePart,
    SettlementTold,
    Shut,
    SignatureTold,
    Stage,
    Submission,
    VerdictTold,
    Why,
)
from pinai_subnet.insight.network_status import (
    CanaryView,
    Difference,
    DiskView,
    Health,
    HeldValue,
    IntentsView,
    MemberView,
    NetworkStatus,
    Problem,
    QuorumView,
    SettlementView,
)

AT_MS = 1_795_296_000_000
SUBNET = "0x" + "00" * 31 + "07"
VALIDATORS = ("validator-1", "validator-2", "validator-3")
HOSTILE = "\"><script>alert(1)</script><img src=x onerror=alert(2)>'{{7*7777}}"
FAR = "0x" + "ab" * 32


def intent_id(number: int) -> str:
    """The id of a sample intent."""
    return f"0x{number * 2654435761 % 2**64:016x}{number:048x}"


def validator(name: str, **changes: Any) -> MemberView:
    """One healthy validator."""
    others = tuple(v for v in VALIDATORS if v != name)
    values: dict[str, Any] = {
        "id": name,
        "role": "validator",
        "ready": True,
        "reachable": True,
        "version": "0.1.0",
        "uptime_seconds": 93_211.0,
        "raft": "leader" if name == "validator-2" else "follower",
        "membership": "voter",
        "term": 7,
        "index": 38_212,
        "lag": 0,
        "epoch": 912,
        "digest": "0x9f2c01aa77",
        "signed": 100,
        "expected": 100,
        "clock_offset_seconds": 0.002,
        "config_digest": "0x1f00aa22bb33cc44",
        "disk": DiskView(
            free_bytes=61_000_000_000, free_ratio=0.61, full_in_seconds=4_060_800.0, warning=""
        ),
        "sees": others,
        "seen_by": others,
    }
    return MemberView(**values | changes)


def others(**changes: Any) -> tuple[MemberView, ...]:
    """RootLayer, registry and matcher."""
    return tuple(
        MemberView(id=name, role=name, ready=True, reachable=True, **changes)
        for name in ("rootlayer", "registry", "matcher")
    )


def network(**changes: Any) -> NetworkStatus:
    """A network in good health, or what the changes make of it."""
    rootlayer, registry, matcher = others()
    values: dict[str, Any] = {
        "at_ms": AT_MS,
        "subnet_id": SUBNET,
        "health": Health.READY,
        "leader": "validator-2",
        "raft_quorum": QuorumView(have=3, need=2, spare=1),
        "signature_quorum": QuorumView(have=3, need=2, spare=1),
        "members": (rootlayer, registry, *map(validator, VALIDATORS), matcher),
        "problems": (),
        "differences": (),
        "clocks": (),
        "intents": IntentsView(
            window_seconds=86_400,
            open=12,
            finalised=3481,
            failed=4,
            p50_seconds=0.61,
            p99_seconds=1.9,
        ),
        "settlement": SettlementView(backlog_epochs=0, paused=None),
        "backup": None,
        "canary": CanaryView(
            enabled=True,
            ok=True,
            reason="",
            last_ok_at_ms=AT_MS - 21_000,
            last_seconds=0.74,
            every_seconds=60.0,
        ),
    }
    return NetworkStatus(**values | changes)


def busy() -> NetworkStatus:
    """Everything works and there is much to do."""
    return network()


def degraded() -> NetworkStatus:
    """One validator is gone, a clock is off, a configuration differs, and settlement waits for money."""
    rootlayer, registry, matcher = others()
    gone = validator(
        "validator-3",
        ready=False,
        reachable=False,
        reason="ConnectError",
        unreachable_seconds=42.0,
        raft=None,
        membership=None,
        term=None,
        index=None,
        lag=None,
        epoch=None,
        digest=None,
        signed=71,
        version=None,
        uptime_seconds=None,
        clock_offset_seconds=None,
        config_digest=None,
        disk=None,
        sees=(),
        seen_by=(),
        not_seen_by=VALIDATORS[:2],
    )
    left = tuple(
        validator(
            name,
            sees=tuple(v for v in VALIDATORS[:2] if v != name),
            does_not_see=("validator-3",),
            config_digest=f"0x{name[-1] * 16}",
        )
        for name in VALIDATORS[:2]
    )
    return network(
        health=Health.DEGRADED,
        raft_quorum=QuorumView(have=2, need=2, spare=0),
        signature_quorum=QuorumView(have=2, need=2, spare=0),
        members=(rootlayer, registry, *left, gone, matcher),
        problems=(
            Problem(
                code="SN-N422",
                member="",
                text="0 spare: the next loss stops electing and finalisation",
                fix="bring the missing validators back before anything else",
            ),
            Problem(
                code="SN-N401",
                member="validator-3",
                text="validator-3 UNREACHABLE 42 s (validator-1 ✗, validator-2 ✗): ConnectError",
                fix="start it again; if its host is lost: `subnetctl validator replace validator-3`",
            ),
            Problem(
                code="SN-N424",
                member="",
                text="configuration differs in policies: validator-1: 0x9911; validator-2: 0x7722",
                fix="give every validator the same network.yaml, policy_config.yaml and variables",
            ),
        ),
        differences=(
            Difference(
                field="policies",
                values=(
                    HeldValue(value="0x9911", validators=("validator-1",)),
                    HeldValue(value="0x7722", validators=("validator-2",)),
                ),
            ),
        ),
        clocks=(
            ClockFinding(
                code="SN-H050",
                verdict="warn",
                validator="validator-1",
                offset_seconds=0.412,
                its_clock="2026-11-21T22:00:00.412+00:00",
                this_clock="2026-11-21T22:00:00.000+00:00",
                fix="set the clock of validator-1's host by NTP, e.g. `timedatectl set-ntp true`",
            ),
        ),
        settlement=SettlementView(
            backlog_epochs=14, paused="the settlement account holds 0.0002, 0.0100 needed"
        ),
        canary=CanaryView(
            enabled=True,
            ok=False,
            reason="the last one was not settled within 60 s",
            last_ok_at_ms=AT_MS - 600_000,
            last_seconds=0.9,
            every_seconds=60.0,
        ),
    )


def empty() -> NetworkStatus:
    """A network that nobody has used yet and whose validators have not come up."""
    rootlayer, registry, matcher = others()
    silent = tuple(
        MemberView(id=name, role="validator", ready=False, reachable=False, reason="ConnectError")
        for name in VALIDATORS
    )
    return network(
        health=Health.DOWN,
        leader=None,
        raft_quorum=QuorumView(have=0, need=2, spare=-2),
        signature_quorum=QuorumView(have=0, need=2, spare=-2),
        members=(rootlayer, registry, *silent, matcher),
        problems=(
            Problem(
                code="SN-N420",
                member="",
                text="no leader: 0 validators are ready, 2 needed",
                fix="bring validators back; `subnetctl recover` only where a majority is lost for good",
            ),
        ),
        intents=IntentsView(
            window_seconds=86_400, open=0, finalised=0, failed=0, p50_seconds=None, p99_seconds=None
        ),
        settlement=None,
        canary=None,
    )


PHASES = (
    "open",
    "assigned",
    "completed",
    "completed",
    "completed",
    "failed",
    "completed",
    "expired",
)
TYPES = ("weather", "echo", "json-transform", "script")


def summary(number: int, **changes: Any) -> dict[str, Any]:
    """The matcher's line about one intent."""
    phase = PHASES[number % len(PHASES)]
    seen = AT_MS - number * 900
    ended = phase in ("completed", "failed", "expired")
    return {
        "intent_id": intent_id(number),
        "intent_type": TYPES[number % len(TYPES)],
        "phase": phase,
        "round": 1,
        "attempt": 1,
        "bids": number % 7,
        "agent_id": f"weather-{number % 5}" if phase != "open" else None,
        "seen_at_ms": seen,
        "closes_at_ms": None,
        "deadline_at_ms": seen + 60_000,
        "finished_at_ms": seen + 640 + number % 900 if ended else None,
        "end_code": {"failed": "SN-V031", "expired": "SN-M004"}.get(phase),
        "end_reason": "no validator accepted the result" if phase == "failed" else None,
    } | changes


def offer(agent: str, score: float, rank: int, **changes: Any) -> dict[str, Any]:
    """The matcher's words about one bid."""
    return {
        "bid_id": f"0x{agent}",
        "agent_id": agent,
        "agent_address": FAR[:42],
        "price": str(10**14 + rank * 7 * 10**12),
        "token": "",
        "received_at_ms": AT_MS,
        "status": "winner" if rank == 1 else "lost",
        "rank": rank,
        "score": score,
        "score_parts": {
            "price": {"value": 0.8, "points": round(score * 0.5, 3)},
            "reputation": {"value": 0.7, "points": round(score * 0.3, 3)},
            "capability": {"value": 1.0, "points": round(score * 0.12, 3)},
            "latency": {"value": 0.9, "points": round(score * 0.08, 3)},
        },
    } | changes


def case(number: int) -> dict[str, Any]:
    """The matcher's whole story of one intent."""
    line = summary(number)
    sealed = line["phase"] == "open"
    offers = [offer("weather-2", 0.812, 1), offer("weather-5", 0.771, 2), offer("gpu-1", 0.52, 3)]
    return line | {
        "budget": str(10**15),
        "eligible": ["weather-2", "weather-5", "gpu-1", "weather-3"],
        "sealed": sealed,
        "offers": [] if sealed else offers,
        "refused_bids": [],
        "assignments": [] if sealed else [{"bid_id": "0xweather-2", "agent_id": "weather-2"}],
    }


def agent(number: int, **changes: Any) -> dict[str, Any]:
    """The matcher's words about one agent."""
    return {
        "agent_id": f"weather-{number}",
        "address": FAR[:42],
        "address_proven": number != 3,
        "registered": True,
        "capabilities": ["echo", "weather"],
        "healthy": True,
        "connected": number != 4,
        "open_tasks": ["0x1"] * (number % 3),
        "attendance": {
            "eligible": 160 + number * 33,
            "bids": 140 + number * 31,
            "silent": number == 5,
        },
        "wins": 40 + number * 17,
        "earned": {"0x" + "00" * 20: str((40 + number * 17) * 10**14)},
        "completed": 38 + number * 17,
        "failures": 2,
        "failures_in_a_row": 0,
        "cooldown_until_ms": AT_MS + 18_000 if number == 4 else None,
        "reputation": 0.91 - number / 20,
        "latency_seconds": 0.4 + number / 10,
        "answers_tasks": True,
        "seen_at_ms": AT_MS,
    } | changes


def epoch(number: int) -> dict[str, Any]:
    """A validator's document of one epoch."""
    sealed = AT_MS - (912 - number) * 2000
    signers = VALIDATORS[:2] if number % 4 == 0 else VALIDATORS
    return {
        "epoch": number,
        "items": [{"intent_id": intent_id(i)} for i in range(number % 9 + 1)],
        "sealed_by": "validator-2",
        "sealed_at_ms": sealed,
        "final_at_ms": None if number == 912 else sealed + 14,
        "settled_at_ms": None if number > 910 else sealed + 61,
        "required_signatures": 2,
        "signatures": [{"validator_id": v, "at_ms": sealed + 9} for v in signers],
        "results": [{"ok": number % 7 != 0, "message": ""}],
    }


def story(intent: str = FAR, **changes: Any) -> IntentStory:
    """An intent whose result every validator refused."""
    at = AT_MS
    values: dict[str, Any] = {
        "intent_id": intent,
        "ending": Ending(
            status="FAILED",
            stage="validation",
            seconds=3.2,
            why=Why(code="SN-V031", reason="output_hash_mismatch: expected 0x91…, got 0x77…"),
            at_fault="weather-2",
            try_next=(f"subnetctl intent retry {intent} --exclude weather-2",),
            docs="subnetctl explain SN-V031",
        ),
        "submission": Submission(
            by="0xfc5a" + "11" * 18,
            at_ms=at,
            intent_type="weather",
            budget=str(10**14),
            budget_token="",
            deadline_at_ms=at + 60_000,
            payload_bytes=412,
        ),
        "sealed": False,
        "eligible": ("weather-2", "weather-5", "weather-3"),
        "shut": (
            Shut(agent_id="gpu-1", why=Why(code="SN-M020", reason="capability weather is missing")),
            Shut(agent_id="w-9", why=Why(code="SN-M021", reason="stake 40, 100 needed")),
        ),
        "no_bid": (NoBid(agent_id="weather-3", declined="capacity 4/4", at_ms=at + 300),),
        "windows": (
            BiddingWindow(
                round=1, opened_at_ms=at + 4, closed_at_ms=at + 2004, early=False, bids=2
            ),
        ),
        "offers": (_offer("weather-2", 1, at), _offer("weather-5", 2, at)),
        "refused_bids": (),
        "attempts": (_attempt(at),),
        "stages": (
            Stage(name="bidding", begun_at_ms=at, ended_at_ms=at + 2004),
            Stage(name="assignment", begun_at_ms=at + 2004, ended_at_ms=at + 2052),
            Stage(name="execution", begun_at_ms=at + 2052, ended_at_ms=at + 2960),
            Stage(name="validation", begun_at_ms=at + 2960, ended_at_ms=at + 3200),
        ),
        "moments": (),
        "missing": (),
    }
    return IntentStory(**values | changes)


def finished(intent: str = FAR) -> IntentStory:
    """An intent that went the whole way."""
    at = AT_MS
    return story(
        intent,
        ending=Ending(
            status="COMPLETED",
            stage="settlement",
            seconds=3.31,
            why=None,
            at_fault=None,
            try_next=(),
            docs=None,
        ),
        attempts=(_attempt(at, good=True),),
        stages=(
            Stage(name="bidding", begun_at_ms=at, ended_at_ms=at + 2004),
            Stage(name="assignment", begun_at_ms=at + 2004, ended_at_ms=at + 2052),
            Stage(name="execution", begun_at_ms=at + 2052, ended_at_ms=at + 2960),
            Stage(name="validation", begun_at_ms=at + 2960, ended_at_ms=at + 2990),
            Stage(name="signing", begun_at_ms=at + 2990, ended_at_ms=at + 3030),
            Stage(name="settlement", begun_at_ms=at + 3030, ended_at_ms=at + 3310),
        ),
        missing=(Missing(source="validator-3", reason="SN-N401 validator-3 does not answer"),),
    )


def _offer(agent: str, rank: int, at: int) -> Offer:
    score = 0.812 if rank == 1 else 0.771
    return Offer(
        bid_id=f"0x{agent}",
        agent_id=agent,
        agent_address=FAR[:42],
        price=str(10**14 - rank * 3 * 10**12),
        received_at_ms=at + 200 * rank,
        rank=rank,
        score=score,
        parts=tuple(
            ScorePart(name=name, value=0.8, points=round(score * share, 3), behind=0.0)
            for name, share in (("price", 0.5), ("reputation", 0.35), ("latency", 0.15))
        ),
        won=rank == 1,
        lost_by=None if rank == 1 else 0.041,
        lost_mostly_by=None if rank == 1 else "price",
        needed=None
        if rank == 1
        else Needed(price=str(9 * 10**13), reputation=0.93, capability=None, latency_seconds=0.2),
    )


def _attempt(at: int, *, good: bool = False) -> AttemptTold:
    refused = Why(code="SN-V031", reason="expected 0x91…, got 0x77…")
    return AttemptTold(
        number=1,
        assignment_id="0x" + "cd" * 32,
        agent_id="weather-2",
        state="COMPLETED" if good else "REJECTED",
        created_at_ms=at + 2006,
        recorded_at_ms=at + 2011,
        delivered_at_ms=(at + 2014,),
        acknowledged_at_ms=at + 2052,
        root_layer="posted",
        report=ReportTold(
            report_id="r",
            status="SUCCESS",
            result_bytes=812,
            result_hash="0x77",
            received_by="validator-1",
            at_ms=at + 2960,
            error=None,
        ),
        verdicts=tuple(
            VerdictTold(
                validator_id=name,
                passed=good,
                why=None if good else refused,
                rules=("signature", "lease", "output_hash"),
                policy_id="default",
                at_ms=at + 2964 + place,
            )
            for place, name in enumerate(VALIDATORS)
        ),
        batch=BatchTold(
            epoch=912,
            batch_digest="0x12",
            items=3,
            sealed_by="validator-2",
            sealed_at_ms=at + 2990,
            final_at_ms=at + 3030,
            required_signatures=2,
            signatures=tuple(
                SignatureTold(validator_id=name, address="0x1", at_ms=at + 3010 + place)
                for place, name in enumerate(VALIDATORS[:2])
            ),
            missing=("validator-3",),
        )
        if good
        else None,
        settlement=SettlementTold(at_ms=at + 3310, ok=True, receipt="0xfeed", message="")
        if good
        else None,
        failure=None if good else Why(code="SN-V031", reason="output_hash_mismatch"),
        ended_at_ms=at + 3200,
    )
