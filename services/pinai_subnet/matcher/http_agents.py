"""What an agent may ask about itself: its bids with why each lost, and what it has earned. Only its own key may ask."""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request

from pinai_subnet.matcher.agents import Agents
from pinai_subnet.matcher.attendance import Attendance
from pinai_subnet.matcher.board import Board
from pinai_subnet.matcher.case import Case
from pinai_subnet.matcher.journal import Journal
from pinai_subnet.matcher.own_bids import own_bid
from pinai_subnet.matcher.service import Matcher
from pinai_subnet.matcher.story import attendance_view
from pinai_subnet.protocol.errors import Forbidden, NotFound, Unauthenticated
from pinai_subnet.protocol.ids import AgentId, parse_name
from pinai_subnet.wire.authentication import Forms, RequestVerifier

MAX_BIDS = 50


def add_agent_routes(
    app: FastAPI,
    *,
    matcher: Matcher,
    journal: Journal,
    board: Board,
    agents: Agents,
    attendance: Attendance,
    verifier: RequestVerifier,
) -> None:
    """Add the two routes. Requests are signed as at the registry: `GET /path` as the method, no body."""

    def authorised(request: Request, agent_id: str) -> AgentId:
        return _authorised(request, agent_id, agents, verifier)

    async def list_bids(
        request: Request,
        agent_id: str,
        limit: Annotated[int, Query(ge=1, le=MAX_BIDS)] = 20,
        offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
    ) -> dict[str, Any]:
        """Tell the agent's bids, newest first: won or lost, by how much, to what, and what would have won."""
        name = authorised(request, agent_id)
        total, cases = await journal.bids_of(name, limit=limit, offset=offset)
        live: list[Case] = [board.find(case.intent.intent_id) or case for case in cases]
        told = await asyncio.to_thread(lambda: [own_bid(case, name) for case in live])
        return {
            "agent_id": name,
            "bids": [one for one in told if one is not None],
            "total": total,
            "attendance": attendance_view(attendance.get(name)),
        }

    async def earnings(request: Request, agent_id: str) -> dict[str, Any]:
        """Tell what the agent's settled bids asked, per token, and how its assignments ended."""
        name = authorised(request, agent_id)
        state = agents.get(name)
        if state is None:
            raise NotFound("SN-M038", f"{name} has not called this matcher")
        return {
            "agent_id": name,
            "earned": dict(state.earned),
            "wins": state.wins,
            "completed": state.completed,
            "failures": state.failures,
            "reputation": round(agents.reputation(name, now_ms=matcher.now_ms()), 6),
            "attendance": attendance_view(attendance.get(name)),
        }

    app.add_api_route("/api/v1/agents/{agent_id}/bids", list_bids, methods=["GET"])
    app.add_api_route("/api/v1/agents/{agent_id}/earnings", earnings, methods=["GET"])


def _authorised(
    request: Request, agent_id: str, agents: Agents, verifier: RequestVerifier
) -> AgentId:
    """Return the agent that the caller may speak for; raise `Unauthenticated` or `Forbidden`."""
    canonical = AgentId(parse_name(agent_id, "agent_id"))
    signer = verifier.verify(
        _headers(request), f"GET {request.url.path}", lambda: Forms(python=None, go=lambda: None)
    )
    refusal = agents.speaks_for(canonical, signer)
    if refusal is not None:
        kind = Unauthenticated if signer is None else Forbidden
        raise kind(refusal.code, refusal.reason)
    return canonical


def _headers(request: Request) -> Mapping[str, str]:
    return {name.lower(): value for name, value in request.headers.items()}
