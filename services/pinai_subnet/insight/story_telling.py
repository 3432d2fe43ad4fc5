"""Puts the story of one intent together from what everybody told. Pure: the same documents give the same story."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pinai_subnet.insight.fault import FINAL_STATUSES, ending
from pinai_subnet.insight.gathering import Gathered
from pinai_subnet.insight.intent_story import (
    AttemptTold,
    BatchTold,
    BiddingWindow,
    IntentStory,
    Moment,
    NoBid,
    RefusedBid,
    ReportTold,
    SettlementTold,
    Shut,
    SignatureTold,
    Stage,
    Submission,
    VerdictTold,
    Why,
)
from pinai_subnet.insight.story_moments import moments
from pinai_subnet.insight.story_offers import offers

_STATUS = "INTENT_STATUS_"


def tell(gathered: Gathered) -> IntentStory:
    """Return the whole story."""
    matching = gathered.matching or {}
    attempts = _attempts(gathered)
    submission = _submission(gathered)
    partial = IntentStory(
        intent_id=gathered.intent_id,
        ending=ending(
            status="OPEN", stages=(), attempts=(), matching={}, seconds=None, intent_id=""
        ),
        submission=submission,
        sealed=bool(matching.get("sealed")),
        eligible=tuple(matching.get("eligible", ())),
        shut=_shut(matching),
        no_bid=_no_bid(matching),
        windows=tuple(
            BiddingWindow(
                round=w["round"],
                opened_at_ms=w["opened_at_ms"],
                closed_at_ms=w["closed_at_ms"],
                early=w["early"],
                bids=w["bids"],
            )
            for w in matching.get("windows", ())
        ),
        offers=offers(matching),
        refused_bids=tuple(
            RefusedBid(
                agent_id=r["agent_id"], at_ms=r["at_ms"], why=_why(r) or Why(code="", reason="")
            )
            for r in matching.get("refused_bids", ())
        ),
        attempts=attempts,
        stages=(),
        moments=(),
        missing=tuple(gathered.missing),
    )
    happened = moments(partial, gathered.history, matching)
    return _ended(partial, gathered, happened)


def _ended(story: IntentStory, gathered: Gathered, happened: tuple[Moment, ...]) -> IntentStory:
    stages = _stages(story)
    seconds = (happened[-1].at_ms - happened[0].at_ms) / 1000 if happened else None
    end = ending(
        status=_status(gathered),
        stages=stages,
        attempts=story.attempts,
        matching=gathered.matching or {},
        seconds=seconds,
        intent_id=story.intent_id,
    )
    return replace(story, ending=end, stages=stages, moments=happened)


def _status(gathered: Gathered) -> str:
    told = str((gathered.intent or {}).get("status", "")).removeprefix(_STATUS)
    if told in FINAL_STATUSES:
        return told
    phase = (gathered.matching or {}).get("phase")
    if not told and phase == "completed":
        return "COMPLETED"
    if phase == "ended":
        return "FAILED"
    return "OPEN"


def _submission(gathered: Gathered) -> Submission | None:
    intent, matching = gathered.intent or {}, gathered.matching or {}
    if not intent and not matching:
        return None
    first = next((c["atMs"] for c in gathered.history if c["oldStatus"] == "UNSPECIFIED"), None)
    deadline = int(intent.get("deadline") or 0) * 1000
    return Submission(
        by=str(intent.get("requester") or matching.get("requester", "")),
        at_ms=first or matching.get("seen_at_ms"),
        intent_type=str(intent.get("intentType") or matching.get("intent_type", "")),
        budget=str(intent.get("budget") or matching.get("budget", "")),
        budget_token=str(intent.get("budgetToken") or matching.get("budget_token", "")),
        deadline_at_ms=deadline or matching.get("deadline_at_ms"),
        payload_bytes=matching.get("payload_bytes"),
    )


def _shut(matching: Mapping[str, Any]) -> tuple[Shut, ...]:
    both = {**matching.get("ineligible", {}), **matching.get("excluded", {})}
    return tuple(
        Shut(agent_id=agent, why=Why(code=why["code"], reason=why["reason"]))
        for agent, why in sorted(both.items())
    )


def _no_bid(matching: Mapping[str, Any]) -> tuple[NoBid, ...]:
    if matching.get("sealed"):
        return ()
    bid = {offer["agent_id"] for offer in matching.get("offers", ())}
    declined = matching.get("declined", {})
    names = sorted({*matching.get("eligible", ()), *declined} - bid)
    return tuple(
        NoBid(
            agent_id=name,
            declined=declined[name]["reason"] if name in declined else None,
            at_ms=declined[name]["at_ms"] if name in declined else None,
        )
        for name in names
    )


def _attempts(gathered: Gathered) -> tuple[AttemptTold, ...]:
    ours = {a["assignment_id"]: a for a in (gathered.matching or {}).get("assignments", ())}
    theirs = {a["assignment_id"]: a for a in gathered.attempts}
    told = [
        _attempt(ours.get(name) or {}, theirs.get(name) or {}, gathered)
        for name in dict.fromkeys([*ours, *theirs])
    ]
    return tuple(sorted(told, key=lambda attempt: attempt.number))


def _attempt(ours: Mapping[str, Any], theirs: Mapping[str, Any], gathered: Gathered) -> AttemptTold:
    times = theirs.get("times_ms", {})
    either = {**theirs, **ours}
    epoch = gathered.epochs.get(theirs["epoch"]) if theirs.get("epoch") is not None else None
    failure = _why(ours) or _why(theirs)
    ended_at_ms = ours.get("ended_at_ms") or times.get("SETTLED") or times.get("REJECTED")
    return AttemptTold(
        number=either["attempt"],
        assignment_id=either["assignment_id"],
        agent_id=either["agent_id"],
        state=str(ours.get("state") or theirs.get("stage", "")).lower(),
        created_at_ms=ours.get("created_at_ms"),
        recorded_at_ms=ours.get("recorded_at_ms") or times.get("ASSIGNED"),
        delivered_at_ms=tuple(ours.get("delivered_at_ms", ())),
        acknowledged_at_ms=ours.get("acknowledged_at_ms"),
        root_layer=ours.get("root_layer") or "",
        report=_report(theirs),
        verdicts=_verdicts(theirs, gathered.validators),
        batch=_batch(epoch, gathered.validators),
        settlement=_settlement(theirs, epoch),
        failure=failure,
        ended_at_ms=ended_at_ms,
    )


def _report(theirs: Mapping[str, Any]) -> ReportTold | None:
    report = theirs.get("report")
    if not report:
        return None
    error = report.get("error")
    return ReportTold(
        report_id=report["report_id"],
        status=report["status"],
        result_bytes=report["result_bytes"],
        result_hash=report["result_hash"],
        received_by=theirs.get("received_by") or "",
        at_ms=theirs.get("times_ms", {}).get("REPORTED"),
        error=Why(code=error["code"], reason=error["message"]) if error else None,
    )


def _verdicts(theirs: Mapping[str, Any], validators: Sequence[str]) -> tuple[VerdictTold, ...]:
    given = {v["validator_id"]: v for v in theirs.get("verdicts", ())}
    if not theirs.get("report"):
        return ()
    told = []
    for name in dict.fromkeys([*validators, *given]):
        verdict = given.get(name)
        told.append(
            VerdictTold(
                validator_id=name,
                passed=verdict["passed"] if verdict else None,
                why=_why(verdict) if verdict else None,
                rules=tuple(verdict["rules"]) if verdict else (),
                policy_id=verdict["policy_id"] if verdict else "",
                at_ms=verdict["at_ms"] if verdict else None,
            )
        )
    return tuple(told)


def _batch(epoch: Mapping[str, Any] | None, validators: Sequence[str]) -> BatchTold | None:
    if epoch is None:
        return None
    signatures = tuple(
        SignatureTold(validator_id=s["validator_id"], address=s["address"], at_ms=s["at_ms"])
        for s in epoch["signatures"]
    )
    signed = {signature.validator_id for signature in signatures}
    return BatchTold(
        epoch=epoch["epoch"],
        batch_digest=epoch["batch_digest"],
        items=len(epoch["items"]),
        sealed_by=epoch["sealed_by"],
        sealed_at_ms=epoch["sealed_at_ms"],
        final_at_ms=epoch["final_at_ms"],
        required_signatures=epoch["required_signatures"],
        signatures=signatures,
        missing=tuple(name for name in validators if name not in signed),
    )


def _settlement(
    theirs: Mapping[str, Any], epoch: Mapping[str, Any] | None
) -> SettlementTold | None:
    if epoch is None:
        return None
    result: Mapping[str, Any] = {}
    for place, item in enumerate(epoch["items"]):
        if item["assignment_id"] == theirs["assignment_id"] and place < len(epoch["results"]):
            result = epoch["results"][place]
    return SettlementTold(
        at_ms=epoch["settled_at_ms"],
        ok=result.get("ok"),
        receipt=result.get("receipt_id", ""),
        message=result.get("message", ""),
    )


def _stages(story: IntentStory) -> tuple[Stage, ...]:
    """Return how long each part took, of the last assignment; parts that were not reached are left out."""
    last = story.attempts[-1] if story.attempts else None
    report, batch = (last.report, last.batch) if last else (None, None)
    verdicts = [v.at_ms for v in last.verdicts if v.at_ms] if last else []
    begun = story.submission.at_ms if story.submission else None
    bidding_ends = last.created_at_ms if last else None
    failed = last.ended_at_ms if last and last.failure else None
    marks = (
        ("bidding", begun, bidding_ends),
        ("assignment", bidding_ends, last.recorded_at_ms if last else None),
        ("execution", last.recorded_at_ms if last else None, (report and report.at_ms) or failed),
        (
            "validation",
            report.at_ms if report else None,
            batch.sealed_at_ms if batch else failed or (max(verdicts) if verdicts else None),
        ),
        ("signing", batch.sealed_at_ms if batch else None, batch.final_at_ms if batch else None),
        (
            "settlement",
            batch.final_at_ms if batch else None,
            last.settlement.at_ms if last and last.settlement else None,
        ),
    )
    return tuple(
        Stage(name=name, begun_at_ms=begins, ended_at_ms=ends)
        for name, begins, ends in marks
        if begins
    )


def _why(told: Mapping[str, Any]) -> Why | None:
    code, reason = told.get("code"), told.get("reason")
    return Why(code=code or "", reason=reason or "") if code or reason else None
