"""How long calls to this process took, by method and code: a gRPC interceptor and an ASGI layer. They only measure.

The method is the name of a known handler or the template of a route, never what a caller wrote.
"""

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from time import perf_counter
from typing import Any

import grpc
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pinai_subnet.runtime.metrics import OTHER, Metrics

_BUCKETS = (0.002, 0.01, 0.05, 0.25, 1.0, 5.0)
_GRPC_CODES = {code.value[0]: code.name for code in grpc.StatusCode}
_VERBS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class RpcTimes:
    """The measurements of one process, fed by its servers."""

    def __init__(self, metrics: Metrics) -> None:
        """Register them."""
        labels = ("protocol", "method", "code")
        self._seconds = metrics.histogram(
            "rpc",
            "seconds",
            "How long answered calls took; calls that stream are not among them",
            labels=labels,
            buckets=_BUCKETS,
            everywhere=True,
        )
        self._streams = metrics.counter(
            "rpc_streams", "Streaming calls that have ended", labels=labels, everywhere=True
        )

    def answered(self, protocol: str, method: str, code: str, seconds: float) -> None:
        """Take one answered call."""
        self._seconds.observe(seconds, protocol=protocol, method=method, code=code)

    def streamed(self, protocol: str, method: str, code: str) -> None:
        """Take one stream that has ended."""
        self._streams.add(protocol=protocol, method=method, code=code)


class CallTimer(grpc.aio.ServerInterceptor):
    """Times every gRPC call whose method exists; outside the error boundary, so that it sees the final code."""

    def __init__(self, times: RpcTimes) -> None:
        """Feed these."""
        self._times = times

    async def intercept_service(
        self, continuation: Any, handler_call_details: grpc.HandlerCallDetails
    ) -> Any:
        """Wrap the handler that the rest of the chain returns."""
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        service, _, name = handler_call_details.method.rpartition("/")
        method = f"{service.rpartition('.')[2]}/{name}"
        decode, encode = handler.request_deserializer, handler.response_serializer
        if handler.request_streaming and handler.response_streaming:
            wrapped = self._streamed(method, handler.stream_stream)
            return grpc.stream_stream_rpc_method_handler(wrapped, decode, encode)
        if handler.request_streaming:
            wrapped = self._single(method, handler.stream_unary)
            return grpc.stream_unary_rpc_method_handler(wrapped, decode, encode)
        if handler.response_streaming:
            wrapped = self._streamed(method, handler.unary_stream)
            return grpc.unary_stream_rpc_method_handler(wrapped, decode, encode)
        wrapped = self._single(method, handler.unary_unary)
        return grpc.unary_unary_rpc_method_handler(wrapped, decode, encode)

    def _single(self, method: str, handle: Callable[..., Awaitable[Any]]) -> Any:
        async def call(request: Any, context: Any) -> Any:
            began = perf_counter()
            cancelled = False
            try:
                return await handle(request, context)
            except asyncio.CancelledError:
                cancelled = True
                raise
            finally:
                code = _code(context, cancelled=cancelled)
                self._times.answered("grpc", method, code, perf_counter() - began)

        return call

    def _streamed(self, method: str, handle: Callable[..., Any]) -> Any:
        async def call(request: Any, context: Any) -> AsyncIterator[Any]:
            cancelled = False
            answers = handle(request, context)
            try:
                if inspect.isawaitable(answers):
                    await answers
                    return
                async for answer in answers:
                    yield answer
            except (asyncio.CancelledError, GeneratorExit):
                cancelled = True
                raise
            finally:
                self._times.streamed("grpc", method, _code(context, cancelled=cancelled))

        return call


class RequestTimer:
    """Times every HTTP request; the outermost layer of an application."""

    def __init__(self, app: ASGIApp, *, times: RpcTimes) -> None:
        """Wrap an application."""
        self._app = app
        self._times = times

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = perf_counter()
        status, took = 0, 0.0

        async def noted(message: Message) -> None:
            nonlocal status, took
            if message["type"] == "http.response.start":
                status, took = message["status"], perf_counter() - began
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            seconds = took or perf_counter() - began
            self._times.answered("http", _route(scope), str(status or "none"), seconds)


def _route(scope: Scope) -> str:
    verb = scope["method"] if scope["method"] in _VERBS else OTHER
    path = getattr(scope.get("route"), "path", None)
    return f"{verb} {path or OTHER}"


def _code(context: Any, *, cancelled: bool) -> str:
    code = context.code()
    known = isinstance(code, grpc.StatusCode)
    name = code.name if known else _GRPC_CODES.get(int(code or 0), OTHER)
    return "CANCELLED" if cancelled and name == "OK" else name
