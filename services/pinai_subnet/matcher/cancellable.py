"""Following a stream until it ends or the process stops. Knows nothing of what the stream carries."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import TypeVar

from pinai_subnet.runtime.stop import Stop

T = TypeVar("T")


async def next_or_stop(stream: AsyncIterator[T], stop: Stop) -> AsyncIterator[T]:
    """Yield what the stream yields; end when it ends or when stop is set, and close it either way."""
    try:
        while not stop.is_set:
            limit = asyncio.timeout(None)
            try:
                async with limit:
                    with stop.calling(partial(limit.reschedule, 0.0)):
                        item = await anext(stream)
            except StopAsyncIteration:
                return
            except TimeoutError:
                if limit.expired():
                    return
                raise
            yield item
    finally:
        close = getattr(stream, "aclose", None)
        if close is not None:
            await close()
