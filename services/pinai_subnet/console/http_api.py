"""The console's HTTP face: asks who calls, calls the page, answers; and the open streams. No content of its own."""

from typing import Annotated, Any
from urllib.parse import parse_qs, quote

from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, StreamingResponse
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from pinai_subnet.console.access import COOKIE, Access, Visitor
from pinai_subnet.console.guards import SecurityHeaders
from pinai_subnet.console.members import MAX_OFFSET
from pinai_subnet.console.pages import Pages
from pinai_subnet.console.static_files import StaticFiles
from pinai_subnet.console.streams import Reader, Streams
from pinai_subnet.insight.intent_story import document
from pinai_subnet.ports.errors import DependencyError
from pinai_subnet.protocol.errors import (
    Exhausted,
    Forbidden,
    NotFound,
    SubnetError,
    Unauthenticated,
)
from pinai_subnet.runtime.http_server import problem_response
from pinai_subnet.runtime.problems import ProblemDetails
from pinai_subnet.wire.status import http_problem

_FOR_EVER = "public, max-age=31536000, immutable"
Offset = Annotated[int, Query(ge=0, le=MAX_OFFSET)]


class EventStream(StreamingResponse):
    """The answer that stays open; its place among the streams is given back however it ends."""

    def __init__(self, reader: Reader) -> None:
        """Send what this reader gets."""
        super().__init__(
            reader.chunks(),
            media_type="text/event-stream",
            headers={"x-accel-buffering": "no"},
        )
        self._reader = reader

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer until either side ends it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._reader.close()


def add_routes(
    app: FastAPI, *, pages: Pages, access: Access, streams: Streams, files: StaticFiles
) -> None:
    """Add every route and the security headers to an application."""
    guard = _Guard(access)
    app.include_router(_pages(pages), dependencies=[Depends(guard)], include_in_schema=False)
    app.include_router(_interfaces(pages, streams), dependencies=[Depends(guard)])
    app.include_router(_doors(pages, access), include_in_schema=False)
    app.include_router(_files(files), include_in_schema=False)
    _add_problems(app, pages)
    app.add_middleware(SecurityHeaders)


class _Guard:
    """Lets a request through that comes to the right name from somebody who may read."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def __call__(self, request: Request) -> None:
        visitor = visitor_of(request)
        self._access.check_host(visitor)
        self._access.check(visitor)


def visitor_of(request: Request) -> Visitor:
    """Return what a request shows of who sent it."""
    return Visitor(
        address=request.client.host if request.client else "unknown",
        host=request.url.hostname or "",
        cookie=request.cookies.get(COOKIE, ""),
        authorization=request.headers.get("authorization", ""),
    )


def _partial(request: Request) -> bool:
    return request.headers.get("hx-request") == "true"


Partial = Annotated[bool, Depends(_partial)]


def _pages(pages: Pages) -> APIRouter:
    router = APIRouter(default_response_class=HTMLResponse)

    @router.get("/")
    async def overview(partial: Partial) -> str:
        return await pages.overview(partial=partial)

    @router.get("/intents")
    async def intents(
        partial: Partial,
        phase: str = "",
        intent_type: Annotated[str, Query(alias="type")] = "",
        offset: Offset = 0,
        find: str = "",
    ) -> Response:
        if find.strip():
            return RedirectResponse(f"/intents/{quote(find.strip()[:80], safe='')}", 303)
        html = await pages.intents(
            phase=phase, intent_type=intent_type, find=find, offset=offset, partial=partial
        )
        return HTMLResponse(html)

    @router.get("/intents/{intent_id}")
    async def intent(intent_id: str, partial: Partial) -> str:
        return await pages.intent(intent_id, partial=partial)

    @router.get("/auctions")
    async def auctions(partial: Partial, offset: Offset = 0) -> str:
        return await pages.auctions(offset=offset, partial=partial)

    @router.get("/validators")
    async def validators(partial: Partial) -> str:
        return await pages.validators(partial=partial)

    @router.get("/agents")
    async def agents(partial: Partial) -> str:
        return await pages.agents(partial=partial)

    @router.get("/settlement")
    async def settlement(partial: Partial) -> str:
        return await pages.settlement(partial=partial)

    @router.get("/alerts")
    async def alerts(partial: Partial) -> str:
        return await pages.alerts(partial=partial)

    @router.get("/codes/{code}")
    async def code(code: str, partial: Partial) -> str:
        return await pages.code(code, partial=partial)

    @router.get("/runbooks/{name}")
    async def runbook(name: str, partial: Partial) -> str:
        return await pages.runbook(name, partial=partial)

    return router


def _interfaces(pages: Pages, streams: Streams) -> APIRouter:
    router = APIRouter(tags=["console"])

    @router.get("/api/v1/network")
    async def show_network() -> dict[str, Any]:
        """The newest look at the network: health, members, quorums, problems."""
        return await pages.network()

    @router.get("/api/v1/intents/{intent_id}/story")
    async def tell_story(intent_id: str) -> JSONResponse:
        """The whole story of one intent, as `subnetctl intent explain` tells it."""
        return JSONResponse(document(await pages.story(intent_id)))

    @router.get("/events", include_in_schema=False)
    async def events() -> EventStream:
        return EventStream(streams.read("strip", "changed"))

    return router


def _doors(pages: Pages, access: Access) -> APIRouter:
    router = APIRouter(default_response_class=HTMLResponse)

    @router.get("/sign-in")
    async def ask(request: Request, to: str = "/") -> Response:
        access.check_host(visitor_of(request))
        return HTMLResponse(pages.sign_in(onwards=_onwards(to)))

    @router.post("/sign-in")
    async def sign_in(request: Request) -> Response:
        visitor = visitor_of(request)
        access.check_host(visitor)
        _same_site(request)
        form = parse_qs((await request.body()).decode("utf-8", "replace"), max_num_fields=8)
        onwards = _onwards(form.get("to", ["/"])[0])
        try:
            cookie = access.sign_in(form.get("token", [""])[0], visitor)
        except (Unauthenticated, Exhausted) as error:
            problem = http_problem(error)
            status = 401 if problem is None else problem.status
            return HTMLResponse(pages.sign_in(onwards=onwards, error=error), status)
        answer = RedirectResponse(onwards, 303)
        answer.set_cookie(
            COOKIE,
            cookie,
            max_age=access.session_seconds,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return answer

    @router.post("/sign-out")
    async def sign_out(request: Request) -> Response:
        _same_site(request)
        answer = RedirectResponse("/sign-in", 303)
        answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return answer

    return router


def _same_site(request: Request) -> None:
    """Raise `Forbidden` SN-N132 for a form that another site's page sent."""
    if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        raise Forbidden("SN-N132", "the form was sent by a page of another site")


