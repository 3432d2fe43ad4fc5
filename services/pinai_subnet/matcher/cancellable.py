"""Following a stream until it ends or the process stops. Knows nothing of what the stream carries."""

import asyncio
from collections.abc import AsyncIterator
from typing import TypeVar

from pinai_subnet.runtime.stop import Stop

T = TypeVar("T")


async def next_or_stop(stream: AsyncIterator[T], stop: Stop) -> AsyncIterator[T]:
    """Yield what the stream yields; end when it ends or when stop is set, and close it either way."""
    stopping = asyncio.ensure_future(stop.wait())
    try:
        while True:
            item = asyncio.ensure_future(_next(stream))
            await asyncio.wait((item, stopping), return_when=asyncio.FIRST_COMPLETED)
            if not item.done():
                item.cancel()
                await asyncio.wait((item,))
                return
            try:
                value = item.result()
            except StopAsyncIteration:
                return
            yield value[0]
    finally:
        stopping.cancel()
        close = getattr(stream, "aclose", None)
        if close is not None:
            await close()


async def _next(stream: AsyncIterator[T]) -> tuple[T]:
    return (await anext(stream),)
