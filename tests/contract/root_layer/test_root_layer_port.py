"""The promises of `ports.root_layer`, kept by the gRPC adapter against the development RootLayer over real gRPC."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import httpx
import pytest
from google.protobuf.json_format import MessageToDict
from tests.rootlayer_kit import (
    MATCHER,
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

from pinai_subnet.adapters.root_layer.grpc import GrpcRootLayer
from pinai_subnet.ports.errors import Refused, Unreachable
from pinai_subnet.ports.root_layer import RootLayer
from pinai_subnet.protocol.intents import Intent, IntentStatus
from pinai_subnet.runtime.clock import ManualClock, SystemClock
from pinai_subnet.wire.codec.intents import encode_submission
from pinai_subnet.wire.pb.rootlayer import service_pb2, service_pb2_grpc


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    async with running_rootlayer(tmp_path / "data", request_headers={"mode": "require"}) as started:
        yield started


def adapter(target: str, **options: object) -> GrpcRootLayer:
    settings: dict[str, object] = {
        "signer": MATCHER,
        "subnet_id": SUBNET,
        "clock": SystemClock(),
        "call_timeout_seconds": 5.0,
    }
    return GrpcRootLayer(target, **(settings | options))  # type: ignore[arg-type]


@pytest.fixture
async def root_layer(running: Running) -> AsyncIterator[RootLayer]:
    opened = adapter(running.grpc_target)
    yield opened
    await opened.close()


async def submit(running: Running, *intents: Intent) -> None:
    """Submit over HTTP, as requesters do, so that the suite depends on the port alone."""
    body = {
        "items": [_json(intent) for intent in intents],
        "partialOk": False,
    }
    async with httpx.AsyncClient() as client:
        answer = await client.post(f"{running.http_base}/api/v1/intents/submit/batch", json=body)
    assert answer.json()["failed"] == 0, answer.text


def _json(intent: Intent) -> dict[str, object]:
    return MessageToDict(encode_submission(intent))


def pending(count: int = 1) -> list[Intent]:
    return [signed_intent(deadline=int(time.time()) + 600) for _ in range(count)]


async def test_watching_yields_new_pending_intents_and_none_of_the_past(
    running: Running, root_layer: RootLayer
) -> None:
    past, first, second = pending(3)
    await submit(running, past)
    stream = root_layer.watch_intents(SUBNET)
    following = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0.3)
    await submit(running, first)
    seen = await asyncio.wait_for(following, 5)
    assert seen.intent_id == first.intent_id
    assert (seen.intent_raw, seen.signature) == (first.intent_raw, first.signature)
    await root_layer.post_assignments([signed_assignment(first.intent_id)])
    await submit(running, second)
    assert (await asyncio.wait_for(anext(stream), 5)).intent_id == second.intent_id
    await stream.aclose()  # type: ignore[attr-defined]


async def test_listing_returns_pages_oldest_first(running: Running, root_layer: RootLayer) -> None:
    intents = pending(130)
    await submit(running, *intents[:100])
    await submit(running, *intents[100:])
    first = await root_layer.list_intents(SUBNET, IntentStatus.PENDING, 1)
    second = await root_layer.list_intents(SUBNET, IntentStatus.PENDING, 2)
    assert (first.total_pages, len(first.intents), len(second.intents)) == (2, 100, 30)
    listed = [intent.intent_id for intent in (*first.intents, *second.intents)]
    assert listed == [intent.intent_id for intent in intents]
    beyond = await root_layer.list_intents(SUBNET, IntentStatus.PENDING, 3)
    assert (list(beyond.intents), beyond.page) == ([], 3)


async def test_an_intent_is_found_by_its_id_and_an_unknown_one_is_none(
    running: Running, root_layer: RootLayer
) -> None:
    intent = pending()[0]
    await submit(running, intent)
    found = await root_layer.get_intent(intent.intent_id)
    assert found is not None
    assert (found.intent_id, found.budget, found.tips) == (intent.intent_id, intent.budget, 7)
    assert await root_layer.get_intent(fresh_id()) is None  # type: ignore[arg-type]


async def test_a_malformed_question_is_refused_for_good(root_layer: RootLayer) -> None:
    with pytest.raises(Refused, match="SN-N101") as caught:
        await root_layer.get_intent("0x12")  # type: ignore[arg-type]
    assert not caught.value.retryable


async def test_posted_assignments_are_answered_in_order_and_one_bad_one_harms_no_other(
    running: Running, root_layer: RootLayer
) -> None:
    intents = pending(3)
    await submit(running, *intents)
    good, other = (signed_assignment(i.intent_id) for i in intents[:2])
    unknown = signed_assignment(fresh_id())
    results = await root_layer.post_assignments([good, unknown, other])
    assert [result.ok for result in results] == [True, False, True]
    assert "SN-S012" in results[1].message
    repeated = await root_layer.post_assignments([good, other])
    assert all(result.ok for result in repeated)
    assert await root_layer.post_assignments([]) == ()


async def test_a_batch_is_answered_per_item_and_a_repeat_gives_the_same_receipts(
    running: Running, root_layer: RootLayer
) -> None:
    intents = pending(2)
    await submit(running, *intents)
    assignments = [signed_assignment(intent.intent_id) for intent in intents]
    await root_layer.post_assignments(assignments)
    unknown = signed_assignment(fresh_id())
    batch = signed_batch([item_of(a) for a in (assignments[0], unknown, assignments[1])])
    results = await root_layer.submit_batch(batch)
    assert [result.ok for result in results] == [True, False, True]
    # The assignment may still come: then the same batch is taken.
    assert [result.retryable for result in results] == [False, True, False]
    assert await root_layer.submit_batch(batch) == results
    for intent in intents:
        stored = await root_layer.get_intent(intent.intent_id)
        assert stored is not None
        assert stored.status is IntentStatus.COMPLETED


async def test_a_batch_with_too_few_signatures_is_refused_for_every_item(
    root_layer: RootLayer,
) -> None:
    items = [item_of(signed_assignment(fresh_id())) for _ in range(3)]
    results = await root_layer.submit_batch(signed_batch(items, signers=VALIDATORS[:1]))
    assert [result.ok for result in results] == [False] * 3
    assert all("SN-S035" in result.message for result in results)


async def test_nothing_listening_is_unreachable_and_may_be_retried(unused_tcp_port: int) -> None:
    """L2, L13: RootLayer down is never a final refusal."""
    root_layer = adapter(f"127.0.0.1:{unused_tcp_port}", call_timeout_seconds=1.0)
    with pytest.raises(Unreachable) as caught:
        await root_layer.submit_batch(signed_batch([item_of(signed_assignment(fresh_id()))]))
    assert caught.value.retryable
    with pytest.raises(Unreachable):
        await anext(root_layer.watch_intents(SUBNET))
    await root_layer.close()


async def test_a_stopped_rootlayer_breaks_the_stream_and_a_started_one_serves_again(
    tmp_path: Path,
) -> None:
    async with running_rootlayer(tmp_path / "data") as running:
        root_layer = adapter(running.grpc_target)
        following = asyncio.ensure_future(anext(root_layer.watch_intents(SUBNET)))
        await asyncio.sleep(0.3)
        port = int(running.grpc_target.rpartition(":")[2])
    with pytest.raises(Unreachable):
        await asyncio.wait_for(following, 5)
    async with running_rootlayer(tmp_path / "data", listen={"grpc_port": port, "http_port": 0}):
        for _ in range(50):
            with contextlib.suppress(Unreachable):
                page = await root_layer.list_intents(SUBNET, IntentStatus.PENDING, 1)
                break
            await asyncio.sleep(0.1)
        assert list(page.intents) == []
    await root_layer.close()


async def test_a_wrong_clock_is_never_a_final_refusal(running: Running) -> None:
    """A settled epoch must not be given up because a clock was wrong for an hour."""
    root_layer = adapter(running.grpc_target, clock=ManualClock(1_000_000_000.0))
    with pytest.raises(Unreachable) as caught:
        await root_layer.list_intents(SUBNET, IntentStatus.PENDING, 1)
    assert caught.value.code == "SN-S072"
    await root_layer.close()


async def test_a_signer_that_fails_makes_the_call_fail_instead_of_going_out_unsigned(
    tmp_path: Path,
) -> None:
    """A16: upstream sends the call unsigned when signing fails."""

    class Broken:
        address = MATCHER.address
        public_key = MATCHER.public_key

        def sign(self, _: bytes) -> bytes:
            raise Unreachable("SN-K000", "the key is out of reach")

        sign_eip191 = sign

    async with running_rootlayer(tmp_path / "data", request_headers={"mode": "off"}) as running:
        root_layer = adapter(running.grpc_target, signer=Broken())
        with pytest.raises(Unreachable, match="out of reach"):
            await root_layer.list_intents(SUBNET, IntentStatus.PENDING, 1)
        with pytest.raises(Unreachable, match="out of reach"):
            await anext(root_layer.watch_intents(SUBNET))
        await root_layer.close()


class _Odd(service_pb2_grpc.IntentPoolServiceServicer):
    """Answers as a foreign RootLayer might: without batch calls, with a malformed intent, one result per group."""

    async def PostAssignmentBatch(self, request: object, context: object) -> object:  # noqa: N802
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, "no batches")  # type: ignore[attr-defined]

    async def PostAssignment(self, request: object, context: object) -> object:  # noqa: N802
        return service_pb2.Ack(ok=True, tx_hash="0xabc")

    async def GetIntents(self, request: object, context: object) -> object:  # noqa: N802
        good = service_pb2.GetIntentsResponse(total_pages=1)
        good.intents.add(intent_id="0x12")
        return good

    async def SubmitValidationBundleBatch(self, request: object, context: object) -> object:  # noqa: N802
        answer = service_pb2.ValidationBundleBatchResponse(success=1)
        answer.results.add(ok=True)
        return answer


async def test_a_foreign_rootlayer_is_met_with_single_calls_and_caution() -> None:
    server = grpc.aio.server()
    service_pb2_grpc.add_IntentPoolServiceServicer_to_server(_Odd(), server)  # type: ignore[arg-type, abstract]
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    root_layer = adapter(f"127.0.0.1:{port}")
    posted = await root_layer.post_assignments([signed_assignment(fresh_id()) for _ in range(2)])
    assert [(result.ok, result.receipt_id) for result in posted] == [(True, "0xabc")] * 2
    assert list((await root_layer.list_intents(SUBNET, IntentStatus.PENDING, 1)).intents) == []
    two = signed_batch([item_of(signed_assignment(fresh_id())) for _ in range(2)])
    with pytest.raises(Unreachable, match="SN-S073"):
        await root_layer.submit_batch(two)
    await root_layer.close()
    await root_layer.close()
    await server.stop(0)
