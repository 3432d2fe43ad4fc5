"""What RootLayer must hear of, in order and durably: assignments made and assignments failed. Blocks no task."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence

from pinai_subnet.matcher.journal import Journal
from pinai_subnet.matcher.wakeup import Backoff, Wakeup
from pinai_subnet.ports.errors import DependencyError, Refused
from pinai_subnet.ports.root_layer import ItemResult, RootLayer
from pinai_subnet.protocol.assignments import Assignment
from pinai_subnet.protocol.canaries import is_canary
from pinai_subnet.runtime.clock import Clock
from pinai_subnet.runtime.logs import get_logger
from pinai_subnet.runtime.stop import Stop


class Outbox:
    """The queue and the loop that empties it. An entry leaves only when RootLayer has answered it."""

    def __init__(
        self,
        *,
        root_layer: RootLayer,
        journal: Journal,
        clock: Clock,
        batch_max: int,
        flush_seconds: float,
        answered: Callable[[Assignment, ItemResult], None],
    ) -> None:
        """Post when `batch_max` wait or the oldest has waited `flush_seconds`."""
        self._root_layer = root_layer
        self._journal = journal
        self._clock = clock
        self._batch_max = batch_max
        self._flush_seconds = flush_seconds
        self._answered = answered
        self._waiting: deque[tuple[int, Assignment]] = deque()
        self._position = 0
        self._oldest_at = 0.0
        self._wakeup = Wakeup(clock)
        self._backoff = Backoff(first_seconds=0.2, longest_seconds=10.0)
        self._log = get_logger()
        self.failing_since: str | None = None
        """Why the last call failed; None while RootLayer answers."""

    def __len__(self) -> int:
        return len(self._waiting)

    def restore(self, entries: Iterable[tuple[int, Assignment]]) -> None:
        """Take what an earlier run left."""
        for position, assignment in entries:
            self._waiting.append((position, assignment))
            self._position = max(self._position, position)
        self._wakeup.nudge()

    def put(self, assignment: Assignment) -> None:
        """Queue one assignment, unless it is a canary's; the journal has it before RootLayer does."""
        if is_canary(assignment.intent_id):
            return
        self._position += 1
        self._journal.post(self._position, assignment)
        if not self._waiting:
            self._oldest_at = self._clock.monotonic()
        self._waiting.append((self._position, assignment))
        self._wakeup.nudge()

    async def run(self, stop: Stop) -> None:
        """Post until stopped; what is left is in the journal."""
        while not stop.is_set:
            if not self._waiting:
                await self._wakeup.wait(stop)
                continue
            pause = self._flush_seconds - (self._clock.monotonic() - self._oldest_at)
            if len(self._waiting) < self._batch_max and pause > 0:
                await self._wakeup.wait(stop, pause)
                continue
            await self._journal.durable_in_time()
            await self._post(stop)

    async def _post(self, stop: Stop) -> None:
        entries = [self._waiting[i] for i in range(min(self._batch_max, len(self._waiting)))]
        try:
            results = await self._call([assignment for _, assignment in entries])
        except DependencyError as exc:
            if self.failing_since is None:
                self._log.warning("root_layer_unreachable", error=str(exc), waiting=len(self))
            self.failing_since = str(exc)
            await stop.wait(self._backoff.next())
            return
        self._backoff.reset()
        if self.failing_since is not None:
            self._log.info("root_layer_reachable")
        self.failing_since = None
        for (position, assignment), result in zip(entries, results, strict=True):
            self._waiting.popleft()
            self._journal.posted(position)
            self._answered(assignment, result)
        self._oldest_at = self._clock.monotonic()

    async def _call(self, assignments: Sequence[Assignment]) -> Sequence[ItemResult]:
        """Post a group; a group that is refused as a whole is posted one by one (known defect D4)."""
        try:
            return await self._root_layer.post_assignments(assignments)
        except Refused as exc:
            if len(assignments) == 1:
                return [ItemResult(ok=False, message=str(exc), receipt_id="")]
            return [(await self._call([assignment]))[0] for assignment in assignments]
