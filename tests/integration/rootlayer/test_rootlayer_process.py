"""The development RootLayer from outside: HTTP, gRPC, streams, restarts."""

import asyncio
import base64
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
import yaml
from google.protobuf import empty_pb2
from google.protobuf.json_format import MessageToDict, ParseDict
from tests.rootlayer_kit import (
    DOMAIN,
    PARAMETERS,
    STRANGER,
    SUBNET,
    VALIDATORS,
    Running,
    fresh_id,
    item_of,
    running_rootlayer,
    signed_assignment,
    signed_batch,
    signed_intent,
)

from pinai_subnet.protocol.assignments import Assignment
from pinai_subnet.protocol.digests import single_validation_digest
from pinai_subnet.protocol.intents import Intent
from pinai_subnet.rootlayer.settings import RootLayerSettings
from pinai_subnet.rootlayer.settling import check_batch
from pinai_subnet.runtime.settings import load_settings
from pinai_subnet.wire.codec.assignments import encode_assignment
from pinai_subnet.wire.codec.batches import decode_group, encode_group
from pinai_subnet.wire.codec.intents import encode_submission
from pinai_subnet.wire.pb.rootlayer import (
    assignment_pb2,
    intent_pb2,
    service_pb2,
    service_pb2_grpc,
    validation_pb2,
)

CONFIG = Path(__file__).resolve().parents[3] / "config" / "rootlayer.yaml"


@dataclass
class Client:
    """Both faces of one RootLayer."""

    running: Running
    http: httpx.AsyncClient
    channel: grpc.aio.Channel
    pool: Any
    subscriptions: Any


async def connected(running: Running) -> AsyncIterator[Client]:
    channel = grpc.aio.insecure_channel(running.grpc_target)
    async with httpx.AsyncClient(base_url=running.http_base) as http:
        yield Client(
            running,
            http,
            channel,
            service_pb2_grpc.IntentPoolServiceStub(channel),
            service_pb2_grpc.SubscriptionServiceStub(channel),
        )
    await channel.close()


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    async with running_rootlayer(tmp_path / "data", limits={"params_bytes": 2000}) as running:
        async for opened in connected(running):
            yield opened


def intent(**fields: object) -> Intent:
    return signed_intent(deadline=int(time.time()) + 600, **fields)  # type: ignore[arg-type]


def as_json(given: Intent) -> dict[str, Any]:
    return MessageToDict(encode_submission(given))


async def submit(client: Client, *intents: Intent) -> None:
    for given in intents:
        answer = await client.http.post("/api/v1/intents/submit", json=as_json(given))
        assert answer.status_code == 200, answer.text


async def assign(client: Client, *intents: Intent) -> list[Assignment]:
    await submit(client, *intents)
    assignments = [signed_assignment(given.intent_id) for given in intents]
    for assignment in assignments:
        ack = await client.pool.PostAssignment(encode_assignment(assignment))
        assert ack.ok, ack.msg
    return assignments


async def test_an_intent_submitted_over_http_is_served_over_grpc(client: Client) -> None:
    given = intent(metadata=b"\0\xff")
    body = as_json(given) | {"deadline": given.deadline}
    assert body["params"]["intentRaw"] == base64.b64encode(given.intent_raw).decode()
    answer = await client.http.post("/api/v1/intents/submit", json=body)
    assert answer.status_code == 200
    assert answer.json() == {
        "ok": True,
        "msg": "accepted",
        "intentId": given.intent_id,
        "paramsHash": base64.b64encode(given.params_hash).decode(),
        "intentExpiration": str(given.deadline),
    }
    stored = await client.pool.GetIntent(service_pb2.GetIntentRequest(intent_id=given.intent_id))
    assert stored.status == intent_pb2.INTENT_STATUS_PENDING
    assert (stored.params.intent_raw, stored.params.metadata) == (given.intent_raw, b"\0\xff")
    assert stored.pending_confirmed
    assert not stored.validation_confirmed
    fetched = await client.http.get(f"/api/v1/intents/query/{given.intent_id}")
    assert ParseDict(fetched.json(), intent_pb2.Intent()) == stored


