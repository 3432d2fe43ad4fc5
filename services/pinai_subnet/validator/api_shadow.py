"""The HTTP side of a candidate policy: what it would have said so far. Reads only; files are changed by `subnetctl`."""

from fastapi import APIRouter, FastAPI

from pinai_subnet.validator.shadow import Document, ShadowRun

SHADOW_PATH = "/api/v1/policies/shadow"


def add_shadow_routes(app: FastAPI, *, shadow: ShadowRun) -> None:
    """Add the route of the shadow run to a validator's application."""
    router = APIRouter(tags=["policies"])

    @router.get(SHADOW_PATH)
    async def show_shadow() -> Document:
        """Return active and candidate policies, how often their verdicts agreed, and the newest differences."""
        return shadow.document()

    app.include_router(router)
