"""Brings signed assignments to the validators, in groups, again and again until they answer. Decides nothing.

While one call is under way the next group gathers, so an idle network waits for nobody and a busy one shares calls.
"""

import secrets
from collections import deque
from collections.abc import Callable, Sequence

from pinai_subnet.matcher.case import AttemptState
from pinai_subnet.matcher.journal import Journal
from pinai_subnet.matcher.tasks import Task
from pinai_subnet.matcher.wakeup import Backoff, Wakeup
from pinai_subnet.ports.errors import DependencyError, Refused, Unreachable
from pinai_subnet.ports.ledger import Ledger, RecordAnswer
from pinai_subnet.runtime.clock import Clock
from pinai_subnet.runtime.logs import get_logger
from pinai_subnet.runtime.stop import Stop

LEDGER_FULL = "SN-V011"
"""The validators' code for a record they may take later: it is kept and sent again."""


class Recorder:
    """The queue of drafted assignments and the loop that empties it. Bounded by the number of open intents."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        journal: Journal,
        clock: Clock,
        batch_max: int,
        answered: Callable[[Task, RecordAnswer], None],
    ) -> None:
        """Tell `answered` what the validators said to each assignment."""
        self._ledger = ledger
        self._journal = journal
        self._batch_max = batch_max
        self._answered = answered
        self._waiting: deque[Task] = deque()
        self._wakeup = Wakeup(clock)
        self._backoff = Backoff(first_seconds=0.1, longest_seconds=3.0)
        self._log = get_logger()
        self.failing_since: str | None = None
        """Why the last call failed; None while the validators answer."""

    def put(self, task: Task) -> None:
        """Queue one drafted assignment."""
        self._waiting.append(task)
        self._wakeup.nudge()

    def __len__(self) -> int:
        return len(self._waiting)

    async def run(self, stop: Stop) -> None:
        """Record until stopped; what is left is in the journal."""
        while not stop.is_set:
            tasks = self._gather()
            if not tasks:
                await self._wakeup.wait(stop)
                continue
            # Nothing leaves this process that a restart would not remember.
            await self._journal.durable_in_time()
            try:
                await self._record(tasks)
            except DependencyError as exc:
                self._waiting.extendleft(reversed(tasks))
                if self.failing_since is None:
                    self._log.warning("validators_unreachable", error=str(exc), waiting=len(self))
                self.failing_since = str(exc)
                await stop.wait(self._backoff.next())
            else:
                self._backoff.reset()
                if self.failing_since is not None:
                    self._log.info("validators_reachable")
                self.failing_since = None

    def _gather(self) -> list[Task]:
        tasks: list[Task] = []
        while self._waiting and len(tasks) < self._batch_max:
            task = self._waiting.popleft()
            if task.attempt.state is AttemptState.DRAFTED:
                tasks.append(task)
        return tasks

    async def _record(self, tasks: Sequence[Task]) -> None:
        try:
            answers = await self._call(tasks)
        except Refused as exc:
            if len(tasks) == 1:
                refusal = RecordAnswer(
                    assignment_id=tasks[0].attempt.assignment_id,
                    accepted=False,
                    code=exc.code,
                    message=exc.message,
                )
                self._answered(tasks[0], refusal)
                return
            # One record the validators cannot even read must not keep the others back.
            for position, task in enumerate(tasks):
                try:
                    await self._record([task])
                except DependencyError:
                    self._waiting.extend(tasks[position + 1 :])
                    self._waiting.append(task)
                    return
            return
        for task, answer in zip(tasks, answers, strict=True):
            if answer.code == LEDGER_FULL:
                raise Unreachable(answer.code, answer.message)
            self._answered(task, answer)

    async def _call(self, tasks: Sequence[Task]) -> Sequence[RecordAnswer]:
        return await self._ledger.record_assignments(
            [task.attempt.record for task in tasks], request_id=secrets.token_hex(16)
        )
