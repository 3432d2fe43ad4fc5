"""One auction as it was held, as plain JSON values: enough to hold it again under other rules. Pure."""

from typing import Any

from pinai_subnet.matcher.case import Case
from pinai_subnet.matcher.story import strategy_view


def auction_document(case: Case) -> dict[str, Any] | None:
    """Return the last auction of an intent; None where none was held, or an earlier release held it."""
    if case.auction is None or not case.candidates:
        return None
    winner = next((scored for scored in case.ranking if scored.rank == 1), None)
    last = case.attempts[-1] if case.attempts else None
    return {
        "intent_id": case.intent.intent_id,
        "intent_type": case.intent.intent_type,
        "budget": str(case.intent.budget),
        "held_at_ms": case.rounds[-1].closed_at_ms if case.rounds else case.seen_at_ms,
        "strategy": strategy_view(case.auction),
        "candidates": [
            {
                "bid_id": candidate.bid_id,
                "agent_id": candidate.agent_id,
                "price": str(candidate.price),
                "received_at_ms": candidate.received_at_ms,
                "reputation": candidate.reputation,
                "capability": candidate.capability,
                "latency_seconds": candidate.latency_seconds,
            }
            for candidate in case.candidates
        ],
        "winner": winner.agent_id if winner else None,
        "assigned_to": last.agent_id if last else None,
        "ended": {"phase": case.window.phase.value, "code": case.window.end_code or None},
    }
