"""The validators' ledger for the matcher (`pinai.internal.v1.LedgerService`): assignments in, outcomes out."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from pinai_subnet.protocol.assignments import AssignmentRecord, record_digest
from pinai_subnet.protocol.errors import Exhausted, Forbidden, InvalidInput, SubnetError
from pinai_subnet.protocol.network import NetworkParameters
from pinai_subnet.protocol.signatures import recover
from pinai_subnet.runtime.stop import Stop
from pinai_subnet.validator.applied import Reply, ReplyStatus
from pinai_subnet.validator.commands import RecordAssignments
from pinai_subnet.validator.events import StageReached
from pinai_subnet.validator.feed import EventFeed
from pinai_subnet.validator.grouping import Grouper
from pinai_subnet.validator.ledger import Ledger
from pinai_subnet.validator.replica import Replica
from pinai_subnet.validator.state import Outcome
from pinai_subnet.wire.authentication import current_caller
from pinai_subnet.wire.codec.assignments import decode_record
from pinai_subnet.wire.pb.pinai import ledger_pb2, ledger_pb2_grpc

_MAX_RECORDS = 500
_MAX_STREAMS = 32
_SLICE = 256
_SAFETY_SECONDS = 2.0


class LedgerServicer(ledger_pb2_grpc.LedgerServiceServicer):
    """Every record carries the matcher's own signature, so it does not matter who hands it in."""

    def __init__(
        self,
        *,
        replica: Replica,
        parameters: NetworkParameters,
        feed: EventFeed,
        closing: Stop,
        commands_in_flight: int,
    ) -> None:
        """Streams end when `closing` is set."""
        self._replica = replica
        self._parameters = parameters
        self._feed = feed
        self._closing = closing
        self._streams = {True: 0, False: 0}
        self._grouper: Grouper[AssignmentRecord, Reply] = Grouper(
            commit=self._commit,
            max_items=200,
            max_bytes=262_144,
            max_waiting=10_000,
            in_flight=commands_in_flight,
            name="assignments",
        )

    async def RecordAssignments(  # noqa: N802 - the protocol names it
        self, request: ledger_pb2.RecordAssignmentsRequest, _context: Any
    ) -> ledger_pb2.RecordAssignmentsResponse:
        """Answer each record once a majority holds the accepted ones; repeating a record is harmless."""
        if len(request.records) > _MAX_RECORDS:
            raise Exhausted(
                "SN-V083", f"{len(request.records)} records in one call, at most {_MAX_RECORDS}"
            )
        self._check_caller()
        results: list[ledger_pb2.RecordResult | None] = []
        wanted: list[tuple[AssignmentRecord, int]] = []
        for message in request.records:
            try:
                record = decode_record(message)
                self._check_matcher(record)
            except SubnetError as exc:
                results.append(
                    ledger_pb2.RecordResult(
                        assignment_id=message.assignment.assignment_id[:128],
                        accepted=False,
                        code=exc.code,
                        message=exc.message,
                    )
                )
                continue
            wanted.append((record, message.ByteSize()))
            results.append(None)
        replies = iter(await self._grouper.submit_all(wanted) if wanted else ())
        records = iter(wanted)
        return ledger_pb2.RecordAssignmentsResponse(
            results=[
                result if result is not None else _result(next(records)[0], next(replies))
                for result in results
            ]
        )

    async def StreamOutcomes(  # noqa: N802 - the protocol names it
        self, request: ledger_pb2.StreamOutcomesRequest, context: Any
    ) -> AsyncIterator[ledger_pb2.Outcome]:
        """Send the latest outcome of every assignment after the cursor, then live ones.

        Nothing is queued per stream: a slow reader simply continues from its cursor, where only the latest step of each
        assignment is waiting (known defect L22). `RESYNC` says that outcomes before it are forgotten.
        """
        self._check_caller()
        # A proven member is never kept out by streams of callers that are nobody.
        proven = current_caller() is not None
        if self._streams[proven] >= _MAX_STREAMS:
            raise Exhausted("SN-V086", f"{_MAX_STREAMS} outcome streams are open already")
        self._streams[proven] += 1
        # The caller learns that the stream is open, also where nothing happens for a long time.
        await context.send_initial_metadata(())
        signal = self._feed.signal(StageReached)
        cursor, announced = request.after_sequence, 0
        try:
            while not self._closing.is_set:
                outcomes, forgotten, newest = self._replica.read(
                    lambda ledger, after=cursor: _after(ledger, after)  # type: ignore[misc]
                )
                if cursor > newest:
                    # A cursor of another network or of a ledger that was rebuilt: start from what there is.
                    cursor = 0
                    yield _resync(cursor)
                    continue
                if cursor < forgotten != announced:
                    announced = forgotten
                    yield _resync(cursor)
                for outcome in outcomes:
                    cursor = outcome.sequence
                    yield _outcome(outcome)
                if not outcomes:
                    await signal.wait(self._closing, _SAFETY_SECONDS)
        finally:
            self._streams[proven] -= 1
            self._feed.drop(signal)

    def _check_caller(self) -> None:
        caller = current_caller()
        if caller is None or caller in self._parameters.matchers:
            return
        if self._replica.read(lambda ledger: ledger.parameters.validator_at(caller)) is None:
            raise Forbidden(
                "SN-V005", f"{caller} is neither a matcher nor a validator of this network"
            )

    def _check_matcher(self, record: AssignmentRecord) -> None:
        """Refuse here what the ledger would refuse, so that a stranger's records never reach the log."""
        matcher = record.assignment.matcher
        if matcher not in self._parameters.matchers:
            raise Forbidden("SN-V005", f"{matcher} is not a matcher of this network")
        digest = record_digest(record, subnet_id=self._parameters.subnet_id)
        signer = recover(digest, record.record_signature)
        if signer != matcher:
            raise Forbidden("SN-V006", f"the record is signed by {signer}, not by {matcher}")

    async def _commit(self, records: Sequence[AssignmentRecord]) -> Sequence[Reply]:
        return await self._replica.propose(
            lambda stamp: RecordAssignments(stamp=stamp, records=tuple(records))
        )


def _after(ledger: Ledger, cursor: int) -> tuple[Sequence[Outcome], int, int]:
    return ledger.outcomes_after(cursor, _SLICE), ledger.forgotten_sequence, ledger.sequence


def _result(record: AssignmentRecord, reply: Reply) -> ledger_pb2.RecordResult:
    if reply.status is ReplyStatus.REJECTED and reply.retryable:
        raise Exhausted(reply.code, reply.message)
    return ledger_pb2.RecordResult(
        assignment_id=record.assignment.assignment_id,
        accepted=reply.taken,
        code=reply.code,
        message=reply.message,
    )


def _outcome(outcome: Outcome) -> ledger_pb2.Outcome:
    kind = outcome.stage.value
    if not kind:
        raise InvalidInput("SN-V090", "an assignment that only exists has no outcome")
    return ledger_pb2.Outcome(
        sequence=outcome.sequence,
        intent_id=outcome.intent_id,
        assignment_id=outcome.assignment_id,
        agent_name=outcome.agent_id,
        agent_address=outcome.agent_address,
        kind=ledger_pb2.OutcomeKind.ValueType(kind),
        code=outcome.code,
        reason=outcome.reason,
        at_ms=outcome.at_ms,
        epoch=outcome.epoch or 0,
    )


def _resync(sequence: int) -> ledger_pb2.Outcome:
    return ledger_pb2.Outcome(sequence=sequence, kind=ledger_pb2.OutcomeKind.RESYNC)
