"""Keeps a stream of the matcher open: reads it, and opens it again with a growing pause whenever it ends or breaks."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from pinai_subnet.agent.backoff import Backoff
from pinai_subnet.agent.metrics import AgentMetrics
from pinai_subnet.ports.errors import DependencyError
from pinai_subnet.runtime.clock import Clock
from pinai_subnet.runtime.logs import get_logger

T = TypeVar("T")
_STABLE_SECONDS = 5.0


async def keep_open(
    *,
    name: str,
    open_stream: Callable[[], AsyncIterator[T]],
    handle: Callable[[T], Awaitable[None]],
    backoff: Backoff,
    metrics: AgentMetrics,
    clock: Clock,
) -> None:
    """Pass every item of the stream to `handle` for ever; cancelling is safe.

    A stream that gave something or lived for a while starts the pauses from the beginning (known defect L19: the
    published agent never opens a stream again). An outage is told once, and so is its end.
    """
    log = get_logger()
    broken = False
    while True:
        opened_at, reason = clock.monotonic(), "the stream ended"
        try:
            async for item in open_stream():
                backoff.reset()
                if broken:
                    log.info("stream_restored", stream=name)
                broken = False
                await handle(item)
        except DependencyError as exc:
            reason = str(exc)
        if clock.monotonic() - opened_at > _STABLE_SECONDS:
            backoff.reset()
            broken = False
        pause = backoff.next()
        say = log.debug if broken else log.warning
        say("stream_broke", stream=name, reason=reason, again_in_seconds=round(pause, 2))
        broken = True
        metrics.reconnect(name)
        await clock.sleep(pause)
