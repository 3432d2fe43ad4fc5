"""A whole run of an unmodified agent, in each of the forms in which they come: Python, Go, without a key."""

import asyncio
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

import pytest
from tests.interop.by_hand import bid, open_intent
from tests.interop.kit import Caller, RealNetwork, new_key, types
from tests.interop.sdk_headers import address_of
from tests.interop.sdk_like import GoSdkAgent, PythonSdkAgent
from tests.interop.sdk_wire import SdkAgent

from pinai_subnet.wire.pb.subnet import bid_pb2, execution_report_pb2

pytestmark = pytest.mark.asyncio(loop_scope="session")

ON_ITS_OWN = """
import asyncio, json, sys
from tests.interop.sdk_like import PythonSdkAgent, SdkConfig

ours = {name for name in sys.modules if name.startswith("pinai_subnet")}
assert all(name in ("pinai_subnet", "pinai_subnet.wire") or ".wire.pb" in name for name in ours), ours

async def main():
    async with PythonSdkAgent(SdkConfig(**json.loads(sys.argv[1]))) as agent:
        await agent.seen.until(lambda seen: seen.receipts)
        assert agent.seen.errors == []

asyncio.run(main())
"""


async def test_a_python_agent_with_key_and_registry_goes_from_registration_to_settlement(
    network: RealNetwork,
) -> None:
    """Rows 1, 2, 4, 6, 13, 19, 20, 25, 26; points 2, 3, 4, 5, 6 and 7."""
    config = network.sdk("python-run", registry=network.registry)
    async with PythonSdkAgent(config) as agent:
        assert agent.seen.registry[0][1:] == (201, {"message": "registered"})
        assert await agent.heartbeat() == 200
        submitted = time.monotonic()
        intent_id = await network.submit("python-run", b"input")
        await agent.seen.until(lambda seen: seen.updates)
        heard_after = agent.seen.calls[agent.seen.names().index("SubmitBid")][0] - submitted
        settled = await network.completed(intent_id)
        await agent.seen.until(lambda seen: seen.receipts)
        story = await network.story(intent_id)
    assert agent.seen.errors == []
    assert agent.seen.registry[-1][1:] == (200, {"message": "unregistered"})
    # The aim is one second; a busy test machine gets some more.
    assert heard_after < 5
    assert agent.seen.updates[0].update_type == "NEW_INTENT"

    (ack, first_bid), (task,) = (agent.seen.acks[0], agent.seen.bids[0]), agent.seen.tasks
    assert (ack.accepted, ack.status, ack.bid_id) == (
        True,
        bid_pb2.BID_STATUS_ACCEPTED,
        first_bid.bid_id,
    )
    assert ack.recorded_at > 0
    assert (first_bid.token, first_bid.settle_chain, first_bid.signature) == ("PIN", "", b"")

    assert (task.intent_id, task.bid_id, task.agent_id) == (
        intent_id,
        first_bid.bid_id,
        config.agent_id,
    )
    assert (task.intent_type, task.intent_data) == ("python-run", b"input")
    assert 0 < task.created_at < task.deadline
    assert [answer.success for answer in agent.seen.responses] == [True]
    assert story["assignments"][0]["acknowledged_at_ms"]

    (receipt,) = agent.seen.receipts
    assert (receipt.status, receipt.phase, receipt.intent_id) == ("accepted", "RECEIVED", intent_id)
    assert receipt.validator_id == "validator-1"
    assert abs(receipt.received_ts - time.time()) < 60
    assert receipt.report_id == ":".join(
        (intent_id, task.task_id, config.agent_id, str(agent.seen.reports[0].timestamp))
    )
    (item,) = [
        i for i in (await network.epoch(settled["epoch"]))["items"] if i["intent_id"] == intent_id
    ]
    assert item["agent"] == agent.address
    assert settled["settlement"]["result"]["ok"]
    assert len(settled["settlement"]["signatures"]) >= 2
    report = settled["report"]
    assert (report["signer"], report["evidence"], report["error"], report["signature"]) == (
        agent.address,
        None,
        None,
        "0x",
    )
    assert (report["root_height"], report["root"]) == (0, "0x")


async def test_an_agent_in_a_process_of_its_own_needs_nothing_of_ours_but_the_messages(
    network: RealNetwork,
) -> None:
    """Row 1; point 1: a stranger's process; the published SDK itself brings its own messages too."""
    agent = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        ON_ITS_OWN,
        json.dumps(
            asdict(
                network.sdk("own-process", private_key=None, chain_address=address_of(new_key()))
            )
        ),
        cwd=Path(__file__).parents[2],
    )
    try:
        settled = await network.completed(await network.submit("own-process"))
        assert await asyncio.wait_for(agent.wait(), 30) == 0
    finally:
        if agent.returncode is None:
            agent.kill()
            await agent.wait()
    assert settled["agent_id"] == "agent-of-own-process"


