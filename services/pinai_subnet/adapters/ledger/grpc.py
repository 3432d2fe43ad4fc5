"""The validators' ledger over our internal gRPC service: any validator will do; one that fails is asked last."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import grpc

from pinai_subnet.ports.errors import Refused, Unreachable
from pinai_subnet.ports.ledger import Ledger, Outcome, RecordAnswer
from pinai_subnet.ports.signer import Signer
from pinai_subnet.protocol.assignments import AssignmentRecord
from pinai_subnet.protocol.errors import InvalidInput
from pinai_subnet.protocol.ids import AssignmentId, SubnetId
from pinai_subnet.runtime.clock import Clock
from pinai_subnet.runtime.grpc_server import channel_options
from pinai_subnet.runtime.logs import get_logger
from pinai_subnet.wire.authentication import signing_interceptors
from pinai_subnet.wire.codec.assignments import encode_record
from pinai_subnet.wire.codec.outcomes import decode_outcome
from pinai_subnet.wire.pb.pinai import ledger_pb2, ledger_pb2_grpc

MAX_MESSAGE_BYTES = 16 * 1024 * 1024

# The same request would get the same answer from every validator.
_FINAL = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.ALREADY_EXISTS,
    }
)


class GrpcLedger(Ledger):
    """One channel per validator, opened when first needed; every call is signed with the matcher's key."""

    def __init__(
        self,
        targets: Sequence[str],
        *,
        signer: Signer,
        subnet_id: SubnetId,
        clock: Clock,
        timeout_seconds: float,
    ) -> None:
        """Talk to these validators, host:port each; a call to one of them may take `timeout_seconds`."""
        self._targets = list(targets)
        self._signer = signer
        self._subnet_id = subnet_id
        self._clock = clock
        self._timeout_seconds = timeout_seconds
        self._channels: dict[str, grpc.aio.Channel] = {}
        self._closed = False
        self._log = get_logger()

    async def record_assignments(
        self, records: Sequence[AssignmentRecord], *, request_id: str
    ) -> Sequence[RecordAnswer]:
        """Ask one validator after the other until one answers."""
        request = ledger_pb2.RecordAssignmentsRequest(
            records=[encode_record(record) for record in records], request_id=request_id
        )
        failures: list[str] = []
        for target in tuple(self._targets):
            try:
                response = await self._stub(target).RecordAssignments(
                    request, timeout=self._timeout_seconds
                )
            except grpc.aio.AioRpcError as exc:
                text = _text(target, exc)
                if exc.code() in _FINAL:
                    raise Refused("SN-M206", text) from exc
                failures.append(text)
                self._demote(target)
                continue
            if len(response.results) != len(records):
                failures.append(
                    f"{target}: {len(response.results)} answers to {len(records)} records"
                )
                self._demote(target)
                continue
            return tuple(
                RecordAnswer(
                    assignment_id=AssignmentId(record.assignment.assignment_id),
                    accepted=result.accepted,
                    code=result.code,
                    message=result.message,
                )
                for record, result in zip(records, response.results, strict=True)
            )
        raise Unreachable("SN-M310", f"no validator took the records: {'; '.join(failures)}")

    async def watch_outcomes(
        self, after: int, opened: Callable[[], None] | None = None
    ) -> AsyncIterator[Outcome]:
        """Follow the feed of one validator; when it breaks, the next call asks another one."""
        target = self._targets[0]
        request = ledger_pb2.StreamOutcomesRequest(after_sequence=after)
        call = self._stub(target).StreamOutcomes(request)
        try:
            await call.initial_metadata()
            if opened is not None and not call.done():
                opened()
            async for message in call:
                try:
                    outcome = decode_outcome(message)
                except InvalidInput as exc:
                    self._log.warning(
                        "outcome_malformed",
                        validator=target,
                        sequence=message.sequence,
                        reason=str(exc),
                    )
                    continue
                yield outcome
            self._demote(target)
        except grpc.aio.AioRpcError as exc:
            self._demote(target)
            raise Unreachable("SN-M310", _text(target, exc)) from exc
        finally:
            call.cancel()

    async def close(self) -> None:
        """Close every channel; safe to call twice."""
        self._closed = True
        channels, self._channels = self._channels, {}
        for channel in channels.values():
            await channel.close()

    def _stub(self, target: str) -> Any:
        if self._closed:
            raise Unreachable(
                "SN-M310", "the connection to the validators is closed", retryable=False
            )
        channel = self._channels.get(target)
        if channel is None:
            channel = self._channels[target] = grpc.aio.insecure_channel(
                target,
                options=[
                    *channel_options(MAX_MESSAGE_BYTES),
                    ("grpc.initial_reconnect_backoff_ms", 100),
                    ("grpc.min_reconnect_backoff_ms", 100),
                    ("grpc.max_reconnect_backoff_ms", 2000),
                ],
                interceptors=signing_interceptors(self._signer, self._subnet_id, self._clock),
            )
        return ledger_pb2_grpc.LedgerServiceStub(channel)

    def _demote(self, target: str) -> None:
        """Ask this validator last from now on."""
        self._targets.remove(target)
        self._targets.append(target)


def _text(target: str, exc: grpc.aio.AioRpcError) -> str:
    return f"{target}: {exc.code().name} {exc.details() or ''}".strip()
