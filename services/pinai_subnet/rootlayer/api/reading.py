"""Read endpoints of our own: history, assignments and settled batches, complete enough to recompute every digest."""

from typing import Annotated, Any

from fastapi import FastAPI, Path, Query, Response
from fastapi.responses import JSONResponse
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from pinai_subnet.ports.root_layer import ItemResult
from pinai_subnet.protocol.ids import IntentId, parse_bytes32
from pinai_subnet.rootlayer.api.schemas import Schema, array_of, message_schema, object_schema
from pinai_subnet.rootlayer.events import HistoryEntry
from pinai_subnet.rootlayer.service import RootLayerService
from pinai_subnet.rootlayer.store.assignments import StoredAssignment
from pinai_subnet.rootlayer.store.batches import StoredBatch
from pinai_subnet.wire.codec.assignments import encode_assignment
from pinai_subnet.wire.codec.batches import encode_group
from pinai_subnet.wire.pb.rootlayer import assignment_pb2, validation_pb2

_TEXT: Schema = {"type": "string"}
_NUMBER: Schema = {"type": "integer"}
_MILLISECONDS: Schema = {"type": "integer", "description": "Unix milliseconds; 0 for never."}
_BATCH_HEAD: dict[str, Schema] = {
    "epoch": _NUMBER,
    "batchDigest": {
        "type": "string",
        "description": "0x and hex; what the signatures cover before the EIP-191 prefix.",
    },
    "itemsHash": _TEXT,
    "rootHash": _TEXT,
    "receivedAtMs": _MILLISECONDS,
    "settled": {"type": "integer", "description": "Items that were accepted."},
    "refused": {"type": "integer", "description": "Items that were refused."},
}
_GROUP = message_schema(validation_pb2.ValidationBatchGroup)
_HISTORY = object_schema(
    "History",
    intentId=_TEXT,
    history=array_of(
        object_schema("Change", oldStatus=_TEXT, newStatus=_TEXT, reason=_TEXT, atMs=_MILLISECONDS)
    ),
)
_ASSIGNMENTS = object_schema(
    "Assignments",
    assignments=array_of(
        object_schema(
            "PostedAssignment",
            assignment=message_schema(assignment_pb2.Assignment),
            postedAtMs=_MILLISECONDS,
            failedAtMs=_MILLISECONDS,
        )
    ),
)
_BATCHES = object_schema("Batches", batches=array_of(object_schema("BatchHead", **_BATCH_HEAD)))
_BATCH = object_schema(
    "Batch",
    **_BATCH_HEAD,
    group=_GROUP,
    results=array_of(message_schema(validation_pb2.ValidationAck)),
    conflicts=array_of(
        object_schema("Conflict", batchDigest=_TEXT, receivedAtMs=_MILLISECONDS, group=_GROUP)
    ),
)


def add_reading(app: FastAPI, service: RootLayerService, *, problem: Schema) -> None:
    """Add the routes; `problem` is the schema of a refusal."""

    async def history(intent_id: str) -> Response:
        parsed = IntentId(parse_bytes32(intent_id, "intent_id"))
        entries = await service.history(parsed)
        return JSONResponse({"intentId": parsed, "history": [_change(e) for e in entries]})

    async def assignments(
        intent_id: Annotated[str, Query(description="The intent they are for.")],
    ) -> Response:
        parsed = IntentId(parse_bytes32(intent_id, "intent_id"))
        stored = await service.assignments_of(parsed)
        return JSONResponse({"assignments": [_assignment(entry) for entry in stored]})

    async def batches(
        after_epoch: Annotated[int, Query(ge=-1, lt=2**63)] = -1,
        limit: Annotated[int, Query(ge=1, le=100)] = 20,
    ) -> Response:
        stored = await service.list_batches(after_epoch, limit)
        return JSONResponse({"batches": [_head(batch) for batch in stored]})

    async def batch(epoch: Annotated[int, Path(ge=0, lt=2**63)]) -> Response:
        return JSONResponse(_batch(await service.get_batch(epoch)))

    for path, handler, summary, schema in (
        ("/api/v1/intents/{intent_id}/history", history, "Every status change", _HISTORY),
        ("/api/v1/assignments", assignments, "The assignments of one intent", _ASSIGNMENTS),
        ("/api/v1/batches", batches, "Settled batches, oldest first", _BATCHES),
        ("/api/v1/batches/{epoch}", batch, "One settled batch with signatures", _BATCH),
    ):
        app.add_api_route(
            path,
            handler,
            methods=["GET"],
            summary=summary,
            operation_id=f"read_{handler.__name__}",
            response_class=JSONResponse,
            responses={
                200: {"description": "Done", "content": {"application/json": {"schema": schema}}},
                "4XX": {
                    "description": "Refused; the code says why",
                    "content": {"application/problem+json": {"schema": problem}},
                },
            },
        )


def _change(entry: HistoryEntry) -> dict[str, Any]:
    return {
        "oldStatus": entry.old_status.name,
        "newStatus": entry.new_status.name,
        "reason": entry.reason,
        "atMs": entry.at_ms,
    }


def _assignment(stored: StoredAssignment) -> dict[str, Any]:
    return {
        "assignment": _as_dict(encode_assignment(stored.assignment)),
        "postedAtMs": stored.posted_at_ms,
        "failedAtMs": stored.failed_at_ms,
    }


def _head(stored: StoredBatch) -> dict[str, Any]:
    settled = sum(result.ok for result in stored.results)
    return {
        "epoch": stored.batch.epoch,
        "batchDigest": "0x" + stored.digest.hex(),
        "itemsHash": "0x" + stored.batch.items_hash.hex(),
        "rootHash": "0x" + stored.batch.root_hash.hex(),
        "receivedAtMs": stored.received_at_ms,
        "settled": settled,
        "refused": len(stored.results) - settled,
    }


def _batch(stored: StoredBatch) -> dict[str, Any]:
    return _head(stored) | {
        "group": _as_dict(encode_group(stored.batch)),
        "results": [_result(result) for result in stored.results],
        "conflicts": [
            {
                "batchDigest": "0x" + conflict.digest.hex(),
                "receivedAtMs": conflict.received_at_ms,
                "group": _as_dict(encode_group(conflict.batch)),
            }
            for conflict in stored.conflicts
        ],
    }


def _result(result: ItemResult) -> dict[str, Any]:
    return {"ok": result.ok, "msg": result.message, "receiptId": result.receipt_id}


def _as_dict(message: Message) -> dict[str, Any]:
    return MessageToDict(message, always_print_fields_with_no_presence=True)
