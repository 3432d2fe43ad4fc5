"""The SDK look-alikes themselves: right headers, right order, right weaknesses; and the registry serving them."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import grpc
import pytest
from fastapi import FastAPI, Request
from tests.integration.agent.fakes import (
    SUBNET,
    FakeMatcher,
    FakeValidator,
    a_task,
    an_id,
    serving,
    until,
)
from tests.interop.sdk_headers import address_of, headers, python_text
from tests.interop.sdk_like import GoSdkAgent, PythonSdkAgent, SdkConfig, Task

from pinai_subnet.protocol.errors import Unauthenticated
from pinai_subnet.runtime.clock import ManualClock, SystemClock
from pinai_subnet.runtime.http_server import HttpServer
from pinai_subnet.wire.authentication import (
    AuthenticationInterceptor,
    AuthMode,
    AuthPolicy,
    RequestVerifier,
    message_forms,
)
from pinai_subnet.wire.nonces import NonceCache
from pinai_subnet.wire.pb.subnet import execution_report_pb2, matcher_pb2, matcher_service_pb2

KEY = "11" * 32
ADDRESS = "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A"
RESPOND = "/subnet.v1.MatcherService/RespondToTask"
REQUEST = matcher_pb2.RespondToTaskRequest(
    response=matcher_pb2.TaskResponse(
        task_id="0x" + "b1" * 32, agent_id="agent-1", accepted=True, timestamp=1_800_000_000
    )
)


def verifier(clock: ManualClock | SystemClock) -> RequestVerifier:
    return RequestVerifier(
        policy=AuthPolicy(
            mode=AuthMode.REQUIRE, timestamp_tolerance_seconds=300, foreign_chain_ids=frozenset()
        ),
        nonces=NonceCache(expiry_seconds=600, capacity=1000),
        subnet_id=SUBNET,
        clock=clock,
    )


def config(matcher: int, validator: int | None = None, **changes: object) -> SdkConfig:
    basic = SdkConfig(
        subnet_id=SUBNET,
        agent_id="agent-1",
        matcher=f"127.0.0.1:{matcher}",
        validator=None if validator is None else f"127.0.0.1:{validator}",
        intent_types=("echo",),
    )
    return replace(basic, **changes)  # type: ignore[arg-type]


def test_the_python_headers_are_those_of_the_published_vector() -> None:
    """Wire-contract 6: canonical text, digest and signature."""
    sent = dict(
        headers(
            private_key=KEY,
            chain_id=SUBNET,
            method=RESPOND,
            request=REQUEST,
            timestamp=1_800_000_000,
            nonce="00112233445566778899aabbccddeeff",
        )
    )
    assert sent["x-signature"] == (
        "7d5610b077cff696113accdf8513073668107eae3a6246bd2b2dbe8c6f852f9479ecdac88d3b6113"
        "11a8e52d89e6adcd0416ad148b15027700c89f9b5def4f5b00"
    )
    assert sent["x-signer-id"] == address_of(KEY) == ADDRESS
    empty = python_text(
        chain_id="c", method="m", timestamp=1, nonce="n", request=matcher_pb2.TaskResponse()
    )
    assert empty == b'{"chain_id":"c","method":"m","nonce":"n","timestamp":1}'


@pytest.mark.parametrize("go", [False, True])
@pytest.mark.parametrize("streaming", [False, True])
def test_our_servers_recognise_both_forms_written_independently(go: bool, streaming: bool) -> None:
    """Row 2: neither side shares signing code with the other."""
    request = matcher_service_pb2.StreamTasksRequest(agent_id="é<&> \N{SNOWMAN}")
    sent = headers(
        private_key=KEY,
        chain_id=SUBNET,
        method="/m",
        request=request,
        go=go,
        streaming=streaming,
        timestamp=1_700_000_000,
    )
    check = verifier(ManualClock(1_700_000_000))
    caller = check.verify(dict(sent), "/m", lambda: message_forms(request, streaming=streaming))
    assert caller == ADDRESS
    with pytest.raises(Unauthenticated, match="SN-N306"):
        check.verify(dict(sent), "/m", lambda: message_forms(request, streaming=streaming))


async def test_a_python_agent_bids_always_and_works_one_task_after_another() -> None:
    """Agent-interop section 1: the observed sequence."""
    order: list[str] = []

    async def slow(task: Task) -> bytes:
        order.append(f"start {task.task_id[-1]}")
        await asyncio.sleep(0.05)
        order.append(f"end {task.task_id[-1]}")
        return bytes(task.intent_data)

    matcher, validator = FakeMatcher(), FakeValidator()
    matcher.answer_response = lambda _: False
    interceptors = (AuthenticationInterceptor(verifier(SystemClock())),)
    async with (
        serving(matcher, validator, interceptors=interceptors) as port,
        PythonSdkAgent(config(port, port, private_key=KEY), slow) as agent,
    ):
        await until(lambda: matcher._updates["echo"] and matcher._tasks)
        for update in ("NEW_INTENT", "WINDOW_CLOSED", "MATCHED"):
            matcher.announce(1, update)
        matcher.give(a_task(1))
        matcher.give(a_task(2))
        await agent.seen.until(lambda seen: len(seen.receipts) == 2 and len(seen.acks) == 3)
    assert order == ["start 1", "end 1", "start 2", "end 2"]
    assert all(left is None or left > 1e6 for left in matcher.deadlines)
    assert {bid.metadata["chain_address"] for bid in matcher.bids} == {ADDRESS}
    tasks = [n for n in agent.seen.names() if n in ("RespondToTask", "SubmitExecutionReport")]
    assert tasks == ["RespondToTask", "SubmitExecutionReport"] * 2
    (first, _) = validator.reports
    assert (first.assignment_id, first.agent_id, first.result_data) == (an_id(1), "agent-1", b"hi")
    assert not first.HasField("evidence")
    assert not first.HasField("error")
    assert first.signature == b""


async def test_a_python_agent_gives_up_streams_and_reports_at_the_first_error() -> None:
    """L18, L19: what our servers must therefore never provoke."""
    matcher, validator = FakeMatcher(), FakeValidator()
    validator.failure = grpc.StatusCode.UNAVAILABLE
    async with serving(validator) as reports:
        async with serving(matcher) as port:
            agent = PythonSdkAgent(config(port, reports))
            await agent.start()
            await until(lambda: matcher._tasks)
            matcher.give(a_task(1))
            await agent.seen.until(lambda seen: seen.errors)
            validator.failure = None
        await agent.seen.until(lambda seen: len(seen.errors) == 3)
        async with serving(matcher, port=port):
            await asyncio.sleep(0.3)
            assert agent.seen.called("StreamTasks") == 1
            await agent.stop()
    assert agent.seen.errors[0][0] == "SubmitExecutionReport"
    assert validator.reports == []


async def test_the_startup_report_goes_first_and_an_rpc_error_ends_the_agent() -> None:
    """Row 7."""
    matcher, validator = FakeMatcher(), FakeValidator()
    validator.status = "rejected"
    async with serving(matcher, validator) as port:
        async with PythonSdkAgent(config(port, port, startup_report=True)) as agent:
            assert agent.seen.startup_receipt is not None
            assert agent.seen.startup_receipt.status == "rejected"
        assert validator.reports[0].assignment_id == "assignment-1"
        validator.failure = grpc.StatusCode.INVALID_ARGUMENT
        broken = PythonSdkAgent(config(port, port, startup_report=True))
        with pytest.raises(grpc.aio.AioRpcError):
            await broken.start()
        await broken.stop()


@pytest.fixture
async def small_registry() -> AsyncIterator[tuple[int, list[dict[str, Any]]]]:
    """Something that answers as a registry and takes reports as a validator."""
    app, posted = FastAPI(), []

    async def register() -> dict[str, str]:
        return {"message": "registered"}

    async def validators() -> dict[str, Any]:
        endpoint = f"127.0.0.1:{server.port}"
        listed = [endpoint, f"http://{endpoint}/", "127.0.0.1:1"]
        return {"validators": [{"id": "v", "endpoint": e} for e in listed]}

    async def report(request: Request) -> dict[str, str]:
        posted.append(await request.json())
        return {"status": "accepted"}

    app.add_api_route("/agents", register, methods=["POST"], status_code=201)
    app.add_api_route("/agents/agent-1", register, methods=["DELETE"])
    app.add_api_route("/agents/agent-1/heartbeat", register, methods=["POST"])
    app.add_api_route("/validators", validators)
    app.add_api_route("/api/v1/execution-report", report, methods=["POST"])
    async with HttpServer(app, host="127.0.0.1", port=0) as server:
        yield server.port, posted


async def test_without_a_validator_the_report_is_posted_to_every_listed_endpoint(
    small_registry: tuple[int, list[dict[str, Any]]],
) -> None:
    """Rows 21, 22: URLs completed, sorted, each once; an unreachable one does no harm."""
    port, posted = small_registry
    matcher = FakeMatcher()
    async with serving(matcher) as target:
        chosen = config(target, registry=f"127.0.0.1:{port}", private_key=KEY)
        async with PythonSdkAgent(chosen) as agent:
            await until(lambda: matcher._tasks)
            matcher.give(a_task(1))
            await agent.seen.until(lambda seen: seen.http_reports)
            assert await agent.heartbeat() == 200
    assert agent.seen.names()[0] == "POST /agents"
    assert agent.seen.names()[-1] == "DELETE /agents/agent-1"
    (body,) = posted
    assert (body["assignment_id"], body["status"], body["result_data"]) == (
        an_id(1),
        "success",
        "aGk=",
    )
    assert body["metadata"] == {"chain_address": ADDRESS}
    assert [url for url, _ in agent.seen.errors] == ["http://127.0.0.1:1/api/v1/execution-report"]


async def test_a_go_agent_never_acknowledges_and_reports_under_its_address() -> None:
    """Row 13 and wire-contract 5.7."""

    async def work(task: Task) -> bytes:
        if task.intent_data == b"bad":
            raise ValueError("no")
        await asyncio.sleep(0.2)
        return bytes(task.intent_data)

    matcher, validator = FakeMatcher(), FakeValidator()
    interceptors = (AuthenticationInterceptor(verifier(SystemClock())),)
    async with (
        serving(matcher, validator, interceptors=interceptors) as port,
        GoSdkAgent(config(port, port, private_key=KEY), work) as agent,
    ):
        await until(lambda: matcher._tasks)
        matcher.give(a_task(1))
        matcher.give(a_task(2, data=b"bad"))
        await agent.seen.until(lambda seen: len(seen.receipts) == 2)
    assert matcher.responses == []
    bad, good = validator.reports
    assert bad.error.code == "EXECUTION_FAILED"
    assert bad.status == execution_report_pb2.ExecutionReport.FAILED
    assert (good.agent_id, good.result_data) == (ADDRESS, b"hi")
    assert good.report_id.startswith("report-")
