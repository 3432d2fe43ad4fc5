"""The whole HTTP face of one matcher: stories, questions, and what agents may ask about themselves."""

from fastapi import FastAPI

from pinai_subnet.matcher.assembly import Given, Parts
from pinai_subnet.matcher.http_agents import add_agent_routes
from pinai_subnet.matcher.http_api import add_routes
from pinai_subnet.matcher.http_asking import add_dry_run, add_record
from pinai_subnet.wire.authentication import RequestVerifier


def add_http(app: FastAPI, parts: Parts, given: Given, verifier: RequestVerifier) -> None:
    """Add every route."""
    add_routes(
        app,
        matcher=parts.matcher,
        board=parts.board,
        journal=parts.journal,
        agents=parts.agents,
        tasks=parts.tasks,
        attendance=parts.attendance,
    )
    add_dry_run(
        app,
        matcher=parts.matcher,
        rules=given.rules,
        eligible=parts.eligible,
        tasks=parts.tasks,
    )
    add_record(app, moves=parts.moves, journal=parts.journal)
    add_agent_routes(
        app,
        matcher=parts.matcher,
        journal=parts.journal,
        board=parts.board,
        agents=parts.agents,
        attendance=parts.attendance,
        verifier=verifier,
    )
