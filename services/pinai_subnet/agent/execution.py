"""Runs one task's handler inside its limits and turns what comes of it into a report. Not when or how often."""

import asyncio
import resource
import time
import uuid
from collections.abc import Mapping
from dataclasses import replace

from pinai_subnet.agent.evidence import evidence_of
from pinai_subnet.agent.options import AgentOptions
from pinai_subnet.agent.work import Handler, Result, Task, TaskFailed
from pinai_subnet.ports.signer import Signer
from pinai_subnet.protocol.ids import AgentId, AssignmentId, IntentId
from pinai_subnet.protocol.reports import (
    ErrorInfo,
    ExecutionReport,
    ReportStatus,
    ResourceUsage,
    signing_digest,
)
from pinai_subnet.runtime.clock import Clock
from pinai_subnet.runtime.logs import get_logger

_MAX_MESSAGE = 2000


class Execution:
    """Executes tasks with the handler of their type. A bad handler fails its task, never the agent."""

    def __init__(
        self,
        *,
        handlers: Mapping[str, Handler],
        options: AgentOptions,
        fingerprint: bytes,
        clock: Clock,
        signer: Signer | None = None,
    ) -> None:
        """Use these handlers; `fingerprint` goes into every report's evidence, and `signer` signs every report."""
        self._handlers = dict(handlers)
        self._options = options
        self._fingerprint = fingerprint
        self._clock = clock
        self._signer = signer
        self._log = get_logger()

    def handles(self, intent_type: str) -> bool:
        """Say whether there is a handler of this type."""
        return intent_type in self._handlers

    async def report(self, task: Task) -> ExecutionReport:
        """Run the task and return its report, whatever happens; only cancellation passes through."""
        started_at, before, began = int(self._clock.now()), _own_usage(), time.monotonic()
        error: ErrorInfo | None = None
        result = Result(data=b"")
        try:
            result = await self._result(task)
        except TaskFailed as exc:
            error = ErrorInfo(code=exc.code, message=exc.message[:_MAX_MESSAGE])
            result = Result(data=b"", usage=exc.usage)
        usage = result.usage or _since(before)
        finished_at = int(self._clock.now())
        self._log.info(
            "task_executed",
            task_id=task.task_id,
            intent_id=task.intent_id,
            intent_type=task.intent_type,
            code=error.code if error else None,
            result_bytes=len(result.data),
            seconds=round(time.monotonic() - began, 3),
        )
        report = ExecutionReport(
            report_id=str(uuid.uuid4()),
            assignment_id=AssignmentId(task.task_id),
            intent_id=IntentId(task.intent_id),
            agent_id=AgentId(self._options.agent_id),
            status=_status(result, error),
            result_data=result.data,
            timestamp=finished_at,
            evidence=evidence_of(
                task=task,
                agent_id=self._options.agent_id,
                result=result,
                usage=usage,
                fingerprint=self._fingerprint,
                started_at=started_at,
                finished_at=finished_at,
            ),
            error=error,
        )
        if self._signer is None:
            return report
        return replace(report, signature=self._signer.sign(signing_digest(report)))

    async def _result(self, task: Task) -> Result:
        handler = self._handlers.get(task.intent_type)
        if handler is None:
            raise TaskFailed("SN-M501", f"no handler for intent type {task.intent_type!r}")
        seconds = self._seconds(task)
        if seconds <= 0:
            raise TaskFailed("SN-M502", "the task's deadline had passed before its turn came")
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                result = await handler.execute(task)
        except TaskFailed:
            raise
        except Exception as exc:  # an author's handler is a boundary: its faults are the task's
            if isinstance(exc, TimeoutError) and limit.expired():
                raise TaskFailed("SN-M503", f"not finished within {seconds:.0f} s") from exc
            raise TaskFailed("SN-M504", f"handler raised {type(exc).__name__}: {exc}") from exc
        if len(result.data) > self._options.max_result_bytes:
            raise TaskFailed(
                "SN-M505",
                f"the result has {len(result.data)} bytes; at most "
                f"{self._options.max_result_bytes} are reported",
            )
        return result

    def _seconds(self, task: Task) -> float:
        if task.deadline <= 0:
            return self._options.task_seconds
        return min(self._options.task_seconds, task.deadline - self._clock.now())


def _status(result: Result, error: ErrorInfo | None) -> ReportStatus:
    if error is not None:
        return ReportStatus.FAILED
    return ReportStatus.SUCCESS if result.complete else ReportStatus.PARTIAL


def _own_usage() -> resource.struct_rusage:
    return resource.getrusage(resource.RUSAGE_SELF)


def _since(before: resource.struct_rusage) -> ResourceUsage:
    """Return what this process used meanwhile: an upper bound where tasks overlap."""
    after = _own_usage()
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return ResourceUsage(
        cpu_ms=max(1, round(cpu * 1000)),
        memory_mb=max(1, after.ru_maxrss // 1024),
        io_ops=after.ru_inblock + after.ru_oublock - before.ru_inblock - before.ru_oublock,
    )
