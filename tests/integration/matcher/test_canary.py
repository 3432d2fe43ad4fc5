"""The matcher's own intent without cost, over real gRPC: who may hear of it and work on it, and what it proves."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from tests.integration.matcher.harness import (
    PATIENCE,
    Agent,
    Running,
    World,
    eventually,
    intent,
    key,
)

from pinai_subnet.ports.ledger import OutcomeKind
from pinai_subnet.protocol.canaries import CANARY_AGENT, CANARY_TYPE, canary_id, is_canary
from pinai_subnet.protocol.errors import NotReady, WrongState
from pinai_subnet.runtime.stop import Stop

MATCHERS_KEY = 1000
EARLY = {"windows": {"early_close": True}}


@asynccontextmanager
async def sending(world: World, **canary: float) -> AsyncIterator[Running]:
    """A matcher that sends canaries, without its own agent."""
    stop = Stop()
    async with world.run(canary=canary, **EARLY) as matcher:
        loop = asyncio.create_task(matcher.parts.canary.run(stop))
        try:
            yield matcher
        finally:
            stop.set()
            await loop


async def canary_agent(matcher: Running) -> Agent:
    agent = matcher.agent(CANARY_AGENT, MATCHERS_KEY)
    await agent.stream_tasks()
    await agent.stream_intents(CANARY_TYPE)
    return agent


async def carry_through(world: World, agent: Agent) -> str:
    """Bid on the next canary, take its task, and let the validators make it final."""
    kind = intent_id = ""
    while kind not in ("NEW_INTENT", "EXISTING_INTENT"):
        kind, intent_id = await agent.update()
    ack = await agent.bid(intent_id, 0, token="")
    if not ack.accepted:
        return ""
    task = await agent.task()
    await agent.answer(task.task_id)
    for outcome in (OutcomeKind.REPORTED, OutcomeKind.VERIFIED, OutcomeKind.FINAL):
        await world.ledger.say(task.task_id, outcome)
    return str(intent_id)


async def keep_carrying(world: World, agent: Agent) -> None:
    while True:
        with suppress(TimeoutError):
            await carry_through(world, agent)


async def test_a_canary_is_proven_when_its_batch_is_final_and_root_layer_never_hears_of_it(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)
    async with sending(world, every_seconds=60, timeout_seconds=8) as matcher:
        agent = await canary_agent(matcher)
        intent_id = await carry_through(world, agent)
        assert is_canary(intent_id)
        await eventually(lambda: matcher.parts.canary.document()["ok"])
        told = await matcher.story(intent_id)
        assert (told["phase"], told["budget"]) == ("completed", "0")
        assert told["eligible"] == [CANARY_AGENT]
        document = matcher.parts.canary.document()
        assert document["last_intent_id"] == intent_id
        assert document["last_seconds"] > 0
        assert world.root_layer.posted == []


async def test_nobody_else_hears_of_it_or_may_bid_and_lists_leave_it_out(tmp_path: Path) -> None:
    """Agents that were never changed are not offered what is not theirs."""
    world = World(tmp_path)
    world.roster.add("curious", CANARY_TYPE, address=key(1).address)
    async with sending(world, every_seconds=60, timeout_seconds=8) as matcher:
        everything, curious = matcher.agent("plain"), matcher.agent("curious", 1)
        await everything.stream_intents()
        await curious.stream_intents(CANARY_TYPE)
        _, intent_id = await curious.update()
        ack = await curious.bid(intent_id, 0, token="")
        assert (ack.accepted, "SN-M025" in ack.reason) == (False, True)
        thief = matcher.agent(CANARY_AGENT, 7)
        ack = await thief.bid(intent_id, 0, token="")
        assert (ack.accepted, "SN-M007" in ack.reason) == (False, True)
        usual = world.root_layer.submit(intent())
        assert (await everything.update())[1] == usual.intent_id
        own = await canary_agent(matcher)
        refused = await own.bid(usual.intent_id, 1)
        assert "SN-M025" in refused.reason

        async def listed(**wanted: str) -> list[str]:
            answer = await matcher.http.get("/api/v1/intents", params=wanted)
            return [row["intent_id"] for row in answer.json()["intents"]]

        await matcher.opened(usual.intent_id)
        assert await listed() == [usual.intent_id]
        assert await listed(intent_type=CANARY_TYPE) == [intent_id]
        agents = (await matcher.http.get("/api/v1/agents")).json()["agents"]
        assert CANARY_AGENT not in {agent["agent_id"] for agent in agents}
        counted = await matcher.parts.statistics.last_day()
        assert counted["open"] == 1


async def test_one_is_sent_again_and_again_and_a_switch_turns_it_off(tmp_path: Path) -> None:
    world = World(tmp_path)
    async with sending(world, every_seconds=0.2, timeout_seconds=8) as matcher:
        agent = await canary_agent(matcher)
        ids = {await carry_through(world, agent) for _ in range(3)}
        assert len(ids) == 3
    async with world.run(canary={"every_seconds": 0}) as matcher:
        canary = matcher.parts.canary
        assert not canary.enabled
        assert canary.check().ok
        assert canary.document()["enabled"] is False
        with pytest.raises(WrongState, match="SN-M027"):
            await canary.prove()


async def test_without_progress_the_proof_is_gone_and_comes_back(tmp_path: Path) -> None:
    """A stage that stands still is named, and nothing latches."""
    world = World(tmp_path)
    async with sending(world, every_seconds=0.2, timeout_seconds=1) as matcher:
        canary = matcher.parts.canary
        assert canary.check().reason == "no canary has ended yet"
        await eventually(lambda: "nobody bid within 1 s" in canary.check().reason)
        with pytest.raises(NotReady, match="nobody bid"):
            await canary.prove()
        agent = await canary_agent(matcher)
        carrying = asyncio.create_task(keep_carrying(world, agent))
        try:
            await eventually(lambda: canary.check().ok, PATIENCE + 6)
        finally:
            carrying.cancel()
        await eventually(lambda: not canary.check().ok)


async def test_what_calls_itself_a_canary_at_root_layer_is_left_alone(tmp_path: Path) -> None:
    world = World(tmp_path)
    async with world.run() as matcher:
        strangers = [
            world.root_layer.submit(intent(intent_type=CANARY_TYPE)),
            world.root_layer.submit(intent(intent_id=canary_id(bytes(20)))),
        ]
        usual = world.root_layer.submit(intent())
        await matcher.opened(usual.intent_id)
        for one in strangers:
            assert (await matcher.http.get(f"/api/v1/intents/{one.intent_id}")).status_code == 404


async def test_the_summary_counts_a_day_without_canaries(tmp_path: Path) -> None:
    world = World(tmp_path)
    async with sending(world, every_seconds=60, timeout_seconds=8) as matcher:
        agent = await canary_agent(matcher)
        await carry_through(world, agent)
        await eventually(lambda: matcher.parts.canary.check().ok)
        worker = matcher.agent("worker")
        await worker.stream_tasks()
        usual = world.root_layer.submit(intent())
        await matcher.opened(usual.intent_id)
        await worker.bid(usual.intent_id, 5)
        task = await worker.task()
        await world.ledger.say(task.task_id, OutcomeKind.SETTLED)
        await matcher.until_phase(usual.intent_id, "completed")
        await matcher.parts.journal.durable()
        counted: dict[str, Any] = await matcher.parts.statistics.last_day()
        assert (counted["open"], counted["finalised"], counted["failed"]) == (0, 1, 0)
        assert counted["p50_seconds"] == counted["p99_seconds"] > 0
