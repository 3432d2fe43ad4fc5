"""Waiting a bounded time for an assignment that a report names: agents can be faster than the matcher's hand-over."""

import asyncio
from collections.abc import Sequence

from pinai_subnet.protocol.ids import AssignmentId
from pinai_subnet.validator.events import Event, StageReached
from pinai_subnet.validator.records import Stage


class AssignmentArrivals:
    """Lets a report wait a bounded time for its assignment."""

    def __init__(self, *, max_waiting: int) -> None:
        """Refuse to wait for more than this many at once."""
        self._max_waiting = max_waiting
        self._waiting: dict[AssignmentId, set[asyncio.Future[None]]] = {}
        self._count = 0

    def on_events(self, events: Sequence[Event]) -> None:
        """Wake whoever waits for an assignment that has just been recorded."""
        for event in events:
            if isinstance(event, StageReached) and event.stage is Stage.ASSIGNED:
                for future in self._waiting.pop(event.assignment_id, ()):
                    if not future.done():
                        future.set_result(None)

    async def wait(self, assignment_id: AssignmentId, seconds: float) -> None:
        """Return when the assignment has arrived or the time is over."""
        if self._count >= self._max_waiting:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(assignment_id, set()).add(future)
        self._count += 1
        try:
            await asyncio.wait((future,), timeout=seconds)
        finally:
            self._count -= 1
            waiting = self._waiting.get(assignment_id)
            if waiting is not None:
                waiting.discard(future)
                if not waiting:
                    del self._waiting[assignment_id]
