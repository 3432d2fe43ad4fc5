"""One validator's part of the traces of a batch or of a rejected report, from the times in the ledger. Tells nobody."""

from collections.abc import Iterator

from pinai_subnet.protocol.ids import AssignmentId, ValidatorId
from pinai_subnet.runtime.tracing import Span
from pinai_subnet.validator.ledger import Ledger
from pinai_subnet.validator.records import AssignmentState, EpochState, Stage


def spans_of_epoch(ledger: Ledger, number: int, me: ValidatorId) -> list[Span]:
    """Return the spans of every intent of a settled epoch.

    What all members know alike is told by one of them: the receiver of a report its intake, the sealer the rest.
    """
    epoch = ledger.epoch(number)
    if epoch is None:
        return []
    states = (ledger.assignment(key.assignment_id) for key in epoch.keys)
    return [span for state in states if state is not None for span in _spans(state, epoch, me)]


def spans_of_failure(ledger: Ledger, assignment_id: AssignmentId, me: ValidatorId) -> list[Span]:
    """Return the spans of an assignment that ended badly before it was sealed."""
    state = ledger.assignment(assignment_id)
    return [] if state is None else list(_judging(state, me))


def _spans(state: AssignmentState, epoch: EpochState, me: ValidatorId) -> Iterator[Span]:
    yield from _judging(state, me)
    times = state.times
    signature = epoch.signatures.get(me)
    if signature is not None:
        yield _span("signing", state, epoch.sealed_at_ms, signature.at_ms, epoch=epoch.epoch)
    if epoch.sealed_by == me:
        verified_ms = times.get(Stage.VERIFIED, epoch.sealed_at_ms)
        final_ms = epoch.final_at_ms or epoch.sealed_at_ms
        settled_ms = epoch.settled_at_ms or final_ms
        yield _span("sealing", state, verified_ms, epoch.sealed_at_ms, epoch=epoch.epoch)
        yield _span("finality", state, epoch.sealed_at_ms, final_ms, epoch=epoch.epoch)
        failed = state.code if state.stage is Stage.SETTLEMENT_REFUSED else ""
        yield _span("settlement", state, final_ms, settled_ms, failed, epoch=epoch.epoch)


def _judging(state: AssignmentState, me: ValidatorId) -> Iterator[Span]:
    reported_ms = state.times.get(Stage.REPORTED)
    if reported_ms is None:
        return
    if state.received_by == me:
        yield _span("report", state, state.times.get(Stage.ASSIGNED, reported_ms), reported_ms)
    verdict, judged_ms = state.verdicts.get(me), state.verdict_times.get(me)
    if verdict is not None and judged_ms is not None:
        yield _span(
            "judging", state, reported_ms, judged_ms, "" if verdict.passed else verdict.code
        )


def _span(
    name: str,
    state: AssignmentState,
    begin_ms: int,
    end_ms: int,
    failure: str = "",
    *,
    epoch: int | None = None,
) -> Span:
    facts: dict[str, str | int] = {"assignment_id": str(state.key.assignment_id)}
    if epoch is not None:
        facts["epoch"] = epoch
    return Span(
        name=name,
        intent_id=str(state.record.assignment.intent_id),
        begin_ms=begin_ms,
        end_ms=end_ms,
        failure=failure,
        facts=facts,
    )
