"""The calls of IntentPoolService from message to message, shared by gRPC and HTTP. Knows neither of them."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from pinai_subnet.ports.root_layer import ItemResult, SignedBatch
from pinai_subnet.protocol.errors import InvalidInput, SubnetError
from pinai_subnet.protocol.ids import IntentId, parse_address, parse_bytes32
from pinai_subnet.protocol.intents import Intent
from pinai_subnet.rootlayer.recording import RefusedBatch, Submitted
from pinai_subnet.rootlayer.service import RootLayerService
from pinai_subnet.rootlayer.store.intents import ORDER_FIELDS, IntentQuery
from pinai_subnet.wire.codec.assignments import decode_assignment
from pinai_subnet.wire.codec.batches import decode_bundle, decode_group
from pinai_subnet.wire.codec.fields import uint256, unix_seconds
from pinai_subnet.wire.codec.intents import decode_submission, encode_intent, parse_intent_status
from pinai_subnet.wire.codec.refusals import refusal_text
from pinai_subnet.wire.pb.rootlayer import (
    assignment_pb2,
    intent_pb2,
    service_pb2,
    validation_pb2,
)

DEFAULT_PAGE_SIZE = 20
MAX_PAGE_SIZE = 100
_MAX_PAGE = 1_000_000

M = TypeVar("M")
V = TypeVar("V")


class Endpoint:
    """One method per call; every method raises `SubnetError` for what it refuses as a whole."""

    def __init__(self, service: RootLayerService) -> None:
        """Serve this service."""
        self._service = service

    async def submit_intent(
        self, request: service_pb2.SubmitIntentRequest
    ) -> service_pb2.SubmitIntentResponse:
        """Take one intent."""
        intent = decode_submission(request, created_at=self._service.now())
        outcome = (await self._service.submit_intents([intent]))[0]
        if outcome.error is not None:
            raise outcome.error
        return _submitted(request, outcome)

    async def submit_intent_batch(
        self, request: service_pb2.SubmitIntentBatchRequest
    ) -> service_pb2.SubmitIntentBatchResponse:
        """Take many intents; without partial_ok all or none."""
        now = self._service.now()

        def decode(item: service_pb2.SubmitIntentRequest) -> Intent:
            return decode_submission(item, created_at=now)

        outcomes = await self._service.submit_intents(
            _each(decode, request.items),
            batch_id=request.batch_id,
            partial_ok=request.partial_ok,
            treat_exists_as_ok=request.treat_exists_as_ok,
        )
        results = [_submitted(*pair) for pair in zip(request.items, outcomes, strict=True)]
        ok = sum(result.ok for result in results)
        return service_pb2.SubmitIntentBatchResponse(
            results=results,
            success=ok,
            failed=len(results) - ok,
            msg=_summary(request.batch_id, ok, len(results)),
        )

    async def get_intents(
        self, request: service_pb2.GetIntentsRequest
    ) -> service_pb2.GetIntentsResponse:
        """Return one page of the intents that match."""
        query = _query(request)
        listing = await self._service.list_intents(query)
        return service_pb2.GetIntentsResponse(
            intents=[encode_intent(intent) for intent in listing.intents],
            total=listing.total,
            page=query.page,
            page_size=query.page_size,
            total_pages=-(-listing.total // query.page_size),
        )

    async def get_intent(self, request: service_pb2.GetIntentRequest) -> intent_pb2.Intent:
        """Return one intent."""
        intent_id = IntentId(parse_bytes32(request.intent_id, "intent_id"))
        return encode_intent(await self._service.get_intent(intent_id))

    async def post_assignment(self, request: assignment_pb2.Assignment) -> service_pb2.Ack:
        """Take one assignment."""
        refusal = (await self._service.post_assignments([decode_assignment(request)]))[0]
        if refusal is not None:
            raise refusal
        return service_pb2.Ack(ok=True, msg="accepted")

    async def post_assignments(self, request: assignment_pb2.AssignmentBatch) -> service_pb2.Ack:
        """Take assignments, all or none; the first refusal is the answer for all."""
        answers = await self._service.post_assignments(
            _each(decode_assignment, request.assignments), batch_id=request.batch_id
        )
        for index, refusal in enumerate(answers):
            if refusal is not None and refusal.code != "SN-S042":
                raise type(refusal)(refusal.code, f"assignments[{index}]: {refusal.message}")
        return service_pb2.Ack(ok=True, msg=_summary(request.batch_id, len(answers), len(answers)))

    async def submit_bundle(
        self, request: validation_pb2.ValidationBundle
    ) -> validation_pb2.ValidationAck:
        """Settle one item in the older form; a refusal is part of the answer."""
        return _ack(await self._service.submit_bundle(decode_bundle(request)))

    async def submit_batches(
        self, request: service_pb2.ValidationBundleBatchRequest
    ) -> service_pb2.ValidationBundleBatchResponse:
        """Settle batches; one result per item of all groups, in order."""
        answers = await self._service.submit_batches(
            [_group(message, index) for index, message in enumerate(request.groups)],
            batch_id=request.batch_id,
            partial_ok=request.partial_ok,
        )
        ok = sum(answer.ok for answer in answers)
        return service_pb2.ValidationBundleBatchResponse(
            results=[_ack(answer) for answer in answers],
            success=ok,
            failed=len(answers) - ok,
            msg=_summary(request.batch_id, ok, len(answers)),
        )


def _each(decode: Callable[[M], V], messages: Iterable[M]) -> list[V | SubnetError]:
    """Decode every message; one that is malformed becomes its error and harms no other."""
    decoded: list[V | SubnetError] = []
    for message in messages:
        try:
            decoded.append(decode(message))
        except SubnetError as exc:
            decoded.append(exc)
    return decoded


def _group(message: validation_pb2.ValidationBatchGroup, index: int) -> SignedBatch | RefusedBatch:
    if not message.items:
        raise InvalidInput("SN-S030", f"groups[{index}].items: none; a batch has at least one")
    try:
        return decode_group(message)
    except SubnetError as exc:
        return RefusedBatch(error=exc, items=len(message.items))


def _submitted(
    request: service_pb2.SubmitIntentRequest, outcome: Submitted
) -> service_pb2.SubmitIntentResponse:
    intent, error = outcome.intent, outcome.error
    return service_pb2.SubmitIntentResponse(
        ok=error is None,
        msg="accepted" if error is None else refusal_text(error),
        intent_id=intent.intent_id if intent else request.intent_id[:80],
        params_hash=intent.params_hash if intent else b"",
        intent_expiration=intent.intent_expiration if intent else 0,
    )


def _ack(answer: ItemResult) -> validation_pb2.ValidationAck:
    return validation_pb2.ValidationAck(
        ok=answer.ok, msg=answer.message, receipt_id=answer.receipt_id
    )


def _summary(batch_id: str, ok: int, total: int) -> str:
    return f"{batch_id or 'batch'}: {ok} of {total} accepted"


def _query(request: service_pb2.GetIntentsRequest) -> IntentQuery:
    page, page_size = request.page or 1, request.page_size or DEFAULT_PAGE_SIZE
    if not 1 <= page <= _MAX_PAGE:
        raise InvalidInput("SN-S015", f"page: {page}; pages count from 1")
    if not 1 <= page_size <= MAX_PAGE_SIZE:
        raise InvalidInput("SN-S015", f"page_size: {page_size}; expected 1 to {MAX_PAGE_SIZE}")
    order_by = request.order_by or "created_at"
    if order_by not in ORDER_FIELDS:
        raise InvalidInput(
            "SN-S015", f"order_by: {order_by[:40]!r}; expected one of {', '.join(ORDER_FIELDS)}"
        )
    direction = request.order_dir.lower() or "asc"
    if direction not in ("asc", "desc"):
        raise InvalidInput("SN-S015", f"order_dir: {direction[:40]!r}; expected asc or desc")
    return IntentQuery(
        intent_id=request.intent_id and parse_bytes32(request.intent_id, "intent_id"),
        subnet_id=request.subnet_id and parse_bytes32(request.subnet_id, "subnet_id"),
        status=parse_intent_status(request.status) if request.status else None,
        requester=request.requester and parse_address(request.requester, "requester"),
        min_deadline=unix_seconds(request.min_deadline, "min_deadline"),
        min_tips=uint256(request.min_tips or "0", "min_tips"),
        page=page,
        page_size=page_size,
        order_by=order_by,
        descending=direction == "desc",
    )
