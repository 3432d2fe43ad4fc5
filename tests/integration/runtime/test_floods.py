"""Connections and compressed messages that want more than they may have: bounded, refused, and others are served.

operators.md row 33.
"""

import asyncio
import gzip
import resource
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import httpx
import pytest

from pinai_subnet.runtime import grpc_server as grpc_module
from pinai_subnet.runtime.grpc_server import GrpcServer
from pinai_subnet.runtime.health import Health
from pinai_subnet.runtime.http_connections import BoundedHttpConnection
from pinai_subnet.runtime.http_server import HttpServer, create_app
from pinai_subnet.wire.status import grpc_status, http_problem

MIB = 1 << 20


@asynccontextmanager
async def grpc_running(**options: int) -> AsyncIterator[GrpcServer]:
    async def echo(request: bytes, _: object) -> bytes:
        return len(request).to_bytes(8, "big")

    handler = grpc.method_handlers_generic_handler(
        "test.Echo", {"Call": grpc.unary_unary_rpc_method_handler(echo)}
    )
    async with GrpcServer(
        host="127.0.0.1",
        port=0,
        register=[lambda server: server.add_generic_rpc_handlers((handler,))],
        error_mapper=grpc_status,
        **options,  # type: ignore[arg-type]
    ) as server:
        yield server


async def call(port: int, payload: bytes, **options: object) -> int:
    """Call over a connection of its own and return the length that arrived."""
    async with grpc.aio.insecure_channel(
        f"127.0.0.1:{port}",
        options=[("grpc.use_local_subchannel_pool", 1), ("grpc.max_send_message_length", -1)],
    ) as channel:
        answer = await channel.unary_unary("/test.Echo/Call")(payload, timeout=10, **options)
        return int.from_bytes(answer, "big")


def silent(port: int, count: int) -> list[socket.socket]:
    connections = []
    for _ in range(count):
        connection = socket.create_connection(("127.0.0.1", port))
        connection.setblocking(False)
        connections.append(connection)
    return connections


def closed(connections: list[socket.socket]) -> int:
    """Return how many the other side has closed; what it said before is read away."""
    count = 0
    for connection in connections:
        try:
            while connection.recv(4096):
                pass
            count += 1
        except BlockingIOError:
            pass
        except OSError:
            count += 1
    return count


async def until_closed(connections: list[socket.socket], count: int, seconds: float) -> None:
    end = time.monotonic() + seconds
    while closed(connections) < count:
        assert time.monotonic() < end, f"{closed(connections)} of {len(connections)} closed"
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("mebibytes", [1, 64])
async def test_a_message_that_grows_when_it_is_unpacked_is_refused_by_its_real_size(
    mebibytes: int,
) -> None:
    """A few KiB on the wire, more than the limit in memory: gRPC stops unpacking at the limit."""
    async with grpc_running(max_message_bytes=65_536) as server:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        payload = bytes(mebibytes * MIB)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call(server.port, payload, compression=grpc.Compression.Gzip)
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        # The sender's own copies are in this process too; an unpacked copy at the server would be another one.
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        assert grown < 3 * mebibytes * 1024 + 40_000
        small = await call(server.port, bytes(60_000), compression=grpc.Compression.Gzip)
        assert small == 60_000


async def test_silent_grpc_connections_are_bounded_and_time_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(grpc_module, "_HANDSHAKE_MS", 1500)
    async with grpc_running(max_connections=40) as server:
        flood = await asyncio.to_thread(silent, server.port, 120)
        await until_closed(flood, 80, 3)
        await until_closed(flood, 120, 10)
        assert await call(server.port, b"abc") == 3
        for connection in flood:
            connection.close()


@asynccontextmanager
async def http_running(max_connections: int) -> AsyncIterator[HttpServer]:
    health = Health()
    health.mark_running()
    app = create_app(title="t", version="1", error_mapper=http_problem, health=health)

    @app.post("/length")
    async def length(body: dict[str, int]) -> int:
        return len(body)

    async with HttpServer(app, host="127.0.0.1", port=0, max_connections=max_connections) as server:
        yield server


async def test_silent_http_connections_are_bounded_and_time_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(BoundedHttpConnection, "header_seconds", 1.0)
    async with http_running(30) as server:
        flood = await asyncio.to_thread(silent, server.port, 100)
        await until_closed(flood, 40, 3)
        await until_closed(flood, 100, 6)
        async with httpx.AsyncClient() as client:
            answer = await client.get(f"http://127.0.0.1:{server.port}/readyz")
        assert answer.status_code == 200
        for connection in flood:
            connection.close()


async def test_headers_that_trickle_in_end_the_connection_and_patient_requests_do_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(BoundedHttpConnection, "header_seconds", 0.6)
    async with http_running(30) as server:
        (slow,) = silent(server.port, 1)
        slow.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\n")
        ended = False
        for _ in range(40):
            await asyncio.sleep(0.1)
            try:
                slow.sendall(b"X-Padding: 1\r\n")
                ended = slow.recv(100) == b""
            except BlockingIOError:
                continue
            except OSError:
                ended = True
            if ended:
                break
        assert ended
        async with httpx.AsyncClient() as client:
            for _ in range(3):
                answer = await client.get(f"http://127.0.0.1:{server.port}/readyz")
                assert answer.status_code == 200
                await asyncio.sleep(0.8)
        slow.close()


async def test_a_compressed_http_body_is_not_unpacked() -> None:
    bomb = gzip.compress(bytes(50 * MIB))
    async with http_running(30) as server, httpx.AsyncClient() as client:
        answer = await client.post(
            f"http://127.0.0.1:{server.port}/length",
            content=bomb,
            headers={"content-encoding": "gzip", "content-type": "application/json"},
        )
    assert len(bomb) < 60_000
    assert answer.status_code == 400
    assert answer.json()["code"] == "SN-H024"
