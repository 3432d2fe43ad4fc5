"""The matcher at a glance, over HTTP: what became of intents during the last day, and whether canaries come through."""

from typing import Any

from fastapi import FastAPI

from pinai_subnet.matcher.canary import Canary
from pinai_subnet.matcher.statistics import Statistics


def add_summary(app: FastAPI, *, statistics: Statistics, canary: Canary, version: str) -> None:
    """Add the routes."""

    async def show_summary() -> dict[str, Any]:
        """Return what became of intents during the last day."""
        return {
            "version": version,
            "intents": await statistics.last_day(),
            "canary": canary.document(),
        }

    async def prove() -> dict[str, Any]:
        """Send a canary now, or wait for the one under way; 503 where it does not come through."""
        return await canary.prove()

    app.add_api_route("/api/v1/summary", show_summary, methods=["GET"])
    app.add_api_route("/api/v1/canary", prove, methods=["POST"])
