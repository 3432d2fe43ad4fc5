"""A gRPC server with our limits and error boundary, run in our event loop. Not the services it carries."""

import asyncio
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

import grpc

from pinai_subnet.runtime.binding import address_text, bind, in_use
from pinai_subnet.runtime.grpc_boundary import ErrorBoundary
from pinai_subnet.runtime.grpc_times import CallTimer
from pinai_subnet.runtime.problems import GrpcErrorMapper
from pinai_subnet.runtime.rpc_times import RpcTimes

MAX_MESSAGE_BYTES = 4 * 1024 * 1024
MAX_CONNECTIONS = 2000
_HANDSHAKE_MS = 10_000


def channel_options(max_message_bytes: int = MAX_MESSAGE_BYTES) -> list[tuple[str, Any]]:
    """Return the options for our own clients: the same limits, keepalive that notices a dead peer in seconds."""
    return [
        ("grpc.max_send_message_length", max_message_bytes),
        ("grpc.max_receive_message_length", max_message_bytes),
        ("grpc.keepalive_time_ms", 15_000),
        ("grpc.keepalive_timeout_ms", 5_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.enable_http_proxy", 0),
    ]


def _server_options(max_message_bytes: int, max_connections: int) -> list[tuple[str, Any]]:
    return [
        ("grpc.max_allowed_incoming_connections", max_connections),
        # A connection that does not begin to speak would stay for two minutes otherwise.
        ("grpc.server_handshake_timeout_ms", _HANDSHAKE_MS),
        # Without this a second process would share the port and take half of the calls.
        ("grpc.so_reuseport", 0),
        ("grpc.max_send_message_length", max_message_bytes),
        ("grpc.max_receive_message_length", max_message_bytes),
        # Clients may ping on idle connections, as published agents do.
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
        ("grpc.http2.max_ping_strikes", 0),
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
    ]


class GrpcServer:
    """Serves the registered services; an async context manager, or `start` and `stop`."""

    def __init__(
        self,
        *,
        host: str,
        port: int,
        register: Sequence[Callable[[grpc.aio.Server], None]],
        error_mapper: GrpcErrorMapper,
        interceptors: Sequence[Any] = (),
        max_message_bytes: int = MAX_MESSAGE_BYTES,
        max_concurrent_calls: int | None = None,
        max_connections: int = MAX_CONNECTIONS,
        credentials: grpc.ServerCredentials | None = None,
        grace_seconds: float = 5.0,
        times: RpcTimes | None = None,
    ) -> None:
        """Listen on this address when started; port 0 takes a free one. `times` takes how long every call took.

        Each of `register` adds one service (`lambda server: add_XServicer_to_server(servicer, server)`).
        `interceptors` run inside the error boundary, in the given order.
        """
        self._host = host
        self._port = port
        self._register = register
        timers = () if times is None else (CallTimer(times),)
        self._interceptors = (*timers, ErrorBoundary(error_mapper), *interceptors)
        self._options = _server_options(max_message_bytes, max_connections)
        self._max_concurrent_calls = max_concurrent_calls
        self._credentials = credentials
        self._grace_seconds = grace_seconds
        self._server: grpc.aio.Server | None = None
        self.stopping = asyncio.Event()
        """Set when the server stops: never-ending streams must end when they see it."""

    @property
    def port(self) -> int:
        """Return the port listened on, once started."""
        return self._port

    async def start(self) -> None:
        """Bind and serve; raise `StartupError` SN-H001 or SN-H002 if the address cannot be had."""
        if self._port:
            # gRPC only says "failed to bind" and writes its own lines on stderr; asking first gives the reason.
            bind(self._host, self._port).close()
        server = grpc.aio.server(
            interceptors=self._interceptors,
            options=self._options,
            maximum_concurrent_rpcs=self._max_concurrent_calls,
        )
        for register in self._register:
            register(server)
        address = address_text(self._host or "0.0.0.0", self._port)  # noqa: S104 - an empty host means all, as for HTTP
        try:
            if self._credentials is None:
                bound = server.add_insecure_port(address)
            else:
                bound = server.add_secure_port(address, self._credentials)
        except RuntimeError as exc:
            raise in_use(self._host, self._port) from exc
        if bound == 0:
            raise in_use(self._host, self._port)
        self._port = bound
        await server.start()
        self._server = server

    async def stop(self, grace_seconds: float | None = None) -> None:
        """Refuse new calls, end the streams, let calls finish within the grace period; may be called twice."""
        self.stopping.set()
        if self._server is None:
            return
        server, self._server = self._server, None
        await server.stop(self._grace_seconds if grace_seconds is None else grace_seconds)

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
