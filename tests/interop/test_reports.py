"""Reports: in-band answers, receipts, repeats, batches, bursts, and the HTTP way to all validators."""

import asyncio
import base64
import time
from itertools import pairwise

import pytest
from tests.interop.by_hand import Report, holding, report
from tests.interop.kit import Caller, RealNetwork, new_id, new_key, refusal
from tests.interop.sdk_headers import address_of
from tests.interop.sdk_like import PythonSdkAgent

from pinai_subnet.wire.pb.subnet import report_pb2, service_pb2

pytestmark = pytest.mark.asyncio(loop_scope="session")

PATH = "/api/v1/execution-report"


def rejected(receipt: report_pb2.Receipt, place: int = 0) -> bool:
    """Say whether a receipt is a complete no."""
    return (receipt.status, receipt.phase, receipt.validator_id) == (
        "rejected",
        "REJECTED",
        f"validator-{place + 1}",
    ) and abs(receipt.received_ts - time.time()) < 60


@pytest.mark.parametrize("key", [None, new_key()], ids=["bare", "signed"])
async def test_the_dummy_report_of_the_public_agents_is_answered_in_band(
    network: RealNetwork, key: str | None
) -> None:
    """Row 7: `assignment-1`, signed for `subnet-local`, at every validator; then the same agent works."""
    for place, target in enumerate(network.validators):
        config = network.sdk(
            "dummy",
            agent_id=f"dummy-{'signed' if key else 'bare'}",
            private_key=key,
            chain_address=address_of(key or new_key()),
            validator=target,
            startup_report=True,
        )
        async with PythonSdkAgent(config) as agent:
            assert agent.seen.startup_receipt is not None
            assert rejected(agent.seen.startup_receipt, place)
            if place == 0:
                await network.completed(await network.submit("dummy"))
            assert agent.seen.errors == []


async def test_every_bad_report_is_answered_in_band(network: RealNetwork) -> None:
    """Row 7: the SDK drops a report after any answer, and agents may exit on an error."""
    async with holding(network, "bad-reports") as agent:
        (task,), name = agent.seen.tasks, agent.config.agent_id
        bad = [
            Report(),
            report(task, name, timestamp=0),
            report(task, name, intent_id=new_id()),
            report(task, name, intent_id="intent-1"),
            report(task, name, assignment_id="assignment-1"),
            report(task, "somebody-else"),
            report(task, ""),
        ]
        for caller in (
            Caller(network=network),
            Caller(network=network, key=agent.config.private_key),
        ):
            for message in bad:
                receipt = await caller.validator("SubmitExecutionReport", message)
                assert rejected(receipt), message
                assert receipt.report_id == message.report_id
        good = await caller.validator("SubmitExecutionReport", report(task, name))
        assert good.status == "accepted"
        await network.completed(task.intent_id)


async def test_a_report_is_taken_once_whoever_is_told_and_how_often(network: RealNetwork) -> None:
    """Row 11: one receipt per (assignment, agent), the same at every validator; also after settlement."""
    async with holding(network, "repeats") as agent:
        (task,), name = agent.seen.tasks, agent.config.agent_id
        caller = Caller(network=network, key=agent.config.private_key)
        first = await caller.validator("SubmitExecutionReport", report(task, name))
        again = [
            await caller.validator(
                "SubmitExecutionReport",
                report(task, spelling, timestamp=int(time.time()) + 5),
                place=p,
            )
            for p in range(3)
            for spelling in (name, agent.address, str(agent.address).lower())
        ]
        settled = await network.completed(task.intent_id)
        late = await caller.validator("SubmitExecutionReport", report(task, name, result_data=b"x"))
    assert first.status == "accepted"
    assert {(r.status, r.report_id) for r in [*again, late]} == {("duplicate", first.report_id)}
    assert late.phase == "VERIFIED"
    assert settled["report"]["result_bytes"] == len(b"done")


