"""ASGI layers around an HTTP application: size limit, time limit, exception boundary. Not the application."""

import asyncio
import contextlib
import json

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pinai_subnet.runtime.logs import get_logger
from pinai_subnet.runtime.problems import HttpErrorMapper, ProblemDetails

PROBLEM_JSON = "application/problem+json"

_DISCARD_BYTES = 8 * 1024 * 1024
_DISCARD_SECONDS = 2.0


class _TooLarge(Exception):
    """The body exceeded the limit."""


async def send_problem(send: Send, problem: ProblemDetails, *, close: bool = False) -> None:
    """Send a problem as a complete response; `close` ends the connection, for requests that were not read fully."""
    body = json.dumps(problem.body()).encode()
    headers = [
        (b"content-type", PROBLEM_JSON.encode()),
        (b"content-length", str(len(body)).encode()),
        *((name.lower().encode(), value.encode()) for name, value in problem.headers.items()),
    ]
    if close:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class ExceptionBoundary:
    """Turns every exception into a problem: known ones by the mapper, others into a 500 and one ERROR line."""

    def __init__(self, app: ASGIApp, *, error_mapper: HttpErrorMapper) -> None:
        """Wrap an application."""
        self._app = app
        self._map = error_mapper
        self._log = get_logger()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def tracked(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, tracked)
        except Exception as exc:
            problem = self._map(exc)
            if problem is None:
                path = scope.get("path", "")
                self._log.error("http_request_failed", path=path, error=str(exc), exc_info=exc)
                problem = INTERNAL
            if started:
                raise  # the server cuts the connection: half a response must not look complete
            await send_problem(send, problem)


class RequestLimits:
    """Reads the whole body, within a size and a time, before the application sees the request."""

    def __init__(self, app: ASGIApp, *, max_body_bytes: int, timeout_seconds: float) -> None:
        """Allow this much body, and this long until the response begins."""
        self._app = app
        self._max = max_body_bytes
        self._timeout = timeout_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 413 or 408 or 504."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(self._timeout):
                body = await self._body(scope, receive)
        except _TooLarge:
            if b"expect" not in dict(scope["headers"]):
                await _discard(receive)
            await send_problem(send, self._too_large(), close=True)
            return
        except TimeoutError:
            await send_problem(send, _SLOW_REQUEST, close=True)
            return
        if body is not None:
            await self._answer(scope, receive, send, body)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, body: bytes) -> None:
        delivered = False
        started = False

        async def replay() -> Message:
            nonlocal delivered
            if delivered:
                return await receive()
            delivered = True
            return {"type": "http.request", "body": body, "more_body": False}

        deadline = asyncio.timeout(self._timeout)

        async def tracked(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                deadline.reschedule(None)  # a response that streams may take as long as it likes
            await send(message)

        try:
            async with deadline:
                await self._app(scope, replay, tracked)
        except TimeoutError:
            if started or not deadline.expired():
                raise
            await send_problem(send, _SLOW_ANSWER)

    async def _body(self, scope: Scope, receive: Receive) -> bytes | None:
        """Return the body, or None when the client went away."""
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > self._max:
            raise _TooLarge
        chunks: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            chunk = message.get("body", b"")
            size += len(chunk)
            if size > self._max:
                raise _TooLarge
            chunks.append(chunk)
            if not message.get("more_body", False):
                return b"".join(chunks)

    def _too_large(self) -> ProblemDetails:
        return ProblemDetails(
            status=413,
            code="SN-H020",
            title="Request too large",
            detail=f"the body is larger than {self._max} bytes",
        )


async def _discard(receive: Receive) -> None:
    """Read a refused body to its end, within bounds: closing with bytes unread would reset the answer away."""
    discarded = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_DISCARD_SECONDS):
            while discarded < _DISCARD_BYTES:
                message = await receive()
                discarded += len(message.get("body", b""))
                if not message.get("more_body", False):
                    return


INTERNAL = ProblemDetails(
    status=500, code="SN-H029", title="Internal error", detail="the request failed unexpectedly"
)
_SLOW_REQUEST = ProblemDetails(
    status=408, code="SN-H021", title="Request too slow", detail="the body did not arrive in time"
)
_SLOW_ANSWER = ProblemDetails(
    status=504,
    code="SN-H022",
    title="Answer too slow",
    detail="the request was not answered in time",
)
