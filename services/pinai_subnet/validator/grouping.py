"""Group commit: items that arrive together travel in one command, and an idle log adds no delay. Knows no command."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

from pinai_subnet.protocol.errors import Exhausted, NotReady
from pinai_subnet.runtime.logs import get_logger

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class _Waiting(NamedTuple, Generic[Item, Answer]):
    item: Item
    size: int
    future: "asyncio.Future[Answer]"


class Grouper(Generic[Item, Answer]):
    """Hands groups of items to `commit` and each caller the answer of its own item.

    While fewer than `in_flight` commits run, an item leaves at once; otherwise items gather until one returns. A group
    holds at most `max_items` and `max_bytes` (one larger item travels alone). More than `max_waiting` items, or
    `max_waiting_bytes`, are refused, never kept.
    """

    def __init__(
        self,
        *,
        commit: Callable[[Sequence[Item]], Awaitable[Sequence[Answer]]],
        max_items: int,
        max_bytes: int,
        max_waiting: int,
        max_waiting_bytes: int = 64 * 1024 * 1024,
        in_flight: int = 1,
        name: str = "group",
    ) -> None:
        """`commit` returns one answer per item, in order."""
        self._commit = commit
        self._max_items = max_items
        self._max_bytes = max_bytes
        self._max_waiting = max_waiting
        self._max_waiting_bytes = max_waiting_bytes
        self._in_flight = in_flight
        self._name = name
        self._waiting: deque[_Waiting[Item, Answer]] = deque()
        self._waiting_bytes = 0
        self._running: set[asyncio.Task[None]] = set()
        self._log = get_logger()

    def __len__(self) -> int:
        """Return how many items wait for a commit to begin."""
        return len(self._waiting)

    async def submit(self, item: Item, size: int) -> Answer:
        """Return the answer for one item; raise what `commit` raised, or `Exhausted` SN-V086 when too many wait."""
        return (await self.submit_all([(item, size)]))[0]

    async def submit_all(self, items: Sequence[tuple[Item, int]]) -> list[Answer]:
        """Return the answers of several items, which stay in order but may travel in several groups."""
        size = sum(s for _, s in items)
        full = len(self._waiting) + len(items) > self._max_waiting
        if full or (self._waiting and self._waiting_bytes + size > self._max_waiting_bytes):
            raise Exhausted(
                "SN-V086", f"{len(self._waiting)} reports wait for the log; send again shortly"
            )
        loop = asyncio.get_running_loop()
        added = [_Waiting(item, s, loop.create_future()) for item, s in items]
        self._waiting.extend(added)
        self._waiting_bytes += size
        self._fill()
        # Every future gets a result or an error; gathering them keeps no error unseen when the caller goes away.
        return list(await asyncio.gather(*(waiting.future for waiting in added)))

    async def drain(self) -> None:
        """Wait until nothing waits and nothing is in flight."""
        while self._running:
            await asyncio.wait(set(self._running))

    def _fill(self) -> None:
        while self._waiting and len(self._running) < self._in_flight:
            task = asyncio.get_running_loop().create_task(
                self._run(self._take()), name=f"commit_{self._name}"
            )
            self._running.add(task)
            task.add_done_callback(self._finished)

    def _take(self) -> list[_Waiting[Item, Answer]]:
        group: list[_Waiting[Item, Answer]] = []
        size = 0
        while self._waiting and len(group) < self._max_items:
            following = self._waiting[0].size
            if group and size + following > self._max_bytes:
                break
            size += following
            group.append(self._waiting.popleft())
        self._waiting_bytes -= size
        return group

    async def _run(self, group: list[_Waiting[Item, Answer]]) -> None:
        wanted = [waiting for waiting in group if not waiting.future.done()]
        if not wanted:
            return
        failure: BaseException = NotReady("SN-V085", "the validator is stopping")
        answers: Sequence[Answer] = ()
        try:
            answers = await self._commit([waiting.item for waiting in wanted])
        except asyncio.CancelledError:
            raise
        except Exception as exc:  # noqa: BLE001 - supervision of the group: the callers get the error
            failure = exc
        finally:
            for place, waiting in enumerate(wanted):
                if waiting.future.done():
                    continue
                if place < len(answers):
                    waiting.future.set_result(answers[place])
                else:
                    waiting.future.set_exception(failure)

    def _finished(self, task: "asyncio.Task[None]") -> None:
        self._running.discard(task)
        self._fill()