async def test_a_report_is_found_by_either_id_at_every_validator(network: RealNetwork) -> None:
    """Row 19: the computed id of the receipt and the caller's own."""
    async with holding(network, "both-ids") as agent:
        (task,), name = agent.seen.tasks, agent.config.agent_id
        caller = Caller(network=network, key=agent.config.private_key)
        sent = report(task, name)
        receipt = await caller.validator("SubmitExecutionReport", sent)
        await network.completed(task.intent_id)
    assert receipt.report_id != sent.report_id
    for report_id in (receipt.report_id, sent.report_id):
        for place in range(3):
            request = service_pb2.GetExecutionReportRequest(report_id=report_id)
            assert await caller.validator("GetExecutionReport", request, place=place) == sent
    unknown = service_pb2.GetExecutionReportRequest(report_id="nobody-knows")
    assert (await refusal(caller.validator("GetExecutionReport", unknown)))[0] == "NOT_FOUND"


async def test_a_batch_of_reports_has_aligned_receipts_and_stops_at_the_first_refusal(
    network: RealNetwork,
) -> None:
    """Row 23: `partial_ok` is false unless set; what was taken before stays."""
    async with holding(network, "report-batch", count=4) as agent:
        name = agent.config.agent_id
        caller = Caller(network=network, key=agent.config.private_key)
        one, two, three, four = [report(task, name) for task in agent.seen.tasks]
        wrong = report(agent.seen.tasks[0], "somebody-else")
        strict = service_pb2.ExecutionReportBatchRequest(reports=[one, wrong, two])
        partial = service_pb2.ExecutionReportBatchRequest(
            reports=[one, wrong, three, four], partial_ok=True
        )
        got = await caller.validator("SubmitExecutionReportBatch", strict)
        assert [r.status for r in got.receipts] == ["accepted", "rejected", "rejected"]
        assert [r.report_id for r in got.receipts[1:]] == [wrong.report_id, two.report_id]
        assert (got.success, got.failed) == (1, 2)
        got = await caller.validator("SubmitExecutionReportBatch", partial)
        assert [r.status for r in got.receipts] == ["duplicate", "rejected", "accepted", "accepted"]
        assert (got.success, got.failed) == (3, 1)
        assert [r.intent_id for r in got.receipts] == [r.intent_id for r in partial.reports]
        assert (await caller.validator("SubmitExecutionReport", two)).status == "accepted"
        for task in agent.seen.tasks:
            await network.completed(task.intent_id)
        empty = caller.validator(
            "SubmitExecutionReportBatch", service_pb2.ExecutionReportBatchRequest()
        )
        assert (await refusal(empty))[0] == "INVALID_ARGUMENT"


async def test_back_to_back_tasks_and_bursts_of_one_agent_are_not_rate_limited(
    network: RealNetwork,
) -> None:
    """Row 24: upstream takes one report a second."""
    async with PythonSdkAgent(network.sdk("brief", agent_id="bursts")) as agent:
        ids = await asyncio.gather(*(network.submit("brief") for _ in range(20)))
        await agent.seen.until(lambda seen: len(seen.receipts) == 20)
        for intent_id in ids:
            await network.completed(intent_id)
        assert [r.status for r in agent.seen.receipts] == ["accepted"] * 20
        assert agent.seen.errors == []
        caller = Caller(network=network, key=agent.config.private_key)
        sent = agent.seen.reports
        again = await asyncio.gather(
            *(caller.validator("SubmitExecutionReport", sent[n % 20]) for n in range(100))
        )
        assert {r.status for r in again} == {"duplicate"}
        batch = service_pb2.ExecutionReportBatchRequest(reports=list(sent) * 10)
        assert (await caller.validator("SubmitExecutionReportBatch", batch)).failed == 0