def _onwards(to: str) -> str:
    """Return where to go after signing in: a path of this console, never another site."""
    safe = to.startswith("/") and not to.startswith(("//", "/\\")) and to.isprintable()
    return to if safe and len(to) <= 500 else "/"


def _files(files: StaticFiles) -> APIRouter:
    router = APIRouter()

    @router.get("/static/{name}")
    async def static(name: str) -> Response:
        file = files.find(name)
        if file is None:
            raise NotFound("SN-N130", "no such file")
        return Response(
            file.content, media_type=file.media_type, headers={"cache-control": _FOR_EVER}
        )

    return router


def _add_problems(app: FastAPI, pages: Pages) -> None:
    """Answer errors with a page where a browser asked for one, and let it sign in where that is what is missing."""

    def answer(request: Request, problem: ProblemDetails) -> Response:
        wants_page = "text/html" in request.headers.get("accept", "")
        if problem.code == "SN-N121" and _partial(request):
            return Response(status_code=401, headers={"HX-Redirect": "/sign-in"})
        if not wants_page:
            return problem_response(problem)
        if problem.code == "SN-N121":
            to = quote(request.url.path, safe="/")
            return RedirectResponse(f"/sign-in?to={to}", 303)
        html = pages.problem(
            status=problem.status, code=problem.code, title=problem.title, detail=problem.detail
        )
        return HTMLResponse(html, problem.status, headers=dict(problem.headers))

    async def known(request: Request, exc: Exception) -> Response:
        problem = http_problem(exc)
        if problem is None:
            raise exc
        return answer(request, problem)

    async def malformed(request: Request, exc: Exception) -> Response:
        places = exc.errors() if isinstance(exc, RequestValidationError) else []
        named = ", ".join(".".join(str(part) for part in place["loc"]) for place in places[:5])
        return answer(
            request,
            ProblemDetails(
                status=400, code="SN-N131", title="Malformed address", detail=named[:200]
            ),
        )

    async def elsewhere(request: Request, exc: Exception) -> Response:
        status = exc.status_code if isinstance(exc, HTTPException) else 500
        detail = "there is no such page" if status == 404 else "that cannot be done here"
        problem = ProblemDetails(status=status, code="SN-N130", title="Not found", detail=detail)
        return answer(request, problem)

    app.add_exception_handler(SubnetError, known)
    app.add_exception_handler(DependencyError, known)
    app.add_exception_handler(RequestValidationError, malformed)
    app.add_exception_handler(HTTPException, elsewhere)
