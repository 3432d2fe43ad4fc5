"""The leader dies between task and report: the agent's one attempt must succeed, whichever validator it asks."""

import asyncio
import time

import pytest
from tests.interop.by_hand import holding, report
from tests.interop.kit import Caller, RealNetwork
from tests.interop.sdk_like import PythonSdkAgent, Task

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_followers_and_the_leader_take_reports_alike(network: RealNetwork) -> None:
    """Row 10; point 6: any validator is a report target."""
    for place in range(3):
        config = network.sdk(f"target-{place}", validator=network.validators[place])
        async with PythonSdkAgent(config) as agent:
            settled = await network.completed(await network.submit(f"target-{place}"))
            await agent.seen.until(lambda seen: seen.receipts)
        (receipt,) = agent.seen.receipts
        assert (receipt.status, receipt.validator_id) == ("accepted", f"validator-{place + 1}")
        assert settled["received_by"] == f"validator-{place + 1}"


async def test_a_report_survives_the_loss_of_the_leader_between_task_and_report(
    network: RealNetwork,
) -> None:
    """Row 10; point 10; L18: both followers ride out the election inside the agent's single call."""
    leader = await network.leader()
    go_on = asyncio.Event()

    async def wait(_: Task) -> bytes:
        await go_on.wait()
        return b"done"

    agents = [
        PythonSdkAgent(
            network.sdk(f"leaderless-{place}", validator=network.validators[place]), wait
        )
        for place in range(3)
        if place != leader
    ]
    try:
        async with agents[0], agents[1]:
            ids = [await network.submit(a.config.intent_types[0]) for a in agents]
            for agent in agents:
                await agent.seen.until(lambda seen: seen.responses)
            await asyncio.to_thread(network.kit.kill, f"validator-{leader + 1}")
            go_on.set()
            for agent in agents:
                await agent.seen.until(lambda seen: seen.receipts or seen.errors)
                assert agent.seen.errors == []
                assert agent.seen.called("SubmitExecutionReport") == 1
                assert agent.seen.receipts[0].status == "accepted"
            for intent_id in ids:
                await network.completed_at_root_layer(intent_id)
    finally:
        await asyncio.to_thread(network.kit.start, f"validator-{leader + 1}")
    for intent_id in ids:
        assert (await network.completed(intent_id))["stage"] == "SETTLED"
    assert await network.leader() != leader


async def test_an_accepted_report_survives_the_death_of_the_validator_that_took_it(
    network: RealNetwork,
) -> None:
    """Row 11; L17: the receipt is given only once a majority holds the report; here the leader gives it and dies."""
    leader = await network.leader()
    name = f"validator-{leader + 1}"
    async with holding(network, "durable") as agent:
        (task,) = agent.seen.tasks
        caller = Caller(network=network, key=agent.config.private_key)
        sent = report(task, agent.config.agent_id, timestamp=int(time.time()))
        process = network.kit.running()[name]
        receipt = await caller.validator("SubmitExecutionReport", sent, place=leader)
        network.kit.local.signal(process, 9)
        try:
            assert receipt.status == "accepted"
            await network.completed_at_root_layer(task.intent_id)
            again = await caller.validator("SubmitExecutionReport", sent, place=(leader + 1) % 3)
            assert (again.status, again.report_id) == ("duplicate", receipt.report_id)
        finally:
            await asyncio.to_thread(network.kit.start, name)
