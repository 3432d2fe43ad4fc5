"""Verify: this validator judges every report in the ledger itself and records its signed verdicts."""

import asyncio
from dataclasses import replace

from pinai_subnet.ports.signer import Signer
from pinai_subnet.protocol.assignments import AssignmentRecord
from pinai_subnet.protocol.ids import SubnetId
from pinai_subnet.protocol.reports import ExecutionReport, ReportKey
from pinai_subnet.runtime.clock import Clock
from pinai_subnet.runtime.health import Progress
from pinai_subnet.runtime.logs import get_logger
from pinai_subnet.validator.applied import ReplyStatus
from pinai_subnet.validator.commands import RecordVerdicts, Verdict
from pinai_subnet.validator.evidence import verdict_digest
from pinai_subnet.validator.ledger import Ledger
from pinai_subnet.validator.metrics import ValidatorMetrics
from pinai_subnet.validator.policy import PolicyBook
from pinai_subnet.validator.records import AssignmentState, Stage
from pinai_subnet.validator.replica import Replica
from pinai_subnet.validator.rules import Case
from pinai_subnet.validator.shadow import ShadowRun
from pinai_subnet.validator.verification import judge

_MAX_REASON = 1000
_PER_SLICE = 8

_Pending = tuple[ReportKey, bytes, ExecutionReport, AssignmentRecord, int]


class VerifyReports:
    """Judges what waits for this validator's verdict, in groups: while one group is committed the next one gathers."""

    def __init__(
        self,
        *,
        replica: Replica,
        policies: PolicyBook,
        signer: Signer,
        subnet_id: SubnetId,
        group: int,
        clock: Clock,
        progress: Progress,
        metrics: ValidatorMetrics,
        shadow: ShadowRun,
    ) -> None:
        """Record at most `group` verdicts in one command; the shadow sees what was recorded, afterwards."""
        self._replica = replica
        self._policies = policies
        self._signer = signer
        self._subnet_id = subnet_id
        self._group = group
        self._clock = clock
        self._progress = progress
        self._metrics = metrics
        self._shadow = shadow
        self._log = get_logger()

    async def work(self) -> bool:
        """Judge and record one group; return whether more may wait."""
        pending = self._replica.read(lambda ledger: self._pending(ledger, self._clock.now()))
        self._progress.set_pending(len(pending))
        if not pending:
            return False
        verdicts: list[Verdict] = []
        for place, waiting in enumerate(pending):
            verdicts.append(self._judged(waiting))
            if place % _PER_SLICE == _PER_SLICE - 1:
                # Hashing and signing a group takes milliseconds; reports keep arriving meanwhile.
                await asyncio.sleep(0)
        replies = await self._replica.propose(
            lambda stamp: RecordVerdicts(stamp=stamp, verdicts=tuple(verdicts))
        )
        for waiting, verdict, reply in zip(pending, verdicts, replies, strict=True):
            if reply.status is ReplyStatus.REJECTED:
                self._log.warning(
                    "verdict_refused",
                    assignment_id=verdict.key.assignment_id,
                    code=reply.code,
                    reason=reply.message,
                )
            else:
                self._progress.touch()
                self._metrics.verdicts.add(
                    result="pass" if verdict.passed else "fail", code=verdict.code or "none"
                )
                self._shadow.offer(self._case(waiting), verdict)
        # A refused verdict would be refused again at once: leave it to the next event or tick.
        return any(reply.taken for reply in replies)

    def _pending(self, ledger: Ledger, now: float) -> list[_Pending]:
        states = ledger.pending_verdicts(self._replica.validator_id, self._group)
        # The receiving member dates the report; nobody's clock makes it later than it can have been.
        latest_ms = max(int(now * 1000), ledger.now_ms)
        return [p for state in states if (p := _copied(state, latest_ms)) is not None]

    def _case(self, pending: _Pending) -> Case:
        _, _, report, record, received_at = pending
        policy = self._policies.for_type(record.intent_type)
        return Case(report=report, record=record, received_at=received_at, policy=policy)

    def _judged(self, pending: _Pending) -> Verdict:
        key, digest, _, record, _ = pending
        case = self._case(pending)
        judgement = judge(case)
        if not judgement.passed:
            self._log.info(
                "report_judged_bad",
                intent_id=record.assignment.intent_id,
                assignment_id=key.assignment_id,
                code=judgement.code,
                reason=judgement.reason,
            )
        unsigned = Verdict(
            key=key,
            report_digest=digest,
            passed=judgement.passed,
            code=judgement.code,
            reason=_shortened(judgement.reason),
            rules=judgement.rules,
            policy_id=case.policy.policy_id,
            signature=b"",
        )
        signed = verdict_digest(
            unsigned, subnet_id=self._subnet_id, validator_id=self._replica.validator_id
        )
        return replace(unsigned, signature=self._signer.sign(signed))


def _copied(state: AssignmentState, latest_ms: int) -> _Pending | None:
    if state.report is None:
        return None
    received_at = min(state.times[Stage.REPORTED], latest_ms) // 1000
    return state.key, state.report_digest, state.report, state.record, received_at


def _shortened(text: str) -> str:
    data = text.encode("utf-8", errors="replace")
    return data[:_MAX_REASON].decode("utf-8", errors="ignore")
