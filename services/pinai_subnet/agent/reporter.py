"""Delivers reports: repeats each at one validator after another until one gives a receipt. Not what they say."""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from contextlib import suppress

from pinai_subnet.agent.backoff import Backoff
from pinai_subnet.agent.journal import Journal
from pinai_subnet.agent.metrics import AgentMetrics
from pinai_subnet.agent.network import ReportReceipt, Validator
from pinai_subnet.agent.options import AgentOptions
from pinai_subnet.ports.errors import DependencyError, Refused
from pinai_subnet.protocol.reports import ExecutionReport
from pinai_subnet.runtime.clock import Clock
from pinai_subnet.runtime.logs import get_logger

_BATCH_BYTES = 2 * 1024 * 1024


class Reporter:
    """The outbox. Reports leave it only with a receipt, or when they are older than the retention."""

    def __init__(
        self,
        *,
        options: AgentOptions,
        validators: Sequence[Validator],
        journal: Journal,
        metrics: AgentMetrics,
        clock: Clock,
        backoff: Backoff | None = None,
    ) -> None:
        """Start with nothing to deliver."""
        if not validators:
            raise ValueError("an agent needs at least one validator")
        self._options = options
        self._validators = list(validators)
        self._journal = journal
        self._metrics = metrics
        self._clock = clock
        self._backoff = backoff or Backoff(cap=options.reconnect_cap_seconds)
        self._pending: OrderedDict[str, ExecutionReport] = OrderedDict()
        self._batch = options.report_batch
        self._wake = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        self._failing = False
        self._log = get_logger()

    @property
    def pending(self) -> int:
        """How many reports have no receipt yet."""
        return len(self._pending)

    def deliver(self, report: ExecutionReport) -> None:
        """Take one report that the journal already holds."""
        self._pending[report.assignment_id] = report
        self._empty.clear()
        self._wake.set()
        self._metrics.outbox(self.pending)

    async def run(self) -> None:
        """Deliver for ever; cancelling is safe."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._pending:
                if not await self._turn(self._next_batch()):
                    await self._clock.sleep(self._backoff.next())

    async def flush(self, seconds: float) -> int:
        """Wait this long for everything to be delivered; return how much is left."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._empty.wait()
        return self.pending

    async def _turn(self, batch: Sequence[ExecutionReport]) -> bool:
        validator = self._validators[0]
        try:
            receipts = await validator.submit(batch)
        except DependencyError as exc:
            await self._failed(validator, batch, exc)
            return False
        if len(receipts) != len(batch):
            text = f"{len(receipts)} receipts for {len(batch)} reports"
            await self._failed(validator, batch, Refused("SN-M512", text))
            return False
        for report, receipt in zip(batch, receipts, strict=True):
            self._received(report, receipt, validator)
        await self._close(report.assignment_id for report in batch)
        self._failing = False
        self._backoff.reset()
        self._batch = min(self._options.report_batch, self._batch * 2)
        return True

    async def _failed(
        self, validator: Validator, batch: Sequence[ExecutionReport], error: DependencyError
    ) -> None:
        self._metrics.report("failed", len(batch))
        say = self._log.debug if self._failing else self._log.warning
        self._failing = True
        say(
            "report_delivery_failed",
            validator=validator.target,
            reports=len(batch),
            pending=self.pending,
            error=str(error),
        )
        self._validators.append(self._validators.pop(0))
        if isinstance(error, Refused):
            # One report may spoil the call: send single ones, and this one behind the others.
            self._batch = 1
            self._pending.move_to_end(batch[0].assignment_id)
        await self._give_up(batch)

    def _received(
        self, report: ExecutionReport, receipt: ReportReceipt, validator: Validator
    ) -> None:
        self._metrics.report(receipt.status or "unknown", 1)
        say = self._log.warning if receipt.rejected else self._log.info
        say(
            "report_rejected" if receipt.rejected else "report_received",
            intent_id=report.intent_id,
            task_id=report.assignment_id,
            report_id=receipt.report_id,
            validator=receipt.validator_id or validator.target,
            status=receipt.status,
            phase=receipt.phase,
        )

    async def _give_up(self, batch: Sequence[ExecutionReport]) -> None:
        oldest = self._clock.now() - self._options.report_retention_seconds
        late = [report for report in batch if report.timestamp < oldest]
        for report in late:
            self._log.error(
                "report_given_up",
                code="SN-M513",
                intent_id=report.intent_id,
                task_id=report.assignment_id,
            )
        if late:
            await self._close(report.assignment_id for report in late)

    async def _close(self, task_ids: Iterable[str]) -> None:
        closed = list(task_ids)
        await self._journal.closed(closed)
        for task_id in closed:
            self._pending.pop(task_id, None)
        self._metrics.outbox(self.pending)
        if not self._pending:
            self._empty.set()

    def _next_batch(self) -> list[ExecutionReport]:
        batch: list[ExecutionReport] = []
        size = 0
        for report in self._pending.values():
            size += len(report.result_data) + 2048
            if batch and (len(batch) >= self._batch or size > _BATCH_BYTES):
                break
            batch.append(report)
        return batch