async def test_without_a_validator_the_report_reaches_all_three_and_counts_once(
    network: RealNetwork,
) -> None:
    """Rows 21 and 22; point 11: the registry lists the validators' HTTP endpoints, each takes the same report."""
    listed = (await network.call("GET", network.registry, "/validators")).json()["validators"]
    assert [v["endpoint"] for v in listed] == network.validators_http
    config = network.sdk("over-http", validator=None, registry=network.registry)
    async with PythonSdkAgent(config) as agent:
        intent_id = await network.submit("over-http")
        settled = await network.completed(intent_id)
        await agent.seen.until(lambda seen: len(seen.http_reports) == 3)
        assert agent.seen.errors == []
        times = [at for at, _ in agent.seen.calls]
        latency = max(later - at for at, later in pairwise(times))
    answers = [body for _, _, body in agent.seen.http_reports]
    assert [status for _, status, _ in agent.seen.http_reports] == [200] * 3
    assert {body["validator_id"] for body in answers} == {f"validator-{n}" for n in (1, 2, 3)}
    assert sorted(body["status"] for body in answers) == ["accepted", "duplicate", "duplicate"]
    assert {body["report_id"] for body in answers} == {settled["report"]["report_id"]}
    assert {body["intent_id"] for body in answers} == {intent_id}
    assert latency < 10
    (item,) = [
        i for i in (await network.epoch(settled["epoch"]))["items"] if i["intent_id"] == intent_id
    ]
    assert item["agent"] == agent.address
    assert len((await network.story(intent_id))["assignments"]) == 1


async def test_the_http_endpoint_takes_what_agents_send_and_answers_bad_reports_in_band(
    network: RealNetwork,
) -> None:
    """Row 22: unknown keys, words in any case, base64 or text; 200 with `rejected` for a wrong report."""
    async with holding(network, "http-words", count=3) as agent:
        texts = [
            ("success", base64.b64encode(b"done").decode()),
            ("OK", "plain text!"),
            ("", "eA=="),
        ]
        results = [b"done", b"plain text!", b"x"]
        for task, (status, result), expected in zip(agent.seen.tasks, texts, results, strict=True):
            body = {
                "report_id": "r",
                "assignment_id": task.task_id,
                "intent_id": task.intent_id,
                "agent_id": agent.config.agent_id,
                "status": status,
                "result_data": result,
                "timestamp": 0,
                "metadata": {"chain_address": agent.address, "error": ""},
                "unknown": [1],
            }
            wrong = body | {"agent_id": "somebody-else"}
            answer = await network.call("POST", network.validators_http[1], PATH, json=wrong)
            assert (answer.status_code, answer.json()["status"]) == (200, "rejected")
            answer = await network.call("POST", network.validators_http[2], PATH, json=body)
            assert (answer.status_code, answer.json()["status"]) == (200, "accepted")
            settled = await network.completed(task.intent_id)
            assert settled["report"]["result_bytes"] == len(expected)
        body.pop("agent_id")
        bad = await network.call("POST", network.validators_http[0], PATH, json=body)
        assert (bad.status_code, "error" in bad.json()) == (400, True)
        assert (await network.call("GET", network.validators_http[0], PATH)).status_code == 405


async def test_a_stranger_who_claims_a_name_uses_up_only_its_own_limit(
    network: RealNetwork,
) -> None:
    """Row 24; A12: rates are counted by who is proven to call, not by the name in the message."""
    async with holding(network, "locked-out") as agent:
        (task,), name = agent.seen.tasks, agent.config.agent_id
        stranger = Caller(network=network, key=new_key())
        flood = service_pb2.ExecutionReportBatchRequest(
            reports=[report(task, name, timestamp=0)] * 200, partial_ok=True
        )
        calls = (stranger.validator("SubmitExecutionReportBatch", flood) for _ in range(6))
        codes = await asyncio.gather(*map(refusal, calls))
        assert ("RESOURCE_EXHAUSTED", "SN-V082") in codes
        victim = Caller(network=network, key=agent.config.private_key)
        receipt = await victim.validator("SubmitExecutionReport", report(task, name))
        assert receipt.status == "accepted"
        await network.completed(task.intent_id)
