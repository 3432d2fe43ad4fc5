"""One question for all who ask it at about the same time, so many questions at once, and so many answers kept."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from pinai_subnet.runtime.clock import Clock

T = TypeVar("T")


class Shared(Generic[T]):
    """Answers by key: who asks while one is fresh or under way gets that one, errors included."""

    def __init__(
        self, *, clock: Clock, fresh_seconds: float, at_once: int, remembered: int
    ) -> None:
        """Ask at most `at_once` questions side by side, further ones wait; keep `remembered` answers."""
        self._clock = clock
        self._fresh = fresh_seconds
        self._remembered = remembered
        self._places = asyncio.Semaphore(at_once)
        self._answers: OrderedDict[str, tuple[float, asyncio.Task[T]]] = OrderedDict()

    async def get(self, key: str, ask: Callable[[], Awaitable[T]]) -> T:
        """Return the answer to the question of this key; who goes away does not end it for the others."""
        now = self._clock.monotonic()
        known = self._answers.get(key)
        if known is None or (known[1].done() and now - known[0] > self._fresh):
            self._answers.pop(key, None)
            task = asyncio.create_task(self._asked(ask), name="shared_question")
            task.add_done_callback(_looked_at)
            self._answers[key] = known = (now, task)
            self._forget()
        return await asyncio.shield(known[1])

    async def _asked(self, ask: Callable[[], Awaitable[T]]) -> T:
        async with self._places:
            return await ask()

    def _forget(self) -> None:
        """Drop the oldest answers; what is still being asked stays."""
        for key in [key for key, (_, task) in self._answers.items() if task.done()]:
            if len(self._answers) <= self._remembered:
                return
            del self._answers[key]


def _looked_at(task: asyncio.Task[T]) -> None:
    """Look at the outcome, so that one that nobody waits for any more is not reported as forgotten."""
    if not task.cancelled():
        task.exception()
