"""RootLayer's gRPC services: pool, subscriptions, health. What a rule refuses is answered in band (wire-contract 2)."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
from google.protobuf import empty_pb2

from pinai_subnet.protocol.errors import InvalidInput, SubnetError
from pinai_subnet.protocol.ids import IntentId, parse_bytes32
from pinai_subnet.protocol.intents import IntentStatus
from pinai_subnet.rootlayer.api.endpoint import Endpoint
from pinai_subnet.rootlayer.authentication import HeaderVerifier
from pinai_subnet.rootlayer.events import IntentFilter, StatusChange, StatusFilter
from pinai_subnet.rootlayer.service import RootLayerService
from pinai_subnet.runtime.clock import Clock
from pinai_subnet.runtime.health import Health
from pinai_subnet.wire.codec.fields import enum_value, uint256, unix_seconds
from pinai_subnet.wire.codec.intents import encode_intent, encode_intent_status
from pinai_subnet.wire.codec.refusals import refusal_text
from pinai_subnet.wire.pb.rootlayer import (
    assignment_pb2,
    intent_pb2,
    service_pb2,
    service_pb2_grpc,
    validation_pb2,
)

SOURCE = "rootlayer"
_UNSIGNED_SERVICES = ("/rootlayer.v1.HealthService/", "/grpc.health.v1.Health/")
_MAX_FILTER_ENTRIES = 1000


class IntentPool(service_pb2_grpc.IntentPoolServiceServicer):
    """IntentPoolService."""

    def __init__(self, endpoint: Endpoint) -> None:
        """Serve these calls."""
        self._endpoint = endpoint

    async def SubmitIntent(  # noqa: N802 - the wire's name, here and below
        self, request: service_pb2.SubmitIntentRequest, _context: Any
    ) -> service_pb2.SubmitIntentResponse:
        """Take one intent."""
        try:
            return await self._endpoint.submit_intent(request)
        except SubnetError as exc:
            return service_pb2.SubmitIntentResponse(
                msg=_in_band(exc), intent_id=request.intent_id[:80]
            )

    async def SubmitIntentBatch(  # noqa: N802
        self, request: service_pb2.SubmitIntentBatchRequest, _context: Any
    ) -> service_pb2.SubmitIntentBatchResponse:
        """Take many intents."""
        return await self._endpoint.submit_intent_batch(request)

    async def GetIntents(  # noqa: N802
        self, request: service_pb2.GetIntentsRequest, _context: Any
    ) -> service_pb2.GetIntentsResponse:
        """Return one page of intents."""
        return await self._endpoint.get_intents(request)

    async def GetIntent(  # noqa: N802
        self, request: service_pb2.GetIntentRequest, _context: Any
    ) -> intent_pb2.Intent:
        """Return one intent."""
        return await self._endpoint.get_intent(request)

    async def PostAssignment(  # noqa: N802
        self, request: assignment_pb2.Assignment, _context: Any
    ) -> service_pb2.Ack:
        """Take one assignment."""
        return await _acknowledged(self._endpoint.post_assignment, request)

    async def PostAssignmentBatch(  # noqa: N802
        self, request: assignment_pb2.AssignmentBatch, _context: Any
    ) -> service_pb2.Ack:
        """Take assignments, all or none."""
        return await _acknowledged(self._endpoint.post_assignments, request)

    async def PostAssignments(  # noqa: N802
        self, request: assignment_pb2.AssignmentBatch, _context: Any
    ) -> service_pb2.Ack:
        """Take assignments; the older name."""
        return await _acknowledged(self._endpoint.post_assignments, request)

    async def SubmitValidationBundle(  # noqa: N802
        self, request: validation_pb2.ValidationBundle, _context: Any
    ) -> validation_pb2.ValidationAck:
        """Settle one item in the older form."""
        try:
            return await self._endpoint.submit_bundle(request)
        except SubnetError as exc:
            return validation_pb2.ValidationAck(msg=_in_band(exc))

    async def SubmitValidationBundleBatch(  # noqa: N802
        self, request: service_pb2.ValidationBundleBatchRequest, _context: Any
    ) -> service_pb2.ValidationBundleBatchResponse:
        """Settle batches."""
        return await self._endpoint.submit_batches(request)


class Subscriptions(service_pb2_grpc.SubscriptionServiceServicer):
    """SubscriptionService. Initial metadata says that the subscription is in place."""

    def __init__(self, service: RootLayerService) -> None:
        """Serve this service's events."""
        self._service = service

    async def SubscribeIntents(  # noqa: N802
        self, request: service_pb2.SubscribeIntentsRequest, context: Any
    ) -> AsyncIterator[service_pb2.IntentStreamEvent]:
        """Send intents that match, stored ones first if asked for."""
        wanted = _intent_filter(request)
        with self._service.subscribe(wanted) as subscription:
            await context.send_initial_metadata(())
            async for change in self._service.intent_events(
                subscription, wanted, include_historical=request.include_historical
            ):
                yield _intent_event(change)

    async def SubscribeStatusUpdates(  # noqa: N802
        self, request: service_pb2.SubscribeStatusRequest, context: Any
    ) -> AsyncIterator[service_pb2.StatusUpdateEvent]:
        """Send status changes that match."""
        _check_entries(len(request.intent_ids))
        wanted = StatusFilter(
            intent_ids=frozenset(
                IntentId(parse_bytes32(text, "intent_ids")) for text in request.intent_ids
            ),
            statuses=_statuses(request.statuses),
        )
        with self._service.subscribe(wanted) as subscription:
            await context.send_initial_metadata(())
            async for change in self._service.status_events(subscription):
                yield service_pb2.StatusUpdateEvent(
                    intent_id=change.intent.intent_id,
                    old_status=encode_intent_status(change.old_status),
                    new_status=encode_intent_status(change.intent.status),
                    reason=change.reason,
                    timestamp=change.at_ms // 1000,
                    metadata={"sequence": str(change.sequence)},
                )


