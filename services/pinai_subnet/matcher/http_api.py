"""The matcher's HTTP face: intents with their whole story, and the agents it has met. Reads only."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import FastAPI, Query

from pinai_subnet.matcher.agents import Agents, AgentState
from pinai_subnet.matcher.attendance import Attendance
from pinai_subnet.matcher.board import Board
from pinai_subnet.matcher.journal import Journal
from pinai_subnet.matcher.reading import Listing
from pinai_subnet.matcher.service import Matcher
from pinai_subnet.matcher.story import agent_view, story, summary
from pinai_subnet.matcher.tasks import Tasks
from pinai_subnet.matcher.window import Phase
from pinai_subnet.protocol.canaries import CANARY_AGENT
from pinai_subnet.protocol.errors import NotFound
from pinai_subnet.protocol.ids import IntentId, parse_bytes32

MAX_PAGE = 200


def add_routes(
    app: FastAPI,
    *,
    matcher: Matcher,
    board: Board,
    journal: Journal,
    agents: Agents,
    tasks: Tasks,
    attendance: Attendance,
) -> None:
    """Add the three routes."""

    async def list_intents(
        phase: Phase | None = None,
        intent_type: Annotated[str, Query(max_length=256)] = "",
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
        offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
    ) -> dict[str, Any]:
        """List intents, newest first."""
        listing = Listing(
            phase=phase.value if phase else "", intent_type=intent_type, limit=limit, offset=offset
        )
        total, cases = await journal.listing(listing)
        live = [board.find(case.intent.intent_id) or case for case in cases]
        return {
            "intents": [summary(case) for case in live],
            "total": total,
            "limit": limit,
            "offset": offset,
        }

    async def get_intent(intent_id: str) -> dict[str, Any]:
        """Tell the whole story of one intent."""
        canonical = IntentId(parse_bytes32(intent_id, "intent_id"))
        case = board.find(canonical) or await journal.case(canonical)
        if case is None:
            raise NotFound("SN-M001", f"intent {canonical} is not known to this matcher")
        return story(case)

    async def list_agents(
        limit: Annotated[int, Query(ge=1, le=1000)] = 200,
        offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
    ) -> dict[str, Any]:
        """List the agents that called this matcher, by id."""
        met = (state for state in agents if state.agent_id != CANARY_AGENT)
        states = sorted(met, key=lambda state: state.agent_id)
        return {
            "agents": [one(state) for state in states[offset : offset + limit]],
            "total": len(states),
            "silent": attendance.silent(),
            "limit": limit,
            "offset": offset,
        }

    one = _viewer(matcher, agents, tasks, attendance)
    app.add_api_route("/api/v1/intents", list_intents, methods=["GET"])
    app.add_api_route("/api/v1/intents/{intent_id}", get_intent, methods=["GET"])
    app.add_api_route("/api/v1/agents", list_agents, methods=["GET"])


def _viewer(
    matcher: Matcher, agents: Agents, tasks: Tasks, attendance: Attendance
) -> Callable[[AgentState], dict[str, Any]]:
    def view(state: AgentState) -> dict[str, Any]:
        return agent_view(
            state,
            agents=agents,
            tasks=tasks,
            attended=attendance.get(state.agent_id),
            now_ms=matcher.now_ms(),
        )

    return view
