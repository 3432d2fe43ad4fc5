"""Archive: copies what the log changed into the archive, and lets old records go."""

import asyncio
import threading
from collections.abc import Callable, Sequence

from pinai_subnet.protocol.ids import AssignmentId
from pinai_subnet.protocol.reports import ExecutionReport
from pinai_subnet.runtime.clock import Clock
from pinai_subnet.runtime.logs import get_logger
from pinai_subnet.validator.applied import Applied
from pinai_subnet.validator.archive import Archive, AssignmentRow, EpochRow
from pinai_subnet.validator.checkpoint_messages import checkpoint_message
from pinai_subnet.validator.documents import assignment_document, epoch_document
from pinai_subnet.validator.events import (
    BatchFinal,
    BatchSettled,
    EpochSealed,
    ReportReceived,
    SettlementClaimed,
    SignatureCounted,
    StageReached,
    VerdictRecorded,
)
from pinai_subnet.validator.ledger import Ledger
from pinai_subnet.validator.metrics import ValidatorMetrics
from pinai_subnet.validator.records import AssignmentState, Stage
from pinai_subnet.wire.codec.reports import encode_report

_SLICE = 50
_DAY_MS = 24 * 3600 * 1000


class Changes:
    """What has changed since the archive last looked. Filled by the engine's thread, emptied by the event loop.

    One entry per record, however often it changes, so the ledger's own bounds bound this too. Reports are taken along
    with their results at once, because the ledger drops the bytes when an assignment ends.
    """

    def __init__(self, *, max_result_bytes: int = 256 * 1024 * 1024) -> None:
        """Keep at most so many result bytes; beyond that the archive has to find them in the ledger in time."""
        self.archived_index = 0
        """Up to which log position the archive had everything when the process started."""
        self._max_result_bytes = max_result_bytes
        self._lock = threading.Lock()
        self.assignments: dict[AssignmentId, ExecutionReport | None] = {}
        self.epochs: dict[int, None] = {}
        self.index = 0
        self.everything = False
        self._result_bytes = 0

    def __len__(self) -> int:
        """Return how many records wait."""
        return len(self.assignments) + len(self.epochs)

    def note(self, index: int, applied: Applied, ledger: Ledger | None) -> None:
        """Take note of one applied command; `ledger` is the state right after it, None after a restored snapshot."""
        with self._lock:
            self.index = max(self.index, index)
            if ledger is None:
                self.everything = self.everything or index > self.archived_index
                return
            for event in applied.events:
                match event:
                    case StageReached(assignment_id=assignment_id):
                        self.assignments.setdefault(assignment_id, None)
                    case VerdictRecorded(key=key):
                        self.assignments.setdefault(key.assignment_id, None)
                    case ReportReceived(key=key):
                        self._take_report(ledger.assignment(key.assignment_id))
                    case (
                        EpochSealed(epoch=epoch)
                        | SignatureCounted(epoch=epoch)
                        | BatchFinal(epoch=epoch)
                        | BatchSettled(epoch=epoch)
                        | SettlementClaimed(epoch=epoch)
                    ):
                        self.epochs[epoch] = None
                    case _:
                        pass

    def mark(self, ledger: Ledger) -> None:
        """Note every record of the ledger."""
        with self._lock:
            self.everything = False
            for state in ledger.assignments():
                self.assignments.setdefault(state.record.assignment.assignment_id, None)
                if state.report is not None and state.report.result_data:
                    self._take_report(state)
            self.epochs.update(dict.fromkeys(epoch.epoch for epoch in ledger.epochs()))

    def take(
        self, limit: int
    ) -> tuple[list[tuple[AssignmentId, ExecutionReport | None]], list[int], int]:
        """Remove and return up to `limit` of each kind, oldest change first, and the log position they reach.

        The position is 0 while more is left: then it is not true yet that everything before it is archived.
        """
        with self._lock:
            index = self.index
            assignments = [
                (one, self.assignments.pop(one)) for one in list(self.assignments)[:limit]
            ]
            epochs = list(self.epochs)[:limit]
            for epoch in epochs:
                del self.epochs[epoch]
            self._result_bytes -= sum(len(r.result_data) for _, r in assignments if r)
            return assignments, epochs, 0 if self.assignments or self.epochs else index

    def put_back(
        self,
        assignments: Sequence[tuple[AssignmentId, ExecutionReport | None]],
        epochs: Sequence[int],
    ) -> None:
        """Return what could not be archived."""
        with self._lock:
            for assignment_id, report in assignments:
                if self.assignments.get(assignment_id) is None:
                    self.assignments[assignment_id] = report
                    self._result_bytes += len(report.result_data) if report else 0
            self.epochs.update(dict.fromkeys(epochs))

    def _take_report(self, state: AssignmentState | None) -> None:
        if state is None or state.report is None:
            return
        size = len(state.report.result_data)
        fits = self._result_bytes + size <= self._max_result_bytes
        assignment_id = state.record.assignment.assignment_id
        if fits and self.assignments.get(assignment_id) is None:
            self._result_bytes += size
            self.assignments[assignment_id] = state.report
        else:
            self.assignments.setdefault(assignment_id, None)