class HealthAnswers:
    """The one answer of HealthService, also served over HTTP."""

    def __init__(self, *, health: Health, clock: Clock, version: str, subnet_id: str) -> None:
        """Answer from the process's own facts."""
        self._health = health
        self._clock = clock
        self._version = version
        self._subnet_id = subnet_id

    def answer(self) -> service_pb2.HealthCheckResponse:
        """Return SERVING while the process is ready, otherwise NOT_SERVING with the reasons."""
        ready = self._health.ready()
        details = {name: f"{finding.code} {finding.reason}" for name, finding in ready.against}
        return service_pb2.HealthCheckResponse(
            status="SERVING" if ready.ok else "NOT_SERVING",
            service=SOURCE,
            timestamp=int(self._clock.now()),
            version=self._version,
            details={"subnet_id": self._subnet_id} | details,
        )


class HealthChecks(service_pb2_grpc.HealthServiceServicer):
    """HealthService."""

    def __init__(self, answers: HealthAnswers) -> None:
        """Give these answers."""
        self._answers = answers

    async def Check(  # noqa: N802
        self, _request: empty_pb2.Empty, _context: Any
    ) -> service_pb2.HealthCheckResponse:
        """Say whether RootLayer serves."""
        return self._answers.answer()


class HeaderInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[misc, unused-ignore]
    """Verifies the signed headers of every call but health checks, before its message is read."""

    def __init__(self, verifier: HeaderVerifier) -> None:
        """Take the rules."""
        self._verifier = verifier

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """Refuse the call or hand it on; the body is not covered, so nothing has to be wrapped."""
        method = handler_call_details.method
        if not method.startswith(_UNSIGNED_SERVICES):
            headers = {
                key: value
                for key, value in handler_call_details.invocation_metadata or ()
                if isinstance(value, str)
            }
            self._verifier.verify(headers, method)
        return await continuation(handler_call_details)


async def _acknowledged(
    call: Callable[[Any], Awaitable[service_pb2.Ack]], request: object
) -> service_pb2.Ack:
    try:
        return await call(request)
    except SubnetError as exc:
        return service_pb2.Ack(msg=_in_band(exc))


def _in_band(error: SubnetError) -> str:
    """Return the text for `msg`; what may succeed later is raised instead, so that clients repeat it."""
    if error.retryable:
        raise error
    return refusal_text(error)


def _intent_filter(request: service_pb2.SubscribeIntentsRequest) -> IntentFilter:
    _check_entries(len(request.intent_types))
    return IntentFilter(
        subnet_id=request.subnet_id and parse_bytes32(request.subnet_id, "subnet_id"),
        min_deadline=unix_seconds(request.min_deadline, "min_deadline"),
        min_tips=uint256(request.min_tips or "0", "min_tips"),
        intent_types=frozenset(request.intent_types),
        statuses=_statuses(request.status_filter),
    )


def _statuses(values: Any) -> frozenset[IntentStatus]:
    return frozenset(enum_value(IntentStatus, value, "status") for value in values)


def _check_entries(count: int) -> None:
    if count > _MAX_FILTER_ENTRIES:
        raise InvalidInput("SN-S015", f"{count} filter entries; at most {_MAX_FILTER_ENTRIES}")


def _intent_event(change: StatusChange) -> service_pb2.IntentStreamEvent:
    metadata = {"reason": change.reason}
    if change.historical:
        metadata["historical"] = "true"
    else:
        metadata["sequence"] = str(change.sequence)
    return service_pb2.IntentStreamEvent(
        event_type=change.event_type,
        intent=encode_intent(change.intent),
        timestamp=change.at_ms // 1000,
        source=SOURCE,
        metadata=metadata,
    )
