"""Takes tasks: accepts or declines each, runs several at once, hands reports on. Not how a task is executed."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine

from pinai_subnet.agent.backoff import Backoff
from pinai_subnet.agent.execution import Execution
from pinai_subnet.agent.journal import KEPT_CLOSED, Journal
from pinai_subnet.agent.metrics import AgentMetrics
from pinai_subnet.agent.network import Matcher
from pinai_subnet.agent.options import AgentOptions
from pinai_subnet.agent.work import Task
from pinai_subnet.ports.errors import DependencyError, Refused, Unreachable
from pinai_subnet.protocol.reports import ExecutionReport
from pinai_subnet.runtime.clock import Clock
from pinai_subnet.runtime.errors import NoRoom
from pinai_subnet.runtime.logs import get_logger

_ANSWERS_AT_ONCE = 64
MAX_UNDELIVERED = 500
"""Reports without a receipt above which no task is taken: validators that stay away cost no memory without end."""
_RESPONSE_ATTEMPTS = 6


class Worker:
    """The agent's hands. A task is in the journal before it is accepted, and its report before it is handed on.

    A task that arrives again (a replay after a reconnect) is acknowledged again and not done again.
    """

    def __init__(
        self,
        *,
        options: AgentOptions,
        matcher: Matcher,
        execution: Execution,
        journal: Journal,
        deliver: Callable[[ExecutionReport], None],
        undelivered: Callable[[], int],
        metrics: AgentMetrics,
        clock: Clock,
    ) -> None:
        """Pass every finished report to `deliver`, which must not block; `undelivered` says how many still wait."""
        self._options = options
        self._matcher = matcher
        self._execution = execution
        self._journal = journal
        self._deliver = deliver
        self._undelivered = undelivered
        self._metrics = metrics
        self._clock = clock
        self._places = asyncio.Semaphore(options.capacity)
        self._answers = asyncio.Semaphore(_ANSWERS_AT_ONCE)
        self._held: set[str] = set()
        self._done: OrderedDict[str, None] = OrderedDict()
        self._jobs: set[asyncio.Task[None]] = set()
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._log = get_logger()

    @property
    def held(self) -> int:
        """How many tasks are running or waiting for a place."""
        return len(self._held)

    def no_room(self) -> str:
        """Return why one more task would not be accepted; empty where it would."""
        places = self._options.capacity + self._options.backlog
        if self.held >= places:
            return f"capacity {self.held}/{places}"
        if self._undelivered() >= MAX_UNDELIVERED:
            return f"{self._undelivered()} reports wait for a validator"
        return ""

    def know_closed(self, task_ids: tuple[str, ...]) -> None:
        """Remember tasks that an earlier run has done."""
        for task_id in task_ids:
            self._remember(task_id)

    def resume(self, task: Task) -> None:
        """Run a task that an earlier run had accepted and not finished."""
        self._hold(task.task_id)
        self._spawn(self._run(task))

    async def take(self, task: Task) -> None:
        """Answer and run a task in the background; waits only where too many answers are under way."""
        await self._answers.acquire()
        self._spawn(self._answer(task))

    async def watch(self) -> None:
        """Wait until a job breaks for a reason that is not the task's own, and raise that."""
        await asyncio.shield(self._failure)

    async def drain(self, seconds: float) -> int:
        """Let the tasks finish for this long, then cancel the rest; return how many were cut short."""
        if self._jobs:
            await asyncio.wait(self._jobs, timeout=seconds)
        cut = [job for job in self._jobs if not job.done()]
        for job in cut:
            job.cancel()
        if cut:
            await asyncio.wait(cut)
        return len(cut)

    async def _answer(self, task: Task) -> None:
        try:
            if task.task_id in self._held or task.task_id in self._done:
                await self._respond_quietly(task, accepted=True, reason="")
                return
            refusal = self._refusal(task)
            if refusal:
                self._metrics.task("declined")
                self._log.info("task_declined", task_id=task.task_id, reason=refusal)
                await self._respond_quietly(task, accepted=False, reason=refusal)
                return
            self._hold(task.task_id)
            if not await self._noted(task):
                self._release(task.task_id)
                return
            accepted = await self._accept(task)
        finally:
            self._answers.release()
        if accepted:
            self._metrics.task("accepted")
            await self._run(task)
        else:
            await self._journal.dropped(task.task_id)
            self._release(task.task_id)

    async def _noted(self, task: Task) -> bool:
        """Put the task into the journal; decline it where the disk has no room, for nothing may depend on luck."""
        try:
            await self._journal.accepted(task)
        except NoRoom as exc:
            self._metrics.task("declined")
            self._log.warning("task_declined", task_id=task.task_id, reason=str(exc))
            await self._respond_quietly(task, accepted=False, reason=str(exc))
            return False
        return True

    def _refusal(self, task: Task) -> str:
        """Return why the task is not taken, empty where it is."""
        if not self._execution.handles(task.intent_type):
            return f"SN-M501 no handler for intent type {task.intent_type!r}"
        if 0 < task.deadline <= self._clock.now():
            return "SN-M502 the deadline has passed"
        if self.no_room():
            return (
                f"SN-M506 at capacity: {self.held} tasks are running or waiting,"
                f" {self._undelivered()} reports wait for a validator"
            )
        return ""

    async def _accept(self, task: Task) -> bool:
        """Tell the matcher; False only where it certainly gave the task to nobody or to somebody else."""
        backoff = Backoff(cap=2.0)
        unsure = False
        for _ in range(_RESPONSE_ATTEMPTS):
            try:
                taken = await self._matcher.respond(task.task_id, accepted=True, reason="")
            except Unreachable as exc:
                # The answer may have arrived: if the next one finds the task confirmed, it was ours that did it.
                unsure = True
                self._log.debug("task_response_failed", task_id=task.task_id, error=str(exc))
                await self._clock.sleep(backoff.next())
                continue
            except Refused as exc:
                self._log.warning("task_response_refused", task_id=task.task_id, error=str(exc))
                return False
            if not taken and not unsure:
                self._log.info("task_no_longer_offered", task_id=task.task_id)
            return taken or unsure
        self._log.warning("task_response_unknown", task_id=task.task_id)
        # Doing work in vain costs less than leaving an accepted task undone.
        return True

    async def _respond_quietly(self, task: Task, *, accepted: bool, reason: str) -> None:
        try:
            await self._matcher.respond(task.task_id, accepted=accepted, reason=reason)
        except DependencyError as exc:
            # The matcher's own timeout covers a lost answer.
            self._log.debug("task_response_failed", task_id=task.task_id, error=str(exc))

    async def _run(self, task: Task) -> None:
        async with self._places:
            report = await self._execution.report(task)
        await self._journal.finished(report)
        self._remember(task.task_id)
        self._release(task.task_id)
        self._metrics.task(report.status.name.lower())
        self._deliver(report)

    def _hold(self, task_id: str) -> None:
        self._held.add(task_id)
        self._metrics.held(self.held)

    def _release(self, task_id: str) -> None:
        self._held.discard(task_id)
        self._metrics.held(self.held)

    def _remember(self, task_id: str) -> None:
        self._done[task_id] = None
        if len(self._done) > KEPT_CLOSED:
            self._done.popitem(last=False)

    def _spawn(self, job: Coroutine[object, object, None]) -> None:
        running = asyncio.create_task(job)
        self._jobs.add(running)
        running.add_done_callback(self._finished)

    def _finished(self, job: asyncio.Task[None]) -> None:
        self._jobs.discard(job)
        if not job.cancelled() and job.exception() is not None and not self._failure.done():
            self._failure.set_exception(job.exception() or RuntimeError("unknown"))
