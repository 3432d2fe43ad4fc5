"""How long calls to this process took, by method and code, and the ASGI layer that measures it. Not gRPC's calls.

The method is the name of a known handler or the template of a route, never what a caller wrote.
"""

from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pinai_subnet.runtime.metrics import OTHER, Metrics

_BUCKETS = (0.002, 0.01, 0.05, 0.25, 1.0, 5.0)
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
