"""The matcher at a glance, over HTTP: what became of intents during the last day. Reads only."""

from typing import Any

from fastapi import FastAPI

from pinai_subnet.matcher.statistics import Statistics


def add_summary(app: FastAPI, *, statistics: Statistics, version: str) -> None:
    """Add the route."""

    async def show_summary() -> dict[str, Any]:
        """Return what became of intents during the last day."""
        return {"version": version, "intents": await statistics.last_day()}

    app.add_api_route("/api/v1/summary", show_summary, methods=["GET"])
