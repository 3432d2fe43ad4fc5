"""The bare grpc.aio unary echo: what the transport alone costs in Python. Bytes in, the same bytes out, no message."""

import asyncio
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import grpc

from pinai_subnet.runtime.grpc_server import channel_options

METHOD = "/bench.Echo/Echo"
_WARM_UP_CALLS = 200


async def _echo(request: bytes, _context: Any) -> bytes:
    return request


async def serve(
    _task: Mapping[str, Any], say: Callable[[Mapping[str, Any]], None]
) -> dict[str, Any]:
    """Serve on a free port, say which, and end when stdin is closed."""
    server = grpc.aio.server()
    handler: Any = grpc.unary_unary_rpc_method_handler(_echo)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("bench.Echo", {"Echo": handler}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    say({"port": port})
    await asyncio.to_thread(sys.stdin.read)
    await server.stop(0)
    return {}


async def call(
    task: Mapping[str, Any], _say: Callable[[Mapping[str, Any]], None]
) -> dict[str, Any]:
    """Keep so many calls outstanding for some seconds; return calls and each one's seconds."""
    payload = b"x" * int(task["bytes"])
    async with grpc.aio.insecure_channel(task["target"], options=channel_options()) as channel:
        echo: Any = channel.unary_unary(METHOD)
        for _ in range(_WARM_UP_CALLS):
            await echo(payload)
        begun = time.perf_counter()
        until = begun + float(task["seconds"])
        samples: list[float] = []

        async def caller() -> None:
            while (sent := time.perf_counter()) < until:
                await echo(payload)
                samples.append(time.perf_counter() - sent)

        await asyncio.gather(*(caller() for _ in range(int(task["outstanding"]))))
        return {"seconds": time.perf_counter() - begun, "samples": samples}
