"""The one way in for execution reports, from gRPC and HTTP alike: limits, caller, assignment, log, receipt.

A report is durable on a majority before its receipt leaves. Whether it is true is decided afterwards, by every
validator for itself. What is wrong with a report is answered in band, since official agents end at an RPC error.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from pinai_subnet.protocol.errors import Exhausted, Forbidden, SubnetError
from pinai_subnet.protocol.reports import ExecutionReport
from pinai_subnet.runtime.clock import Clock
from pinai_subnet.runtime.limits import RateLimiter
from pinai_subnet.validator.applied import Reply, ReplyStatus
from pinai_subnet.validator.arrivals import AssignmentArrivals
from pinai_subnet.validator.commands import ReceiveReports
from pinai_subnet.validator.grouping import Grouper
from pinai_subnet.validator.incoming import Incoming, Sender
from pinai_subnet.validator.ledger import Ledger
from pinai_subnet.validator.metrics import ValidatorMetrics
from pinai_subnet.validator.records import Stage
from pinai_subnet.validator.replica import Replica
from pinai_subnet.validator.sizes import report_bytes
from pinai_subnet.wire.codec.reports import Receipt, computed_report_id

_PHASES = {
    Stage.ASSIGNED: "RECEIVED",
    Stage.REPORTED: "VALIDATING",
    Stage.VERIFIED: "VERIFIED",
    Stage.SEALED: "VERIFIED",
    Stage.FINAL: "VERIFIED",
    Stage.SETTLED: "VERIFIED",
    Stage.SETTLEMENT_REFUSED: "VERIFIED",
    Stage.REJECTED: "REJECTED",
    Stage.EXPIRED: "REJECTED",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeLimits:
    """How much this validator takes in."""

    reports_per_second: float = 1000.0
    burst: float = 2000.0
    max_report_bytes: int = 4_194_304
    max_batch: int = 200
    queue: int = 5000
    group_reports: int = 100
    group_bytes: int = 262_144
    commands_in_flight: int = 2
    unknown_assignment_wait_seconds: float = 3.0
    max_waiting_for_assignment: int = 1000


class Reception:
    """Takes reports and answers with receipts."""

    def __init__(
        self,
        *,
        replica: Replica,
        limits: IntakeLimits,
        hold_unknown: bool,
        clock: Clock,
        metrics: ValidatorMetrics,
    ) -> None:
        """`hold_unknown` keeps reports of unknown assignments in the ledger instead of refusing them."""
        self._replica = replica
        self._limits = limits
        self._hold_unknown = hold_unknown
        self._clock = clock
        self._metrics = metrics
        self.arrivals = AssignmentArrivals(max_waiting=limits.max_waiting_for_assignment)
        self._rates = RateLimiter(per_second=limits.reports_per_second, burst=limits.burst)
        self._grouper: Grouper[ExecutionReport, Reply] = Grouper(
            commit=self._commit,
            max_items=limits.group_reports,
            max_bytes=limits.group_bytes,
            max_waiting=limits.queue,
            in_flight=limits.commands_in_flight,
            name="reports",
        )

    @property
    def waiting(self) -> int:
        """Return how many reports wait for the log."""
        return len(self._grouper)

    async def drain(self) -> None:
        """Wait until every report that was taken in has its answer."""
        await self._grouper.drain()

    async def receive(self, incoming: Incoming, sender: Sender) -> Receipt:
        """Take one report; the receipt says accepted, duplicate or rejected.

        Raises `Exhausted` when the caller or the log is over its limit, `Forbidden` SN-V081 when a signed caller
        speaks for another agent, and `NotReady` when no majority took the report in time: then nothing is promised.
        """
        self._admit(sender, 1)
        receipts = await self._take([incoming], sender)
        return receipts[0]

    async def receive_batch(
        self, batch: Sequence[Incoming], sender: Sender, *, partial_ok: bool
    ) -> list[Receipt]:
        """Take several reports; one receipt each, in order.

        Without `partial_ok` nothing after the first refused report is taken; those before it stay accepted.
        """
        if len(batch) > self._limits.max_batch:
            raise Exhausted(
                "SN-V083", f"{len(batch)} reports in one batch, at most {self._limits.max_batch}"
            )
        self._admit(sender, len(batch))
        if partial_ok:
            return await self._take(batch, sender, in_band=True)
        receipts: list[Receipt] = []
        for start, end in self._runs(batch):
            receipts += await self._take(batch[start:end], sender, in_band=True)
            if any(receipt.status == "rejected" for receipt in receipts):
                break
        refused = next((i for i, r in enumerate(receipts) if r.status == "rejected"), None)
        for incoming in batch[len(receipts) :]:
            receipts.append(
                self._rejected(
                    incoming, "SN-V087", f"not taken, because report {refused} was refused"
                )
            )
        return receipts

    def _runs(self, batch: Sequence[Incoming]) -> list[tuple[int, int]]:
        """Split a batch where a refusal is foreseeable, so that what follows one is never sent to the log."""
        known = self._replica.read(
            lambda ledger: [_would_be_taken(ledger, item.report) for item in batch]
        )
        runs: list[tuple[int, int]] = []
        start = 0
        for place, fine in enumerate(known):
            if not fine:
                if start < place:
                    runs.append((start, place))
                runs.append((place, place + 1))
                start = place + 1
        if start < len(batch):
            runs.append((start, len(batch)))
        return runs

    async def _take(
        self, batch: Sequence[Incoming], sender: Sender, *, in_band: bool = False
    ) -> list[Receipt]:
        await self._await_assignments([i.report for i in batch if i.report is not None])
        receipts: list[Receipt | None] = []
        wanted: list[tuple[ExecutionReport, int]] = []
        for incoming in batch:
            try:
                wanted.append(self._checked(incoming, sender))
                receipts.append(None)
            except Forbidden as exc:
                if not in_band:
                    raise
                receipts.append(self._rejected(incoming, exc.code, exc.message))
            except SubnetError as exc:
                receipts.append(self._rejected(incoming, exc.code, exc.message))
        replies = iter(await self._grouper.submit_all(wanted) if wanted else ())
        answered: list[Receipt] = []
        for incoming, receipt in zip(batch, receipts, strict=True):
            if receipt is not None or incoming.report is None:
                answered.append(receipt or self._rejected(incoming, "SN-V080", "unreadable"))
                continue
            answered.append(
                self._receipt(incoming, incoming.report, next(replies), in_band=in_band)
            )
        for receipt in answered:
            self._metrics.reports.add(status=receipt.status, code=receipt.code or "none")
        return answered

    def _admit(self, sender: Sender, count: int) -> None:
        self._replica.require_part()
        now = self._clock.monotonic()
        if self._rates.admit(sender.key, now=now, cost=count):
            return
        wait = self._rates.retry_after_seconds(sender.key, now=now, cost=count)
        self._metrics.reports.add(count, status="refused", code="SN-V082")
        raise Exhausted(
            "SN-V082",
            f"{sender.key} is over {self._limits.reports_per_second:g} reports a second "
            f"(bursts of {self._limits.burst:g}); wait {wait:.1f} s",
        )

    async def _await_assignments(self, reports: Sequence[ExecutionReport]) -> None:
        unknown = self._replica.read(
            lambda ledger: {
                report.assignment_id
                for report in reports
                if ledger.assignment(report.assignment_id) is None
            }
        )
        seconds = self._limits.unknown_assignment_wait_seconds
        if unknown and seconds > 0:
            await asyncio.gather(*(self.arrivals.wait(known, seconds) for known in unknown))

    def _checked(self, incoming: Incoming, sender: Sender) -> tuple[ExecutionReport, int]:
        """Return the report and its size if nothing local speaks against it; raise the reason otherwise."""
        if incoming.error is not None:
            raise incoming.error
        report = incoming.report
        if report is None:
            raise TypeError("an incoming report is decoded or has an error")
        size = report_bytes(report)
        if size > self._limits.max_report_bytes:
            raise Exhausted(
                "SN-V083", f"the report has {size} bytes, at most {self._limits.max_report_bytes}"
            )
        if sender.signer is not None:
            expected = self._replica.read(lambda ledger: _agent_address(ledger, report))
            if expected is not None and expected.lower() != sender.signer.lower():
                raise Forbidden(
                    "SN-V081",
                    f"the request is signed by {sender.signer}, agent {report.agent_id} is {expected}",
                )
        return report, size

    async def _commit(self, reports: Sequence[ExecutionReport]) -> Sequence[Reply]:
        self._metrics.group_size.observe(len(reports))
        return await self._replica.propose(
            lambda stamp: ReceiveReports(
                stamp=stamp, reports=tuple(reports), hold_unknown=self._hold_unknown
            )
        )

    def _receipt(
        self, incoming: Incoming, report: ExecutionReport, reply: Reply, *, in_band: bool
    ) -> Receipt:
        if reply.status is ReplyStatus.REJECTED:
            if reply.retryable and not in_band:
                raise Exhausted(reply.code, reply.message)
            code = "SN-V084" if reply.code == "SN-V012" else reply.code
            return self._rejected(incoming, code, reply.message)
        first, stage = self._replica.read(lambda ledger: _first_report(ledger, report))
        return Receipt(
            report_id=computed_report_id(first or report),
            intent_id=report.intent_id,
            validator_id=self._replica.validator_id,
            received_at=reply.at_ms // 1000,
            status="duplicate" if reply.status is ReplyStatus.DUPLICATE else "accepted",
            phase="RECEIVED" if reply.status is not ReplyStatus.DUPLICATE else _PHASES[stage],
        )

    def _rejected(self, incoming: Incoming, code: str, message: str) -> Receipt:
        return Receipt(
            report_id=incoming.caller_report_id,
            intent_id=incoming.intent_id,
            validator_id=self._replica.validator_id,
            received_at=int(self._clock.now()),
            status="rejected",
            phase="REJECTED",
            code=code,
            message=message,
        )


def _would_be_taken(ledger: Ledger, report: ExecutionReport | None) -> bool:
    if report is None:
        return False
    state = ledger.assignment(report.assignment_id)
    if state is None:
        return False
    address = state.record.assignment.agent_address
    agent_fits = (
        report.agent_id == state.record.agent_id or report.agent_id.lower() == address.lower()
    )
    open_or_repeated = state.stage is Stage.ASSIGNED or state.report is not None
    return agent_fits and open_or_repeated and report.intent_id == state.record.assignment.intent_id


def _agent_address(ledger: Ledger, report: ExecutionReport) -> str | None:
    """Return the address that must have signed for this agent: the assigned one, or the one that is its name."""
    state = ledger.assignment(report.assignment_id)
    if state is not None:
        return state.record.assignment.agent_address
    is_address = report.agent_id.startswith("0x") and len(report.agent_id) == 42
    return report.agent_id if is_address else None


def _first_report(ledger: Ledger, report: ExecutionReport) -> tuple[ExecutionReport | None, Stage]:
    state = ledger.assignment(report.assignment_id)
    return (None, Stage.ASSIGNED) if state is None else (state.report, state.stage)