class ArchiveChanges:
    """Writes what changed, a slice at a time."""

    def __init__(
        self,
        *,
        changes: Changes,
        archive: Archive,
        read: Callable[[Callable[[Ledger], None]], None],
        clock: Clock,
        keep_days: int,
        max_records: int,
        metrics: ValidatorMetrics,
    ) -> None:
        """Keep records for so many days after their last change, and at most so many."""
        self._changes = changes
        self._archive = archive
        self._read = read
        self._clock = clock
        self._keep_ms = keep_days * _DAY_MS
        self._max_records = max_records
        self._metrics = metrics
        self._forget_at = 0.0
        self._turn = asyncio.Lock()
        self._log = get_logger()

    async def work(self) -> bool:
        """Archive one slice; return whether more waits."""
        async with self._turn:
            return await self._slice()

    async def _slice(self) -> bool:
        if self._changes.everything:
            self._read(self._changes.mark)
        assignments, epochs, index = self._changes.take(_SLICE)
        if assignments or epochs:
            try:
                await self._store(assignments, epochs, index)
            except BaseException:
                self._changes.put_back(assignments, epochs)
                raise
        waiting = len(self._changes)
        self._metrics.archive_backlog.set(waiting)
        if waiting == 0 and self._clock.monotonic() >= self._forget_at:
            self._forget_at = self._clock.monotonic() + 3600
            await self._forget()
        return waiting > 0

    async def catch_up(self) -> None:
        """Archive everything that has been applied until now."""
        for _ in range(2 + len(self._changes) // _SLICE):
            if not await self.work():
                return

    async def _store(
        self,
        assignments: Sequence[tuple[AssignmentId, ExecutionReport | None]],
        epochs: Sequence[int],
        index: int,
    ) -> None:
        now_ms = int(self._clock.now() * 1000)
        assignment_rows: list[AssignmentRow] = []
        epoch_rows: list[EpochRow] = []

        def copy(ledger: Ledger) -> None:
            for assignment_id, report in assignments:
                state = ledger.assignment(assignment_id)
                if state is None:
                    continue
                assignment_rows.append(_assignment_row(state, report, now_ms))
            for number in epochs:
                epoch = ledger.epoch(number)
                if epoch is not None:
                    epoch_rows.append(
                        EpochRow(
                            document=epoch_document(epoch, ledger.parameters_at(epoch.epoch)),
                            checkpoint=checkpoint_message(
                                epoch, ledger.parameters_at(epoch.epoch)
                            ).SerializeToString(),
                            updated_at_ms=now_ms,
                        )
                    )

        self._read(copy)
        await self._archive.store(assignment_rows, epoch_rows, index)

    async def _forget(self) -> None:
        before_ms = int(self._clock.now() * 1000) - self._keep_ms
        forgotten = await self._archive.forget(before_ms=before_ms, max_records=self._max_records)
        if forgotten:
            self._log.info("archive_trimmed", assignments=forgotten)


def _assignment_row(
    state: AssignmentState, taken: ExecutionReport | None, now_ms: int
) -> AssignmentRow:
    document = assignment_document(state)
    report = taken
    if report is None and state.stage is Stage.REPORTED:
        # Not taken along because too much waited; later steps do not write it again.
        report = state.report
    if report is not None and document["report"] is not None:
        document["report"]["result_bytes"] = len(report.result_data)
    return AssignmentRow(
        document=document,
        report=None if report is None else encode_report(report).SerializeToString(),
        updated_at_ms=now_ms,
    )
