"""The whole story of an intent, and the state of an agent, as plain JSON values. All times are unix milliseconds.

Amounts that may exceed 53 bits are decimal texts. Open windows show how many bids there are, never whose or how much.
"""

from typing import Any

from pinai_subnet.matcher.agents import Agents, AgentState
from pinai_subnet.matcher.attendance import Attended
from pinai_subnet.matcher.auction import MILLION, AuctionRules, Scored
from pinai_subnet.matcher.case import Attempt, Case
from pinai_subnet.matcher.counterfactual import Needed, needed
from pinai_subnet.matcher.refusal import Refusal
from pinai_subnet.matcher.tasks import Tasks
from pinai_subnet.matcher.window import Phase
from pinai_subnet.protocol.bids import Bid


def summary(case: Case) -> dict[str, Any]:
    """Return one line of a listing."""
    window = case.window
    current = case.current
    return {
        "intent_id": case.intent.intent_id,
        "intent_type": case.intent.intent_type,
        "phase": window.phase.value,
        "round": window.round,
        "attempt": window.attempt,
        "bids": len(case.bids),
        "agent_id": current.agent_id if current else None,
        "seen_at_ms": case.seen_at_ms,
        "closes_at_ms": window.closes_at_ms if window.phase is Phase.OPEN else None,
        "deadline_at_ms": case.deadline_ms,
        "finished_at_ms": window.finished_at_ms or None,
        "end_code": window.end_code or None,
        "end_reason": window.end_reason or None,
    }


def story(case: Case) -> dict[str, Any]:
    """Return everything that is known of an intent."""
    intent = case.intent
    sealed = case.window.phase is Phase.OPEN
    return {
        **summary(case),
        "requester": intent.requester,
        "settle_chain": intent.settle_chain,
        "budget": str(intent.budget),
        "budget_token": intent.budget_token,
        "payload_bytes": len(intent.intent_raw),
        "assign_by_ms": case.assign_by_ms,
        "eligible": list(case.eligible),
        "ineligible": {agent: _refusal(why) for agent, why in case.ineligible.items()},
        "excluded": {agent: _refusal(why) for agent, why in case.excluded.items()},
        "declined": {
            agent: {"round": word.round, "at_ms": word.at_ms, "reason": word.reason}
            for agent, word in case.declined.items()
        },
        "wishes": {"only": list(case.wishes.only), "exclude": list(case.wishes.exclude)},
        "strategy": None if case.auction is None else strategy_view(case.auction),
        "windows": [
            {
                "round": r.number,
                "opened_at_ms": r.opened_at_ms,
                "closed_at_ms": r.closed_at_ms,
                "early": r.early,
                "bids": r.bids,
            }
            for r in case.rounds
        ],
        "sealed": sealed,
        "offers": [] if sealed else _offers(case),
        "refused_bids": [
            {"agent_id": r.agent_id, "at_ms": r.at_ms, "code": r.code, "reason": r.reason}
            for r in case.refused
        ],
        "assignments": [_attempt(attempt) for attempt in case.attempts],
    }


def strategy_view(rules: AuctionRules) -> dict[str, Any]:
    """Return the rules of an auction, in the words of `policy_config.yaml`."""
    return {
        "type": rules.strategy.value,
        "weights": {
            "price": rules.price,
            "reputation": rules.reputation,
            "capability": rules.capability,
            "latency": rules.latency,
        },
        "newcomers": rules.newcomers.value,
        "ties": rules.ties.value,
        "min_score": rules.min_score,
        "latency_target_seconds": rules.latency_target_seconds,
    }


def needed_view(found: Needed | None) -> dict[str, Any] | None:
    """Return a counterfactual."""
    if found is None:
        return None
    return {
        "price": None if found.price is None else str(found.price),
        "reputation": found.reputation,
        "capability": found.capability,
        "latency_seconds": found.latency_seconds,
    }


