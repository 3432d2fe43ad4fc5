"""So many calls outstanding for some seconds, and how long each took. What a call does is the caller's matter."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

from tests.bench.figures import Spread

WARM_UP_PART = 0.15
"""Of the measured seconds, run before them and not counted."""


async def pump(
    call: Callable[[int], Awaitable[object]], *, outstanding: int, seconds: float
) -> dict[str, Any]:
    """Keep `outstanding` calls under way, each told its number; return rate and latencies of what a warm-up left."""
    begun = time.perf_counter() + WARM_UP_PART * seconds
    until = begun + seconds
    samples: list[float] = []
    number = 0

    async def caller() -> None:
        nonlocal number
        while (sent := time.perf_counter()) < until:
            number += 1
            await call(number)
            ended = time.perf_counter()
            if ended >= begun:
                samples.append(ended - sent)

    await asyncio.gather(*(caller() for _ in range(outstanding)))
    # Calls that were under way at the end are part of both the count and the time.
    passed = time.perf_counter() - begun
    return {"per_second": len(samples) / passed} | asdict(Spread.of(samples))
