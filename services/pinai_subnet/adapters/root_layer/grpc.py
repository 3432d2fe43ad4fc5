"""RootLayer over gRPC, the development one or a remote one (wire-contract 2.4, 3.10). Retries nothing: callers do."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, TypeVar

import grpc
import httpx

from pinai_subnet.ports.errors import DependencyError, Refused, Unreachable
from pinai_subnet.ports.root_layer import IntentPage, ItemResult, OutOfFunds, RootLayer, SignedBatch
from pinai_subnet.ports.signer import Signer
from pinai_subnet.protocol.assignments import Assignment
from pinai_subnet.protocol.errors import InvalidInput
from pinai_subnet.protocol.ids import IntentId, SubnetId
from pinai_subnet.protocol.intents import Intent, IntentStatus
from pinai_subnet.protocol.membership import SignedSetChange
from pinai_subnet.protocol.request_signing import (
    CHAIN_HEADER,
    SIGNATURE_HEADER,
    SIGNER_HEADER,
    TIMESTAMP_HEADER,
    root_layer_digest,
)
from pinai_subnet.protocol.set_starts import SetStart
from pinai_subnet.runtime.clock import Clock
from pinai_subnet.runtime.logs import get_logger
from pinai_subnet.wire.codec.assignments import encode_assignment
from pinai_subnet.wire.codec.batches import encode_group
from pinai_subnet.wire.codec.intents import decode_intent, encode_intent_status
from pinai_subnet.wire.codec.refusals import may_be_taken_later
from pinai_subnet.wire.pb.rootlayer import (
    assignment_pb2,
    intent_pb2,
    service_pb2,
    service_pb2_grpc,
)
from pinai_subnet.wire.set_changes import follow_document

PAGE_SIZE = 100
"""The largest page RootLayer gives."""

_POOL = "/rootlayer.v1.IntentPoolService/"
_SUBSCRIBE = "/rootlayer.v1.SubscriptionService/SubscribeIntents"
_SETS = "/api/v1/validator-sets"
_MAX_MESSAGE_BYTES = 64 * 1024 * 1024

_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.min_reconnect_backoff_ms", 200),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 5_000),
    ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", _MAX_MESSAGE_BYTES),
    # Callers each own their connection: sharing one hides a broken peer behind another's retries.
    ("grpc.use_local_subchannel_pool", 1),
)

_FINAL = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.ALREADY_EXISTS,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.DATA_LOSS,
    }
)
_NO_FUNDS = re.compile(
    r"SN-S045|INSUFFICIENT_(?:GAS|BALANCE)|insufficient (?:funds|balance|gas)", re.IGNORECASE
)
"""Our own code, and the words in which chains say it."""
_IDENTITY = frozenset({grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED})

R = TypeVar("R")


class GrpcRootLayer(RootLayer):
    """One channel to one RootLayer; every call is signed, and a signer that fails makes the call fail."""

    def __init__(
        self,
        target: str,
        *,
        signer: Signer,
        subnet_id: SubnetId,
        clock: Clock,
        tls: bool = False,
        ca_certificate: bytes | None = None,
        http_endpoint: str | None = None,
        call_timeout_seconds: float = 10.0,
        batch_timeout_seconds: float = 30.0,
    ) -> None:
        """Connect lazily to host:port; `ca_certificate` (PEM) replaces the system's authorities for TLS.

        `http_endpoint` is where set changes are posted; without it they are not.
        """
        scheme = "https" if tls else "http"
        self._sets_url = None if http_endpoint is None else f"{scheme}://{http_endpoint}{_SETS}"
        self._target = target
        self._signer = signer
        self._subnet_id = subnet_id
        self._clock = clock
        self._call_timeout = call_timeout_seconds
        self._batch_timeout = batch_timeout_seconds
        self._channel = _channel(target, tls=tls, ca_certificate=ca_certificate)
        self._pool: Any = service_pb2_grpc.IntentPoolServiceStub(self._channel)
        self._subscriptions: Any = service_pb2_grpc.SubscriptionServiceStub(self._channel)
        self._log = get_logger(rootlayer=target)

    async def watch_intents(self, subnet_id: SubnetId) -> AsyncIterator[Intent]:
        """Yield pending intents as they come; an intent that cannot be understood is logged and left out."""
        request = service_pb2.SubscribeIntentsRequest(
            subnet_id=subnet_id, status_filter=[encode_intent_status(IntentStatus.PENDING)]
        )
        call = self._subscriptions.SubscribeIntents(request, metadata=self._metadata(_SUBSCRIBE))
        try:
            async for event in call:
                intent = self._decoded(event.intent)
                if intent is not None:
                    yield intent
        except grpc.aio.AioRpcError as exc:
            raise self._failure(exc, "SubscribeIntents", final=frozenset()) from exc
        finally:
            call.cancel()

    async def list_intents(
        self, subnet_id: SubnetId, status: IntentStatus, page: int
    ) -> IntentPage:
        """Return one page; an intent that cannot be understood is logged and left out."""
        request = service_pb2.GetIntentsRequest(
            subnet_id=subnet_id,
            status=status.name,
            page=page,
            page_size=PAGE_SIZE,
            order_by="created_at",
            order_dir="asc",
        )
        answer = await self._call("GetIntents", request)
        decoded = [self._decoded(message) for message in answer.intents]
        return IntentPage(
            intents=tuple(intent for intent in decoded if intent is not None),
            page=page,
            total_pages=answer.total_pages,
        )

    async def get_intent(self, intent_id: IntentId) -> Intent | None:
        """Return one intent; raise `Unreachable` SN-S073 if RootLayer's copy cannot be understood."""
        request = service_pb2.GetIntentRequest(intent_id=intent_id)
        try:
            message = await self._call("GetIntent", request)
        except Refused as exc:
            if _status_of(exc) is grpc.StatusCode.NOT_FOUND:
                return None
            raise
        try:
            return decode_intent(message)
        except InvalidInput as exc:
            raise Unreachable("SN-S073", f"{self._target}: intent {intent_id}: {exc}") from exc

    async def post_assignments(self, assignments: Sequence[Assignment]) -> Sequence[ItemResult]:
        """Post all in one call; when that is refused, each on its own, so that one bad one harms no other."""
        if not assignments:
            return ()
        if len(assignments) > 1:
            batch = assignment_pb2.AssignmentBatch(
                assignments=[encode_assignment(assignment) for assignment in assignments],
                batch_id=f"assignments-{assignments[0].assignment_id[2:18]}-{len(assignments)}",
                created_at=int(self._clock.now()),
            )
            try:
                ack = await self._call("PostAssignmentBatch", batch)
            except Refused as exc:
                self._log.debug("assignment_batch_refused", reason=str(exc))
            else:
                if ack.ok:
                    return tuple(_result(ack) for _ in assignments)
                self._log.debug("assignment_batch_refused", reason=ack.msg)
        return tuple([await self._post_one(assignment) for assignment in assignments])

    async def submit_batch(self, batch: SignedBatch) -> Sequence[ItemResult]:
        """Hand over one batch as one group; raise `Unreachable` SN-S073 unless there is one answer per item."""
        request = service_pb2.ValidationBundleBatchRequest(
            groups=[encode_group(batch)],
            batch_id=f"epoch-{batch.epoch}-{batch.completed_at}",
            partial_ok=True,
        )
        answer = await self._call(
            "SubmitValidationBundleBatch", request, timeout_seconds=self._batch_timeout
        )
        if len(answer.results) != len(batch.items):
            raise Unreachable(
                "SN-S073",
                f"{self._target} gave {len(answer.results)} results for the {len(batch.items)} items of epoch "
                f"{batch.epoch}; expected one per item ({answer.msg!r})",
            )
        for ack in answer.results:
            if not ack.ok and _NO_FUNDS.search(ack.msg):
                raise OutOfFunds("SN-S075", f"{self._target} epoch {batch.epoch}: {ack.msg}")
        return tuple(
            ItemResult(
                ok=ack.ok,
                message=ack.msg,
                receipt_id=ack.receipt_id,
                retryable=not ack.ok and may_be_taken_later(ack.msg),
            )
            for ack in answer.results
        )

    async def follow_sets(self, changes: Sequence[SignedSetChange], start: SetStart) -> None:
        """Post set changes over HTTP: the protocol has no call for them."""
        if self._sets_url is None:
            return
        try:
            async with httpx.AsyncClient(timeout=self._call_timeout) as client:
                answer = await client.post(self._sets_url, json=follow_document(changes, start))
        except httpx.HTTPError as exc:
            raise Unreachable("SN-S054", f"{self._sets_url}: {type(exc).__name__}") from exc
        if answer.is_server_error:
            raise Unreachable("SN-S054", f"{self._sets_url} answered {answer.status_code}")
        if answer.is_error:
            raise Refused("SN-S055", f"{self._sets_url} refused: {answer.text[:300]}")

    async def close(self) -> None:
        """Close the channel and cancel what is under way; safe to call twice."""
        await self._channel.close()

    async def _post_one(self, assignment: Assignment) -> ItemResult:
        try:
            return _result(await self._call("PostAssignment", encode_assignment(assignment)))
        except Refused as exc:
            return ItemResult(ok=False, message=exc.message, receipt_id="")

    async def _call(
        self, name: str, request: object, *, timeout_seconds: float | None = None
    ) -> Any:
        method: Callable[..., Awaitable[Any]] = getattr(self._pool, name)
        try:
            return await method(
                request,
                timeout=timeout_seconds or self._call_timeout,
                metadata=self._metadata(_POOL + name),
            )
        except grpc.aio.AioRpcError as exc:
            raise self._failure(exc, name, final=_FINAL) from exc
        except grpc.aio.UsageError as exc:
            raise Unreachable("SN-S070", f"{self._target} {name}: connection is closed") from exc

    def _metadata(self, method: str) -> tuple[tuple[str, str], ...]:
        """Return the signed headers; whatever the signer raises reaches the caller, so nothing goes out unsigned."""
        timestamp = int(self._clock.now())
        digest = root_layer_digest(subnet_id=self._subnet_id, method=method, timestamp=timestamp)
        return (
            (CHAIN_HEADER, self._subnet_id),
            (SIGNER_HEADER, self._signer.address),
            (TIMESTAMP_HEADER, str(timestamp)),
            (SIGNATURE_HEADER, self._signer.sign(digest).hex()),
        )

    def _failure(
        self, exc: grpc.aio.AioRpcError, name: str, *, final: frozenset[grpc.StatusCode]
    ) -> DependencyError:
        status, details = exc.code(), exc.details() or "no details"
        text = f"{self._target} {name}: {status.name} {details}"
        if _NO_FUNDS.search(details):
            return OutOfFunds("SN-S075", text)
        if status in final:
            return Refused("SN-S071", text)
        # A wrong clock or a key not yet known is mended outside and the repeated call then works: never final.
        return Unreachable("SN-S072" if status in _IDENTITY else "SN-S070", text)

    def _decoded(self, message: intent_pb2.Intent) -> Intent | None:
        try:
            return decode_intent(message)
        except InvalidInput as exc:
            self._log.warning(
                "rootlayer_intent_malformed", intent_id=message.intent_id[:80], reason=str(exc)
            )
            return None


def _channel(target: str, *, tls: bool, ca_certificate: bytes | None) -> grpc.aio.Channel:
    if tls:
        credentials = grpc.ssl_channel_credentials(root_certificates=ca_certificate)
        return grpc.aio.secure_channel(target, credentials, options=_OPTIONS)
    return grpc.aio.insecure_channel(target, options=_OPTIONS)


def _result(ack: service_pb2.Ack) -> ItemResult:
    return ItemResult(ok=ack.ok, message=ack.msg, receipt_id=ack.tx_hash)


def _status_of(exc: DependencyError) -> grpc.StatusCode | None:
    cause = exc.__cause__
    return cause.code() if isinstance(cause, grpc.aio.AioRpcError) else None
