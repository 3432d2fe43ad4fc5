"""Questions over HTTP besides the story itself: who could do an intent (dry run), what moves now, recorded auctions."""

from typing import Annotated, Any

from fastapi import FastAPI, Query
from pydantic import BaseModel, ConfigDict, Field

from pinai_subnet.matcher.eligible import EligibleAgents
from pinai_subnet.matcher.journal import Journal
from pinai_subnet.matcher.moves import Moves
from pinai_subnet.matcher.recording import auction_document
from pinai_subnet.matcher.rules import MatchingRules
from pinai_subnet.matcher.service import Matcher
from pinai_subnet.matcher.story import strategy_view
from pinai_subnet.matcher.tasks import Tasks
from pinai_subnet.matcher.wishes import Wishes
from pinai_subnet.protocol.ids import AgentId, parse_bytes32

LONGEST_WAIT_SECONDS = 25.0
MAX_AUCTIONS = 500
Name = Annotated[str, Field(min_length=1, max_length=128)]


class DryRunBody(BaseModel):
    """What an intent would ask for."""

    model_config = ConfigDict(extra="forbid")

    intent_type: str = Field(min_length=1, max_length=256)
    only: tuple[Name, ...] = Field(default=(), max_length=100)
    exclude: tuple[Name, ...] = Field(default=(), max_length=100)


def add_dry_run(
    app: FastAPI,
    *,
    matcher: Matcher,
    rules: MatchingRules,
    eligible: EligibleAgents,
    tasks: Tasks,
) -> None:
    """Add the route of dry runs."""

    async def dry_run(body: DryRunBody) -> dict[str, Any]:
        """Say who could bid on such an intent now, and who could not and why. Nothing is kept and nothing is spent."""
        wished = Wishes(
            only=tuple(name.lower() for name in body.only),
            exclude=tuple(name.lower() for name in body.exclude),
        )
        may, may_not = eligible.wished(
            wished, *eligible.survey(body.intent_type, now_ms=matcher.now_ms())
        )
        return {
            "intent_type": body.intent_type,
            "eligible": [
                {
                    "agent_id": agent_id,
                    "connected": tasks.connected(AgentId(agent_id)),
                    "open_tasks": len(tasks.of(AgentId(agent_id))),
                }
                for agent_id in may
            ],
            "ineligible": {
                agent_id: {"code": why.code, "reason": why.reason}
                for agent_id, why in may_not.items()
            },
            "window_seconds": rules.windows_of(body.intent_type).duration_ms / 1000,
            "strategy": strategy_view(rules.auction),
        }

    app.add_api_route("/api/v1/intents/dry-run", dry_run, methods=["POST"])


def add_record(app: FastAPI, *, moves: Moves, journal: Journal) -> None:
    """Add the routes of live steps and of recorded auctions."""

    async def list_moves(
        after: Annotated[int, Query(ge=0, lt=2**63)] = 0,
        intent_id: Annotated[str, Query(max_length=128)] = "",
        wait_seconds: Annotated[float, Query(ge=0, le=LONGEST_WAIT_SECONDS)] = 0,
    ) -> dict[str, Any]:
        """Tell the steps of intents after a number, waiting for the next one where there is none yet."""
        wanted = parse_bytes32(intent_id, "intent_id") if intent_id else ""
        found = await moves.after(after, intent_id=wanted, seconds=wait_seconds)
        return {
            "moves": [move.document() for move in found],
            "next": found[-1].number if found else max(after, 0),
            "newest": moves.newest,
            "missed": moves.missed(after),
        }

    async def list_auctions(
        limit: Annotated[int, Query(ge=1, le=MAX_AUCTIONS)] = 100,
        offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
    ) -> dict[str, Any]:
        """Tell the auctions of ended intents, newest first, with everything that was weighed: for the strategy lab."""
        total, cases = await journal.ended(limit=limit, offset=offset)
        return {
            "auctions": [document for case in cases if (document := auction_document(case))],
            "read": len(cases),
            "total": total,
        }

    app.add_api_route("/api/v1/moves", list_moves, methods=["GET"])
    app.add_api_route("/api/v1/auctions", list_auctions, methods=["GET"])