@pytest.mark.parametrize(
    ("change", "status", "code", "reason"),
    [
        ({"intentId": "0x12"}, 400, "SN-N101", "INTENT_INVALID_UUID (4004)"),
        ({"budget": "1e18"}, 400, "SN-S003", "INTENT_INVALID_BUDGET (4101)"),
        ({"budget": "5"}, 400, "SN-S013", "INTENT_SIGNER_MISMATCH (4203)"),
        ({"deadline": "12"}, 400, "SN-S007", "INTENT_EXPIRED_DEADLINE (4100)"),
        ({"intentType": ""}, 400, "SN-S005", "INTENT_INVALID_INTENT_TYPE (4106)"),
        ({"signature": "AAAA"}, 400, "SN-N110", "INTENT_INVALID_SIGNATURE_FORMAT (4007)"),
        ({"surprise": 1}, 400, "SN-S002", "INTENT_INVALID_FIELD_FORMAT (4003)"),
    ],
)
async def test_a_refused_intent_is_a_problem_with_code_and_reason_number(
    client: Client, change: dict[str, Any], status: int, code: str, reason: str
) -> None:
    answer = await client.http.post("/api/v1/intents/submit", json=as_json(intent()) | change)
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert answer.json()["code"] == code
    assert reason in answer.json()["detail"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff\xfe", b"null", b'{"params": 5}'])
async def test_a_body_that_is_no_intent_is_refused(client: Client, body: bytes) -> None:
    answer = await client.http.post("/api/v1/intents/submit", content=body)
    assert answer.status_code == 400
    assert answer.json()["code"].startswith("SN-")


async def test_the_same_intent_again_is_refused_singly_and_fine_in_a_tolerant_batch(
    client: Client,
) -> None:
    given, other, large = intent(), intent(), intent(intent_raw=b"x" * 2001)
    await submit(client, given)
    again = await client.http.post("/api/v1/intents/submit", json=as_json(given))
    assert (again.status_code, again.json()["code"]) == (409, "SN-S010")
    in_band = await client.pool.SubmitIntent(encode_submission(given))
    assert not in_band.ok
    assert "INTENT_ALREADY_EXISTS (5000)" in in_band.msg
    batch = service_pb2.SubmitIntentBatchRequest(
        items=[encode_submission(i) for i in (given, large, other)],
        batch_id="b-1",
        partial_ok=True,
        treat_exists_as_ok=True,
    )
    answer = await client.pool.SubmitIntentBatch(batch)
    assert [result.ok for result in answer.results] == [True, False, True]
    assert (answer.success, answer.failed, answer.msg) == (2, 1, "b-1: 2 of 3 accepted")
    assert "4109" in answer.results[1].msg


async def test_intents_are_filtered_sorted_and_paged(client: Client) -> None:
    intents = [intent(tips=n, intent_type=f"type-{n}") for n in range(5)]
    await submit(client, *intents)
    await assign(client, intent(tips=100))

    async def ids(**query: object) -> list[str]:
        answer = await client.http.get("/api/v1/intents/query", params=query)  # type: ignore[arg-type]
        assert answer.status_code == 200, answer.text
        return [found["intentId"] for found in answer.json()["intents"]]

    expected = [given.intent_id for given in intents]
    assert await ids(status="PENDING") == expected
    assert await ids(status="PENDING", minTips="3") == expected[3:]
    assert await ids(status="PENDING", orderBy="tips", orderDir="desc", pageSize=2, page=2) == [
        expected[2],
        expected[1],
    ]
    assert await ids(intentId=expected[1], subnetId=SUBNET) == [expected[1]]
    assert await ids(requester=STRANGER.address) == []
    assert await ids(minDeadline=int(time.time()) + 9000) == []
    page = (await client.http.get("/api/v1/intents/query?pageSize=4")).json()
    assert (page["total"], page["page"], page["pageSize"], page["totalPages"]) == ("6", 1, 4, "2")
    for bad in ("page=-1", "pageSize=101", "orderBy=signature", "status=OPEN", "surprise=1"):
        answer = await client.http.get(f"/api/v1/intents/query?{bad}")
        assert answer.status_code == 400, bad


async def test_an_assignment_over_http_starts_processing_and_the_history_tells_why(
    client: Client,
) -> None:
    given = intent()
    await submit(client, given)
    assignment = signed_assignment(given.intent_id)
    body = MessageToDict(encode_assignment(assignment))
    answer = await client.http.post("/api/v1/callbacks/assignment/submit", json=body)
    assert answer.json()["ok"] is True
    forged = body | {"matcherId": STRANGER.address}
    refused = await client.http.post("/api/v1/callbacks/assignment/submit", json=forged)
    assert (refused.status_code, refused.json()["code"]) == (403, "SN-S020")
    second = MessageToDict(encode_assignment(signed_assignment(given.intent_id)))
    batch = await client.http.post(
        "/api/v1/callbacks/assignments/submit", json={"assignments": [body, second]}
    )
    assert (batch.status_code, batch.json()["code"]) == (409, "SN-S023")
    listed = await client.http.get(f"/api/v1/assignments?intent_id={given.intent_id}")
    assert [a["assignment"]["assignmentId"] for a in listed.json()["assignments"]] == [
        assignment.assignment_id
    ]
    history = (await client.http.get(f"/api/v1/intents/{given.intent_id}/history")).json()
    steps = [(step["oldStatus"], step["newStatus"]) for step in history["history"]]
    assert steps == [("UNSPECIFIED", "PENDING"), ("PENDING", "PROCESSING")]
    assert history["history"][1]["reason"].startswith("assigned to 0x2222")
    assert abs(history["history"][1]["atMs"] / 1000 - time.time()) < 60
    assert (await client.http.get(f"/api/v1/intents/{fresh_id()}/history")).status_code == 404


async def test_anyone_can_recompute_a_settled_batch_from_what_is_served(client: Client) -> None:
    assignments = await assign(client, intent(), intent())
    batch = signed_batch([item_of(a) for a in assignments], epoch=4)
    request = service_pb2.ValidationBundleBatchRequest(groups=[encode_group(batch)])
    answer = await client.http.post(
        "/api/v1/callbacks/validation/submit/batch", json=MessageToDict(request)
    )
    assert answer.json()["success"] == 2
    served = (await client.http.get("/api/v1/batches/4")).json()
    rebuilt = decode_group(ParseDict(served["group"], validation_pb2.ValidationBatchGroup()))
    assert rebuilt == batch
    assert served["batchDigest"] == "0x" + check_batch(rebuilt, PARAMETERS).hex()
    assert [result["ok"] for result in served["results"]] == [True, True]
    heads = (await client.http.get("/api/v1/batches?after_epoch=3")).json()["batches"]
    assert [(head["epoch"], head["settled"], head["refused"]) for head in heads] == [(4, 2, 0)]
    assert (await client.http.get("/api/v1/batches?after_epoch=4")).json()["batches"] == []
    missing = await client.http.get("/api/v1/batches/5")
    assert (missing.status_code, missing.json()["code"]) == (404, "SN-S043")


async def test_a_conflicting_batch_is_refused_and_served_as_evidence(client: Client) -> None:
    first, second = await assign(client, intent(), intent())
    settled, other = signed_batch([item_of(first)]), signed_batch([item_of(second)])
    for batch, ok in ((settled, True), (other, False), (other, False)):
        answer = await client.pool.SubmitValidationBundleBatch(
            service_pb2.ValidationBundleBatchRequest(groups=[encode_group(batch)], partial_ok=True)
        )
        assert [result.ok for result in answer.results] == [ok]
    served = (await client.http.get("/api/v1/batches/1")).json()
    assert len(served["conflicts"]) == 1
    assert served["conflicts"][0]["group"] == MessageToDict(
        encode_group(other), always_print_fields_with_no_presence=True
    )


async def test_the_older_single_bundle_settles_one_item(client: Client) -> None:
    (assignment,) = await assign(client, intent())
    item = item_of(assignment)
    digest = single_validation_digest(
        item, subnet_id=SUBNET, root_height=1, root_hash=bytes(32), domain=DOMAIN
    )
    bundle = validation_pb2.ValidationBundle(
        subnet_id=SUBNET,
        intent_id=item.intent_id,
        assignment_id=item.assignment_id,
        agent_id=item.agent,
        root_height=1,
        root_hash="0x" + "00" * 32,
        executed_at=item.executed_at,
        result_hash=item.result_hash,
        proof_hash=item.proof_hash,
        signatures=[
            validation_pb2.ValidationSignature(
                validator=signer.address, signature=signer.sign_eip191(digest)
            )
            for signer in VALIDATORS[:2]
        ],
    )
    first = await client.pool.SubmitValidationBundle(bundle)
    assert first.ok, first.msg
    again = await client.http.post(
        "/api/v1/callbacks/validation/submit", json=MessageToDict(bundle)
    )
    assert again.json()["receiptId"] == first.receipt_id
    bundle.agent_id = STRANGER.address
    refused = await client.pool.SubmitValidationBundle(bundle)
    assert "SN-S032" in refused.msg


async def drained(stream: Any) -> None:
    while await next_event(stream) is not grpc.aio.EOF:
        pass


async def next_event(stream: Any) -> Any:
    return await asyncio.wait_for(stream.read(), 5)


async def test_subscribers_see_history_then_every_change_that_passes_their_filter(
    client: Client,
) -> None:
    stored, wrong_type = intent(intent_type="a", tips=9), intent(intent_type="b", tips=9)
    await submit(client, stored, wrong_type)
    stream = client.subscriptions.SubscribeIntents(
        service_pb2.SubscribeIntentsRequest(
            subnet_id=SUBNET, intent_types=["a"], min_tips="9", include_historical=True
        )
    )
    replayed = await next_event(stream)
    assert replayed.intent.intent_id == stored.intent_id
    assert (replayed.event_type, replayed.metadata["historical"]) == ("new_intent", "true")
    live = intent(intent_type="a", tips=10)
    await submit(client, intent(intent_type="a", tips=8), live)
    event = await next_event(stream)
    assert (event.event_type, event.intent.intent_id) == ("new_intent", live.intent_id)
    await client.pool.PostAssignment(encode_assignment(signed_assignment(stored.intent_id)))
    event = await next_event(stream)
    assert (event.event_type, event.intent.intent_id) == ("status_changed", stored.intent_id)
    assert event.intent.status == intent_pb2.INTENT_STATUS_PROCESSING
    stream.cancel()


async def test_status_updates_name_old_and_new_status_and_the_reason(client: Client) -> None:
    given, other = intent(), intent()
    stream = client.subscriptions.SubscribeStatusUpdates(
        service_pb2.SubscribeStatusRequest(
            intent_ids=[given.intent_id],
            statuses=[intent_pb2.INTENT_STATUS_COMPLETED, intent_pb2.INTENT_STATUS_PROCESSING],
        )
    )
    await stream.initial_metadata()
    assignments = await assign(client, other, given)
    batch = signed_batch([item_of(a) for a in assignments])
    await client.pool.SubmitValidationBundleBatch(
        service_pb2.ValidationBundleBatchRequest(groups=[encode_group(batch)], partial_ok=True)
    )
    updates = [await next_event(stream) for _ in range(2)]
    assert [update.intent_id for update in updates] == [given.intent_id] * 2
    assert [(u.old_status, u.new_status) for u in updates] == [(1, 3), (3, 4)]
    assert updates[1].reason == "settled in epoch 1"
    stream.cancel()


async def test_a_subscriber_that_does_not_read_is_ended_with_resource_exhausted(
    tmp_path: Path,
) -> None:
    """Never a silent loss: the error tells the reader to list again."""
    async with running_rootlayer(
        tmp_path / "data", streams={"queue_events": 5}, limits={"params_bytes": 100_000}
    ) as running:
        async for client in connected(running):
            stream = client.subscriptions.SubscribeIntents(service_pb2.SubscribeIntentsRequest())
            await stream.initial_metadata()
            for _ in range(2):
                batch = [encode_submission(intent(intent_raw=b"x" * 60_000)) for _ in range(50)]
                await client.pool.SubmitIntentBatch(
                    service_pb2.SubmitIntentBatchRequest(items=batch)
                )
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await drained(stream)
            assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert "SN-S060" in (caught.value.details() or "")


async def test_overdue_intents_expire_with_an_event(tmp_path: Path) -> None:
    async with running_rootlayer(
        tmp_path / "data", expiry={"grace_seconds": 0, "every_seconds": 0.1}
    ) as running:
        async for client in connected(running):
            stream = client.subscriptions.SubscribeStatusUpdates(
                service_pb2.SubscribeStatusRequest(statuses=[intent_pb2.INTENT_STATUS_EXPIRED])
            )
            await stream.initial_metadata()
            short = signed_intent(deadline=int(time.time()) + 2)
            await submit(client, short)
            update = await next_event(stream)
            assert (update.intent_id, update.old_status) == (short.intent_id, 1)
            stream.cancel()


async def test_a_restart_keeps_everything_and_a_repeated_batch_has_its_effect_once(
    tmp_path: Path,
) -> None:
    """L13: the validators repeat a batch whose answer they lost; also across a restart it counts once."""
    given, pending = intent(), intent()
    async with running_rootlayer(tmp_path / "data") as running:
        async for client in connected(running):
            (assignment,) = await assign(client, given)
            await submit(client, pending)
            request = service_pb2.ValidationBundleBatchRequest(
                groups=[encode_group(signed_batch([item_of(assignment)]))], partial_ok=True
            )
            first = await client.pool.SubmitValidationBundleBatch(request)
            history = (await client.http.get(f"/api/v1/intents/{given.intent_id}/history")).json()
    async with running_rootlayer(tmp_path / "data") as running:
        async for client in connected(running):
            again = await client.pool.SubmitValidationBundleBatch(request)
            assert again.results == first.results
            assert again.results[0].ok
            path = f"/api/v1/intents/{given.intent_id}/history"
            assert (await client.http.get(path)).json() == history
            listed = (await client.http.get("/api/v1/intents/query?status=PENDING")).json()
            assert [found["intentId"] for found in listed["intents"]] == [pending.intent_id]
            repeated = await client.pool.PostAssignment(encode_assignment(assignment))
            assert repeated.ok


async def test_required_headers_are_demanded_from_grpc_calls_and_http_callbacks_only(
    tmp_path: Path,
) -> None:
    async with running_rootlayer(tmp_path / "data", request_headers={"mode": "require"}) as running:
        async for client in connected(running):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await client.pool.GetIntents(service_pb2.GetIntentsRequest())
            assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
            stream = client.subscriptions.SubscribeIntents(service_pb2.SubscribeIntentsRequest())
            with pytest.raises(grpc.aio.AioRpcError, match="SN-S050"):
                await next_event(stream)
            health = service_pb2_grpc.HealthServiceStub(client.channel)
            assert (await health.Check(empty_pb2.Empty())).status == "SERVING"
            await submit(client, intent())
            refused = await client.http.post("/api/v1/callbacks/assignment/submit", json={})
            assert (refused.status_code, refused.json()["code"]) == (401, "SN-S050")


async def test_health_says_what_the_protocol_and_our_probes_want(client: Client) -> None:
    health = (await client.http.get("/health")).json()
    assert (health["status"], health["service"]) == ("SERVING", "rootlayer")
    assert health["ready"]["ok"] is True
    assert (await client.http.get("/readyz")).status_code == 200
    assert (await client.http.get("/healthz")).status_code == 200
    await submit(client, intent())
    metrics = (await client.http.get("/metrics")).text
    assert 'subnet_rootlayer_submitted_intents_total{outcome="accepted"} 1.0' in metrics


async def test_the_openapi_document_describes_the_messages_that_are_really_served(
    client: Client,
) -> None:
    document = (await client.http.get("/openapi.json")).json()
    submit_path = document["paths"]["/api/v1/intents/submit"]["post"]
    request = submit_path["requestBody"]["content"]["application/json"]["schema"]
    assert set(as_json(intent())) <= set(request["properties"])
    answer = await client.http.post("/api/v1/intents/submit", json=as_json(intent()))
    response = submit_path["responses"]["200"]["content"]["application/json"]["schema"]
    assert set(response["properties"]) == set(answer.json())
    listing = document["paths"]["/api/v1/intents/query"]["get"]["parameters"]
    assert {parameter["name"] for parameter in listing} == {
        field.json_name for field in service_pb2.GetIntentsRequest.DESCRIPTOR.fields
    }
    assert len(document["paths"]) == 13
    operations = [op["operationId"] for path in document["paths"].values() for op in path.values()]
    assert len(operations) == len(set(operations))


async def test_limits_of_a_batch_are_kept(client: Client) -> None:
    many = [service_pb2.SubmitIntentRequest()] * 101
    for request in (
        service_pb2.SubmitIntentBatchRequest(items=many),
        service_pb2.SubmitIntentBatchRequest(),
        service_pb2.SubmitIntentBatchRequest(items=many[:1], batch_id="x" * 129),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await client.pool.SubmitIntentBatch(request)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "SN-S014" in (caught.value.details() or "")


async def test_the_older_name_of_the_assignment_batch_works(client: Client) -> None:
    given = intent()
    await submit(client, given)
    batch = assignment_pb2.AssignmentBatch(
        assignments=[encode_assignment(signed_assignment(given.intent_id))]
    )
    assert (await client.pool.PostAssignments(batch)).ok


def test_every_key_of_the_shipped_file_is_declared_and_every_declared_key_is_shipped() -> None:
    settings = load_settings(RootLayerSettings, CONFIG, environ={"DATA_DIR": "/srv"})
    assert settings.data_dir == Path("/srv/rootlayer")
    assert (settings.listen.grpc_port, settings.listen.http_port) == (None, None)
    assert settings == RootLayerSettings(data_dir=Path("/srv/rootlayer"))

    def keys(node: Any, prefix: str = "") -> set[str]:
        if not isinstance(node, dict):
            return {prefix}
        return {path for key, value in node.items() for path in keys(value, f"{prefix}.{key}")}

    shipped = keys(yaml.safe_load(CONFIG.read_text("utf-8")))
    assert shipped == keys(settings.model_dump())
