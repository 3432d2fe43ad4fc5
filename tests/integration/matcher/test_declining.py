"""An agent may say that it does not bid, and why; nobody waits for it then, and the story tells it."""

from pathlib import Path

import grpc
import pytest
from tests.integration.matcher.harness import World, intent, key

from pinai_subnet.matcher import bidding

EARLY = {"windows": {"bidding_window_seconds": 20, "early_close": True}}


async def test_a_decline_is_in_the_story_and_ends_the_waiting(tmp_path: Path) -> None:
    world = World(tmp_path)
    async with world.run(**EARLY) as matcher:
        first, second = matcher.agent("agent-1"), matcher.agent("agent-2")
        await first.stream_tasks()
        await second.stream_tasks()
        wanted = world.root_layer.submit(intent())
        await matcher.opened(wanted.intent_id)
        assert (await first.bid(wanted.intent_id)).accepted
        assert (await matcher.story(wanted.intent_id))["phase"] == "open"
        assert await second.decline((wanted.intent_id, "capacity 4/4")) == [""]
        told = await matcher.until_phase(wanted.intent_id, "closed", "assigned", "confirmed")
        assert told["windows"][0]["early"] is True
        assert told["declined"]["agent-2"]["reason"] == "capacity 4/4"
        listed = (await matcher.http.get("/api/v1/agents")).json()["agents"]
        attended = {one["agent_id"]: one["attendance"] for one in listed}
        assert attended["agent-2"]["declined"] == 1
        assert attended["agent-2"]["last_decline"] == "capacity 4/4"
        assert attended["agent-1"]["bids"] == 1


async def test_all_declining_leaves_the_window_open_and_a_bid_takes_the_word_back(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)
    async with world.run(**EARLY) as matcher:
        agent = matcher.agent("agent-1")
        await agent.stream_tasks()
        wanted = world.root_layer.submit(intent())
        await matcher.opened(wanted.intent_id)
        assert await agent.decline((wanted.intent_id, "")) == [""]
        told = await matcher.story(wanted.intent_id)
        assert told["phase"] == "open"
        assert told["declined"]["agent-1"]["reason"] == "no reason given"
        assert (await agent.bid(wanted.intent_id)).accepted
        told = await matcher.story(wanted.intent_id)
        assert told["declined"] == {}
        assert told["phase"] != "open"


async def test_wrong_words_are_refused_one_by_one(tmp_path: Path) -> None:
    world = World(tmp_path)
    async with world.run(windows={"bidding_window_seconds": 20}) as matcher:
        agent = matcher.agent("agent-1")
        thief = matcher.agent("agent-1", number=77)
        wanted = world.root_layer.submit(intent())
        await matcher.opened(wanted.intent_id)
        assert (await agent.bid(wanted.intent_id)).accepted
        assert await agent.decline(
            (wanted.intent_id, "too late"), ("0x12", "malformed"), ("0x" + "0" * 64, "unknown")
        ) == ["SN-M036", "SN-N101", "SN-M001"]
        assert thief.signer is not None
        assert thief.signer.address == key(77).address
        assert await thief.decline((wanted.intent_id, "not mine")) == ["SN-M103"]
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await agent.decline(*[(wanted.intent_id, "x")] * 101)
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_declines_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bidding, "MAX_DECLINES", 1)
    world = World(tmp_path)
    async with world.run(windows={"bidding_window_seconds": 20}) as matcher:
        wanted = world.root_layer.submit(intent())
        await matcher.opened(wanted.intent_id)
        assert await matcher.agent("agent-1").decline((wanted.intent_id, "a" * 500)) == [""]
        assert await matcher.agent("agent-2").decline((wanted.intent_id, "b")) == ["SN-M037"]
        told = await matcher.story(wanted.intent_id)
        assert len(told["declined"]["agent-1"]["reason"]) == bidding.MAX_REASON
