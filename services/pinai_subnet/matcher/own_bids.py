"""One of an agent's bids as the agent may see it: its place, why it lost, what would have won. Pure."""

from typing import Any

from pinai_subnet.matcher.auction import MILLION
from pinai_subnet.matcher.case import Case
from pinai_subnet.matcher.counterfactual import needed
from pinai_subnet.matcher.story import needed_view
from pinai_subnet.matcher.window import Phase
from pinai_subnet.protocol.ids import AgentId


def own_bid(case: Case, agent_id: AgentId) -> dict[str, Any] | None:
    """Return what became of the agent's bid on an intent; None where it has none."""
    bid = case.bids.get(agent_id)
    if bid is None:
        return None
    told: dict[str, Any] = {
        "intent_id": case.intent.intent_id,
        "intent_type": case.intent.intent_type,
        "bid_id": bid.bid_id,
        "price": str(bid.price),
        "token": bid.token,
        "received_at_ms": bid.received_at_ms,
        "phase": case.window.phase.value,
        "result": "open",
        "why": None,
        "rank": None,
        "score": None,
        "winner": None,
        "behind": {},
        "needed": None,
        "assignment": None,
    }
    attempt = next((a for a in reversed(case.attempts) if a.bid_id == bid.bid_id), None)
    if attempt is not None:
        told["assignment"] = {
            "assignment_id": attempt.assignment_id,
            "state": attempt.state.value,
            "code": attempt.code or None,
            "reason": attempt.reason or None,
        }
    if case.window.phase is Phase.OPEN:
        return told
    mine = next((scored for scored in case.ranking if scored.bid_id == bid.bid_id), None)
    excluded = case.excluded.get(agent_id)
    if mine is None:
        told["result"] = "won" if attempt is not None else "excluded"
        told["why"] = str(excluded) if excluded else None
        return told
    first = case.ranking[0]
    told |= {
        "rank": mine.rank or None,
        "score": mine.total / MILLION,
        "result": "won" if mine.rank == 1 or attempt is not None else "lost",
    }
    if told["result"] == "lost":
        theirs = {part.name: part.points for part in first.components}
        behind = {p.name: (theirs.get(p.name, 0) - p.points) / MILLION for p in mine.components}
        told |= {
            "winner": {
                "agent_id": first.agent_id,
                "price": str(first.price),
                "score": first.total / MILLION,
            },
            "behind": behind,
            "why": _why(mine.rank, behind),
        }
        if case.auction is not None:
            found = needed(bid.bid_id, case.candidates, case.auction, case.intent.intent_id)
            told["needed"] = needed_view(found)
    return told


def _why(rank: int, behind: dict[str, float]) -> str:
    if rank == 0:
        return "the score is below the lowest that may win"
    name, most = max(behind.items(), key=lambda item: item[1])
    if most <= 0:
        return "equal score; the tie went to the other bid"
    return f"{name}: {most:.3f} behind the winner"