def agent_view(
    state: AgentState, *, agents: Agents, tasks: Tasks, attended: Attended, now_ms: int
) -> dict[str, Any]:
    """Return what is known of an agent."""
    entry = agents.entry(state.agent_id)
    return {
        "agent_id": state.agent_id,
        "address": agents.address_of(state.agent_id),
        "address_proven": state.proven or (entry is not None and entry.address is not None),
        "registered": entry is not None,
        "capabilities": sorted(entry.capabilities) if entry else [],
        "healthy": entry.healthy if entry else None,
        "connected": tasks.connected(state.agent_id),
        "open_tasks": [task.attempt.assignment_id for task in tasks.of(state.agent_id)],
        "wins": state.wins,
        "completed": state.completed,
        "failures": state.failures,
        "failures_in_a_row": state.cooldown.failures,
        "cooldown_until_ms": state.cooldown.until_ms if state.cooldown.active(now_ms) else None,
        "reputation": round(agents.reputation(state.agent_id, now_ms=now_ms), 6),
        "latency_seconds": state.history.latency_seconds,
        "answers_tasks": state.answers_tasks,
        "earned": dict(state.earned),
        "seen_at_ms": state.seen_at_ms,
        "attendance": attendance_view(attended),
    }


def attendance_view(attended: Attended) -> dict[str, Any]:
    """Return in how many windows an agent could bid, and what it did; `silent` flags one that never answers."""
    return {
        "eligible": attended.eligible,
        "bids": attended.bids,
        "declined": attended.declined,
        "silent_in_a_row": attended.silent_in_a_row,
        "silent": attended.silent,
        "last_bid_at_ms": attended.last_bid_at_ms or None,
        "last_decline": attended.last_decline or None,
    }


def _offers(case: Case) -> list[dict[str, Any]]:
    offers = [_offer(case, bid) for bid in _by_rank(case)]
    second = next((offer for offer in offers if offer["rank"] != 1 and offer["score_parts"]), None)
    if second is not None and case.auction is not None:
        # One counterfactual costs some hundred rankings: it is told of the best loser only.
        found = needed(second["bid_id"], case.candidates, case.auction, case.intent.intent_id)
        second["needed"] = needed_view(found)
    return offers


def _by_rank(case: Case) -> list[Bid]:
    places = {scored.bid_id: scored.rank or len(case.ranking) + 1 for scored in case.ranking}
    last = len(case.ranking) + 2
    return sorted(case.bids.values(), key=lambda b: (places.get(b.bid_id, last), b.received_at_ms))


def _offer(case: Case, bid: Bid) -> dict[str, Any]:
    scored = next((s for s in case.ranking if s.bid_id == bid.bid_id), None)
    return {
        "bid_id": bid.bid_id,
        "agent_id": bid.agent_id,
        "agent_address": bid.agent_address,
        "price": str(bid.price),
        "token": bid.token,
        "received_at_ms": bid.received_at_ms,
        "status": case.bid_status(bid).name.lower(),
        "rank": (scored.rank or None) if scored else None,
        "score": scored.total / MILLION if scored else None,
        "score_parts": _parts(scored) if scored else {},
        "needed": None,
    }


def _parts(scored: Scored) -> dict[str, Any]:
    return {
        part.name: {"value": round(part.value, 6), "points": part.points / MILLION}
        for part in scored.components
    }


def _attempt(attempt: Attempt) -> dict[str, Any]:
    record = attempt.record
    return {
        "assignment_id": attempt.assignment_id,
        "attempt": record.attempt,
        "agent_id": attempt.agent_id,
        "agent_address": record.assignment.agent_address,
        "bid_id": attempt.bid_id,
        "matcher": record.assignment.matcher,
        "state": attempt.state.value,
        "created_at_ms": attempt.created_at_ms,
        "recorded_at_ms": attempt.recorded_at_ms or None,
        "delivered_at_ms": list(attempt.delivered_at_ms),
        "response_due_at_ms": attempt.response_due_at_ms or None,
        "acknowledged_at_ms": attempt.acknowledged_at_ms or None,
        "lease_until_ms": attempt.lease_until_ms or None,
        "reported_at_ms": attempt.reported_at_ms or None,
        "ended_at_ms": attempt.ended_at_ms or None,
        "code": attempt.code or None,
        "reason": attempt.reason or None,
        "root_layer": attempt.root_layer or None,
        "outcomes": [
            {
                "kind": step.kind,
                "at_ms": step.at_ms,
                "code": step.code or None,
                "reason": step.reason or None,
                "epoch": step.epoch or None,
            }
            for step in attempt.steps
        ],
    }


def _refusal(refusal: Refusal) -> dict[str, str]:
    return {"code": refusal.code, "reason": refusal.reason}