@pytest.mark.parametrize(
    ("form", "intent_type"),
    [(PythonSdkAgent, "python-form"), (GoSdkAgent, "go-form")],
)
async def test_signed_calls_of_both_languages_prove_the_agents_address(
    network: RealNetwork, form: type[SdkAgent], intent_type: str
) -> None:
    """Rows 2 and 5; point 12: either canonical form, on unary and streaming calls."""
    async with form(network.sdk(intent_type)) as agent:
        intent_id = await network.submit(intent_type)
        settled = await network.completed(intent_id)
        known = await network.agent(agent.config.agent_id)
        assert agent.seen.errors == []
    assert settled["report"]["signer"] == settled["agent_address"] == agent.address
    assert (known["address"], known["address_proven"]) == (agent.address, True)


@pytest.mark.parametrize("form", [PythonSdkAgent, GoSdkAgent])
async def test_an_agent_without_a_key_is_served_and_paid_at_the_address_it_names(
    network: RealNetwork, form: type[SdkAgent]
) -> None:
    """Rows 2, 4 and 5: no headers at all."""
    intent_type = f"bare-{form.__name__.lower()}"
    address = address_of(new_key())
    config = network.sdk(intent_type, private_key=None, chain_address=address)
    async with form(config) as agent:
        intent_id = await network.submit(intent_type)
        settled = await network.completed(intent_id)
        known = await network.agent(config.agent_id)
        assert agent.seen.errors == []
    assert (settled["agent_id"], settled["agent_address"]) == (config.agent_id, address)
    assert settled["report"]["signer"] is None
    assert known["address_proven"] is False


async def test_a_go_agent_never_answers_its_task_and_reports_under_its_address(
    network: RealNetwork,
) -> None:
    """Rows 5 and 13: text and address are the same agent; the report counts as acceptance."""
    async with GoSdkAgent(network.sdk("go-run")) as agent:
        intent_id = await network.submit("go-run")
        settled = await network.completed(intent_id)
        await agent.seen.until(lambda seen: seen.receipts)
        story = await network.story(intent_id)
    assert agent.seen.called("RespondToTask") == 0
    assert (settled["agent_id"], settled["report"]["agent_id"]) == (
        agent.config.agent_id,
        agent.address,
    )
    (attempt,) = story["assignments"]
    assert (attempt["acknowledged_at_ms"], attempt["state"]) == (None, "settled")
    assert agent.seen.receipts[0].status == "accepted"


async def test_a_failed_handler_is_reported_and_the_next_agent_gets_the_work(
    network: RealNetwork,
) -> None:
    """Row 6: Python sends a bare FAILED, Go an error; both are taken, and the intent goes on to a good agent."""

    async def broken(_: object) -> bytes:
        raise ValueError("no")

    def config(name: str, price: int) -> object:
        return network.sdk("failing", agent_id=name, price=price)

    agents = [
        PythonSdkAgent(config("failing-python", 1), broken),  # type: ignore[arg-type]
        GoSdkAgent(config("failing-go", 2), broken),  # type: ignore[arg-type]
        PythonSdkAgent(config("failing-not", 3)),  # type: ignore[arg-type]
    ]
    async with agents[0], agents[1], agents[2]:
        intent_id = await network.submit("failing")
        settled = await network.completed(intent_id)
    assert settled["agent_id"] == "failing-not"
    assert agents[0].seen.reports[0].status == execution_report_pb2.ExecutionReport.FAILED
    assert agents[1].seen.reports[0].error.code == "EXECUTION_FAILED"
    assert [a.seen.receipts[0].status for a in agents] == ["accepted"] * 3


async def test_two_tasks_arrive_on_one_stream_and_are_worked_one_after_the_other(
    network: RealNetwork,
) -> None:
    """Row 12; points 8 and 9: no second stream is needed, and bids on MATCHED and WINDOW_CLOSED do no harm."""
    async with PythonSdkAgent(network.sdk("two-tasks")) as agent:
        for number in (1, 2):
            intent_id = await network.submit("two-tasks")
            await network.completed(intent_id)
            await agent.seen.until(lambda seen, n=number: len(seen.acks) == 3 * n)
            assert types(agent.seen.updates, intent_id) == [
                "NEW_INTENT",
                "MATCHED",
                "WINDOW_CLOSED",
            ]
    assert agent.seen.called("StreamTasks") == 1
    assert [r.status for r in agent.seen.receipts] == ["accepted", "accepted"]
    assert agent.seen.errors == []


async def test_the_address_in_a_bid_must_be_the_signers(network: RealNetwork) -> None:
    """Row 5: `chain_address` equals `x-signer-id` where both are there; without either there is nobody to pay."""
    key, other = new_key(), address_of(new_key())
    intent_id = await open_intent(network, "slow-window")
    signed, bare = Caller(network=network, key=key), Caller(network=network)
    wrong, right, learned, nobody = await asyncio.gather(
        signed.matcher("SubmitBid", bid(intent_id, "named-wrong", address=other)),
        signed.matcher("SubmitBid", bid(intent_id, "named-right", key=key)),
        signed.matcher("SubmitBid", bid(intent_id, "named-by-headers")),
        bare.matcher("SubmitBid", bid(intent_id, "named-by-nobody")),
    )
    assert (wrong.ack.accepted, "SN-M006" in wrong.ack.reason) == (False, True)
    assert right.ack.accepted
    assert learned.ack.accepted
    assert (await network.agent("named-by-headers"))["address"] == address_of(key)
    assert (nobody.ack.accepted, "SN-M005" in nobody.ack.reason) == (False, True)
