"""What an operator reads of the agreed history: outcomes as log lines and counters. Changes nothing."""

from collections.abc import Sequence

from pinai_subnet.runtime.logs import get_logger
from pinai_subnet.runtime.tracing import Tracer
from pinai_subnet.validator.events import (
    BatchFinal,
    BatchSettled,
    DoubleSignFound,
    EpochSealed,
    Event,
    HeldReportDropped,
    ReportReceived,
    SetChangeAdvanced,
    SettlementDisputed,
    SignatureCounted,
    StageReached,
    VerdictRecorded,
)
from pinai_subnet.validator.ledger import Ledger
from pinai_subnet.validator.metrics import ValidatorMetrics
from pinai_subnet.validator.records import Stage
from pinai_subnet.validator.replica import Replica
from pinai_subnet.validator.trace import spans_of_epoch, spans_of_failure

_ENDS_BADLY = (Stage.REJECTED, Stage.EXPIRED, Stage.SETTLEMENT_REFUSED)


class Chronicle:
    """Logs one line per outcome, not per step."""

    def __init__(
        self, *, replica: Replica, metrics: ValidatorMetrics, tracer: Tracer | None = None
    ) -> None:
        """Look details up in this replica's ledger; give spans of what has ended to the tracer."""
        self._replica = replica
        self._metrics = metrics
        self._tracer = tracer
        self._log = get_logger()

    def on_events(self, events: Sequence[Event]) -> None:
        """Tell what has happened."""
        for event in events:
            self._count(event)
            self._trace(event)
            match event:
                case StageReached(stage=stage) if stage in _ENDS_BADLY:
                    self._log.info(
                        "assignment_" + stage.name.lower(),
                        intent_id=event.intent_id,
                        assignment_id=event.assignment_id,
                        code=event.code,
                        reason=event.reason,
                    )
                case HeldReportDropped():
                    self._log.info(
                        "held_report_dropped",
                        intent_id=event.intent_id,
                        assignment_id=event.assignment_id,
                        agent_id=event.agent_id,
                        code=event.code,
                        reason=event.reason,
                    )
                case BatchFinal(epoch=epoch):
                    self._final(epoch)
                case DoubleSignFound(epoch=epoch, validator_id=validator_id):
                    self._metrics.double_signs.add()
                    self._log.error(
                        "double_sign_found", epoch=epoch, validator_id=validator_id, code="SN-K101"
                    )
                case BatchSettled(epoch=epoch):
                    self._settled(epoch)
                case SettlementDisputed(epoch=epoch, validator_id=validator_id):
                    self._metrics.settlement_disputes.add(validator=validator_id)
                    self._log.error(
                        "settlement_disputed",
                        epoch=epoch,
                        validator_id=validator_id,
                        code="SN-V105",
                    )
                case EpochSealed(epoch=epoch):
                    self._log.debug("epoch_sealed", epoch=epoch)
                case SetChangeAdvanced():
                    self._log.info(
                        "set_change_" + event.step,
                        action=event.action,
                        validator_id=event.validator_id,
                        approvals=event.approvals,
                        first_epoch=event.first_epoch,
                    )
                case _:
                    pass

    def _count(self, event: Event) -> None:
        metrics, me = self._metrics.outcomes, self._replica.validator_id
        match event:
            case StageReached(stage=stage):
                metrics.stages.add(stage=stage.name.lower())
                if stage in _ENDS_BADLY:
                    metrics.failures.add(stage=stage.name.lower(), code=event.code or "none")
            case ReportReceived():
                metrics.expected.add(duty="verdict")
            case VerdictRecorded(validator_id=validator_id) if validator_id == me:
                metrics.done.add(duty="verdict")
            case EpochSealed():
                metrics.epochs.add(step="sealed")
                metrics.expected.add(duty="signature")
            case SignatureCounted(validator_id=validator_id):
                metrics.counted_signatures.add(validator=validator_id)
                if validator_id == me:
                    metrics.done.add(duty="signature")
            case BatchFinal():
                metrics.epochs.add(step="final")
                metrics.expected.add(duty="settlement")
            case BatchSettled():
                metrics.epochs.add(step="settled")
                metrics.done.add(duty="settlement")
            case _:
                pass

    def _trace(self, event: Event) -> None:
        tracer, me = self._tracer, self._replica.validator_id
        if tracer is None or not tracer.enabled:
            return
        match event:
            case BatchSettled(epoch=epoch):
                tracer.add(self._replica.read(lambda ledger: spans_of_epoch(ledger, epoch, me)))
            case StageReached(stage=Stage.REJECTED | Stage.EXPIRED, assignment_id=ended):
                tracer.add(self._replica.read(lambda ledger: spans_of_failure(ledger, ended, me)))
            case _:
                pass

    def _settled(self, number: int) -> None:
        def read(ledger: Ledger) -> tuple[int, int, list[str]]:
            epoch = ledger.epoch(number)
            if epoch is None:
                return 0, 0, []
            refused = sum(not result.ok for result in epoch.results)
            return len(epoch.items), refused, list(epoch.settled_by)

        items, refused, members = self._replica.read(read)
        self._log.info(
            "batch_settled",
            epoch=number,
            items=items,
            refused_items=refused,
            reported_by=members,
        )

    def _final(self, number: int) -> None:
        def read(ledger: Ledger) -> tuple[int, list[float], list[str]]:
            epoch = ledger.epoch(number)
            if epoch is None or epoch.final_at_ms is None:
                return 0, [], []
            states = [ledger.assignment(key.assignment_id) for key in epoch.keys]
            received = [
                state.times[Stage.REPORTED]
                for state in states
                if state is not None and Stage.REPORTED in state.times
            ]
            seconds = [(epoch.final_at_ms - at_ms) / 1000 for at_ms in received]
            return len(epoch.items), seconds, list(epoch.signatures)

        items, seconds, signers = self._replica.read(read)
        for value in seconds:
            self._metrics.final_seconds.observe(value)
        self._log.info("batch_final", epoch=number, items=items, signers=signers)
