"""An HTTP application with health, metrics, limits and problem errors, and its server. Not the routes."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from types import TracebackType
from typing import Self

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.exceptions import HTTPException

from pinai_subnet.runtime.binding import bind
from pinai_subnet.runtime.errors import cannot_start
from pinai_subnet.runtime.health import Fact, Health
from pinai_subnet.runtime.http_connections import BoundedHttpConnection
from pinai_subnet.runtime.http_middleware import PROBLEM_JSON, ExceptionBoundary, RequestLimits
from pinai_subnet.runtime.metrics import CONTENT_TYPE, Metrics
from pinai_subnet.runtime.problems import HttpErrorMapper, ProblemDetails
from pinai_subnet.runtime.rpc_times import RequestTimer, RpcTimes


def create_app(
    *,
    title: str,
    version: str,
    error_mapper: HttpErrorMapper,
    health: Health,
    metrics: Metrics | None = None,
    times: RpcTimes | None = None,
    docs: bool = False,
    max_body_bytes: int = 1_048_576,
    timeout_seconds: float = 30.0,
) -> FastAPI:
    """Return an application to which routes and routers are added.

    `/openapi.json` is always served, the interactive pages only with `docs`. Probes: `/healthz`, `/livez` and `/readyz`
    answer 200 or 503, `/health` always 200 with the three facts; `/metrics` only where metrics are given. `times` takes
    how long every request took.
    """
    app = FastAPI(
        title=title,
        version=version,
        docs_url="/docs" if docs else None,
        redoc_url=None,
    )
    _add_probes(app, health, metrics)
    _add_error_handlers(app, error_mapper)
    app.add_middleware(ExceptionBoundary, error_mapper=error_mapper)
    app.add_middleware(
        RequestLimits, max_body_bytes=max_body_bytes, timeout_seconds=timeout_seconds
    )
    if times is not None:
        app.add_middleware(RequestTimer, times=times)
    return app


def problem_response(problem: ProblemDetails) -> JSONResponse:
    """Return a problem as a response."""
    return JSONResponse(
        problem.body(), problem.status, headers=dict(problem.headers), media_type=PROBLEM_JSON
    )


def _add_probes(app: FastAPI, health: Health, metrics: Metrics | None) -> None:
    async def healthz() -> Response:
        return _probe(health.alive())

    async def livez() -> Response:
        return _probe(health.alive())

    async def readyz() -> Response:
        return _probe(health.ready())

    async def facts() -> Response:
        return JSONResponse(health.report())

    for path, probe in (
        ("/healthz", healthz),
        ("/livez", livez),
        ("/readyz", readyz),
        ("/health", facts),
    ):
        app.add_api_route(path, probe, methods=["GET", "HEAD"], include_in_schema=False)
    if metrics is not None:

        async def measurements() -> Response:
            metrics.look()
            return Response(await asyncio.to_thread(metrics.text), media_type=CONTENT_TYPE)

        app.add_api_route("/metrics", measurements, methods=["GET"], include_in_schema=False)


def _probe(fact: Fact) -> Response:
    if fact.ok:
        return PlainTextResponse("ok")
    lines = [f"{f.code} {name}: {f.reason}".strip() for name, f in fact.against]
    return PlainTextResponse("\n".join(lines) + "\n", 503)


def _add_error_handlers(app: FastAPI, error_mapper: HttpErrorMapper) -> None:
    async def invalid(_: Request, exc: Exception) -> Response:
        return problem_response(error_mapper(exc) or _invalid(exc))

    async def refused(_: Request, exc: Exception) -> Response:
        return problem_response(error_mapper(exc) or _http_exception(exc))

    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, refused)


def _invalid(exc: Exception) -> ProblemDetails:
    findings = exc.errors() if isinstance(exc, RequestValidationError) else []
    detail = "; ".join(
        f"{'.'.join(str(part) for part in finding['loc'])}: {finding['msg']}"
        for finding in findings[:10]
    )
    return ProblemDetails(status=400, code="SN-H023", title="Invalid request", detail=detail)


def _http_exception(exc: Exception) -> ProblemDetails:
    status = exc.status_code if isinstance(exc, HTTPException) else 500
    detail = str(exc.detail) if isinstance(exc, HTTPException) else ""
    headers = dict(exc.headers or {}) if isinstance(exc, HTTPException) else {}
    return ProblemDetails(
        status=status, code="SN-H024", title="Request refused", detail=detail, headers=headers
    )


class _Uvicorn(uvicorn.Server):
    """The server without its own signal handling: signals belong to the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the process's handlers alone."""
        yield


class HttpServer:
    """Serves an application; an async context manager, or `start` and `stop`."""

    def __init__(
        self,
        app: FastAPI,
        *,
        host: str,
        port: int,
        grace_seconds: float = 5.0,
        max_connections: int = 1000,
    ) -> None:
        """Listen on this address when started; port 0 takes a free one.

        From `max_connections` on requests are answered 503, from twice as many on connections are closed unheard.
        """
        self._host = host
        self._port = port
        config = uvicorn.Config(
            app,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            http=BoundedHttpConnection,
            ws="none",
            timeout_keep_alive=30,
            timeout_graceful_shutdown=max(1, round(grace_seconds)),
            limit_concurrency=max_connections,
        )
        self._server = _Uvicorn(config)
        self._socket: socket.socket | None = None
        self._serving: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """Return the port listened on, once started."""
        return self._port

    async def start(self) -> None:
        """Bind and serve; raise `StartupError` SN-H001 or SN-H002 if the address cannot be had."""
        self._socket = bind(self._host, self._port)
        self._port = self._socket.getsockname()[1]
        self._serving = asyncio.create_task(
            self._server.serve(sockets=[self._socket]), name=f"http_server_{self._port}"
        )
        while not self._server.started:
            if self._serving.done():
                self._socket.close()
                await self._serving
                raise cannot_start(
                    "SN-H002",
                    f"the HTTP server on port {self._port} ended while starting",
                    where=f"{self._host}:{self._port}",
                    fix="read the log lines before this one",
                )
            await asyncio.sleep(0.005)

    async def stop(self) -> None:
        """Stop accepting, let requests finish within the grace period, then close; may be called twice."""
        if self._serving is None:
            return
        serving, self._serving = self._serving, None
        self._server.should_exit = True
        await serving

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()
