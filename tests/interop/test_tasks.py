"""Tasks: kept until reported, replayed, one stream per agent, leases, patience with busy and silent agents."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from tests.interop.by_hand import HoldingAgent, answer, bid, holding, open_intent, report
from tests.interop.kit import Caller, RealNetwork, new_key
from tests.interop.sdk_like import GoSdkAgent, PythonSdkAgent, Task

pytestmark = pytest.mark.asyncio(loop_scope="session")

IDLE_SECONDS = 20.0


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def idle_agent(network: RealNetwork) -> AsyncIterator[tuple[PythonSdkAgent, float]]:
    """Connect an agent whose streams stay without a message while the other tests of this file run."""
    async with PythonSdkAgent(network.sdk("rare", agent_id="idle")) as agent:
        yield agent, time.monotonic()


async def test_a_task_waits_for_its_agent_and_comes_again_on_every_stream_until_reported(
    network: RealNetwork,
) -> None:
    """Row 12; L4: the agent was offline at match time, then reconnects; after the report nothing is replayed."""
    key = new_key()
    caller = Caller(network=network, key=key)
    config = network.sdk(
        "offline", agent_id="offline", private_key=key, bids=False, intent_types=("none",)
    )
    intent_id = await open_intent(network, "brief")
    assert (await caller.matcher("SubmitBid", bid(intent_id, "offline", key=key))).ack.accepted
    await network.until(intent_id, lambda story: story["phase"] == "assigned")
    seen: list[Task] = []
    for _ in range(2):
        async with HoldingAgent(config) as agent:
            await agent.seen.until(lambda s: s.tasks)
            seen += agent.seen.tasks
    assert (await caller.matcher("RespondToTask", answer(seen[0], "offline"))).success
    async with HoldingAgent(config) as agent:
        # Acknowledged, but lost by a crash of the agent: still not reported, so it comes again.
        await agent.seen.until(lambda s: s.tasks)
        seen += agent.seen.tasks
    assert {(t.task_id, t.intent_id) for t in seen} == {(seen[0].task_id, intent_id)}
    receipt = await caller.validator("SubmitExecutionReport", report(seen[0], "offline"))
    assert receipt.status == "accepted"
    await network.completed(intent_id)
    async with HoldingAgent(config) as agent:
        await asyncio.sleep(0.3)
        assert agent.seen.tasks == []
    assert len((await network.story(intent_id))["assignments"]) == 1


async def test_the_newest_stream_of_an_agent_wins(network: RealNetwork) -> None:
    """Row 12; L5: the older stream ends politely and gets nothing more."""
    config = network.sdk("newest")
    async with HoldingAgent(config) as older:
        await network.submit("newest")
        await older.seen.until(lambda seen: seen.tasks)
        async with HoldingAgent(config) as newer:
            await newer.seen.until(lambda seen: seen.tasks)
            await older.seen.until(lambda seen: ("StreamTasks", "ended") in seen.errors)
            await network.submit("newest")
            await newer.seen.until(lambda seen: len(seen.tasks) == 2)
            caller = Caller(network=network, key=config.private_key)
            for task in newer.seen.tasks:
                await caller.validator("SubmitExecutionReport", report(task, config.agent_id))
                await network.completed(task.intent_id)
        assert newer.seen.errors == []
    assert len(older.seen.tasks) == 1


async def test_an_accepted_task_is_a_lease_and_a_silent_agent_loses_it(
    network: RealNetwork,
) -> None:
    """Row 13; L6: acceptance outlives the response timeout, silence does not: the runner-up gets the work."""
    quiet = HoldingAgent(network.sdk("leases", agent_id="says-nothing", price=1))
    prompt = HoldingAgent(network.sdk("leases", agent_id="says-yes", price=2))
    async with quiet, prompt:
        begun = time.monotonic()
        intent_id = await network.submit("leases")
        await quiet.seen.until(lambda seen: seen.tasks)
        await prompt.seen.until(lambda seen: seen.tasks)
        assert 3 < time.monotonic() - begun < 20
        (task,) = prompt.seen.tasks
        caller = Caller(network=network, key=prompt.config.private_key)
        assert (await caller.matcher("RespondToTask", answer(task, "says-yes"))).success
        await asyncio.sleep(5)
        story = await network.story(intent_id)
        assert [(a["agent_id"], a["state"]) for a in story["assignments"]] == [
            ("says-nothing", "failed"),
            ("says-yes", "confirmed"),
        ]
        again = await caller.matcher("RespondToTask", answer(task, "says-yes"))
        assert again.success
        await caller.validator("SubmitExecutionReport", report(task, "says-yes"))
        assert (await network.completed(intent_id))["agent_id"] == "says-yes"


async def test_busy_agents_are_not_penalised(network: RealNetwork) -> None:
    """Rows 13 and 14: handlers longer than the response timeout (4 s here for 30 s), two tasks in a row."""

    async def slow(task: Task) -> bytes:
        await asyncio.sleep(0 if task.intent_data == b"quick" else 5.5)
        return b"done"

    python = PythonSdkAgent(network.sdk("busy-python"), slow)
    go = GoSdkAgent(network.sdk("busy-go"), slow)
    async with python, go:
        # The first report tells that the Go agent works although it never answers.
        await network.completed(await network.submit("busy-go", b"quick"))
        ids = [await network.submit(t) for t in ("busy-python", "busy-python", "busy-go")]
        for intent_id in ids:
            await network.completed(intent_id)
            (attempt,) = (await network.story(intent_id))["assignments"]
            assert attempt["state"] == "settled"
        for agent in (python, go):
            await agent.seen.until(lambda seen: len(seen.receipts) == 2)
            assert [r.status for r in agent.seen.receipts] == ["accepted"] * 2
            assert agent.seen.errors == []
            known = await network.agent(agent.config.agent_id)
            assert (known["completed"], known["failures"]) == (2, 0)
    names = [n for n in python.seen.names() if n in ("RespondToTask", "SubmitExecutionReport")]
    assert names == ["RespondToTask", "SubmitExecutionReport"] * 2


async def test_an_answer_to_a_task_that_is_not_there_is_no_error(network: RealNetwork) -> None:
    """Row 13: the SDK skips a task after an error, and ignores `success`."""
    async with holding(network, "answers") as agent:
        caller = Caller(network=network, key=agent.config.private_key)
        (task,) = agent.seen.tasks
        unknown = Task(task_id="0x" + "ab" * 32)
        for unheard in (unknown, Task(task_id="task-1")):
            reply = await caller.matcher("RespondToTask", answer(unheard, agent.config.agent_id))
            assert (reply.success, reply.message.startswith("Task not found")) == (False, True)
        await caller.validator("SubmitExecutionReport", report(task, agent.config.agent_id))
        await network.completed(task.intent_id)
        late = await caller.matcher("RespondToTask", answer(task, agent.config.agent_id))
        assert late.success


async def test_idle_streams_stay_open(
    network: RealNetwork, idle_agent: tuple[PythonSdkAgent, float]
) -> None:
    """Rows 17 and 18: an agent never reconnects, so nothing but a stop of the matcher may end its streams."""
    agent, since = idle_agent
    await asyncio.sleep(max(0.0, IDLE_SECONDS - (time.monotonic() - since)))
    assert agent.seen.names() == ["StreamTasks", "StreamIntents"]
    intent_id = await network.submit("rare")
    await network.completed(intent_id)
    assert agent.seen.errors == []


async def test_a_stop_ends_streams_without_an_error_and_keeps_the_tasks(
    network: RealNetwork,
) -> None:
    """Rows 12, 17 and 18: streams end with OK at a shutdown; a restarted agent gets its old task."""
    async with holding(network, "restart") as agent:
        (before,) = agent.seen.tasks
        await asyncio.to_thread(network.kit.stop, "matcher")
        await agent.seen.until(lambda seen: len(seen.errors) == 2)
        assert sorted(agent.seen.errors) == [("StreamIntents", "ended"), ("StreamTasks", "ended")]
    await asyncio.to_thread(network.kit.start, "matcher")
    async with PythonSdkAgent(agent.config) as again:
        settled = await network.completed(before.intent_id)
        assert again.seen.tasks == [before]
        assert again.seen.errors == []
    assert settled["assignment_id"] == before.task_id
