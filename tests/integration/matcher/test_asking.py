"""What the matcher answers over HTTP: dry runs, live steps, recorded auctions, an agent's own bids and earnings."""

import json
from pathlib import Path
from typing import Any

from structlog.testing import capture_logs
from tests.integration.matcher.harness import CLOCK, SUBNET, Agent, Running, World, intent, key

from pinai_subnet.adapters.signer.local import LocalSigner
from pinai_subnet.matcher.attendance import SILENT_AFTER
from pinai_subnet.ports.ledger import OutcomeKind
from pinai_subnet.protocol.digests import params_hash
from pinai_subnet.wire.authentication import AuthMode
from pinai_subnet.wire.registry_client import sign_request


async def ask(matcher: Running, path: str, signer: LocalSigner | None) -> Any:
    headers = {}
    if signer is not None:
        headers = sign_request(
            signer=signer, subnet_id=SUBNET, method="GET", path=path, body=None, now=CLOCK.now()
        )
    return await matcher.http.get(path, headers=headers)


async def settled(world: World, matcher: Running, cheap: Agent, dear: Agent) -> str:
    """One intent that the cheap agent wins and finishes."""
    wanted = world.root_layer.submit(intent())
    await matcher.opened(wanted.intent_id)
    assert (await cheap.bid(wanted.intent_id, 10)).accepted
    assert (await dear.bid(wanted.intent_id, 15)).accepted
    task = await cheap.task()
    await cheap.answer(task.task_id)
    await world.ledger.say(task.task_id, OutcomeKind.REPORTED)
    await world.ledger.say(task.task_id, OutcomeKind.SETTLED)
    await matcher.until_phase(wanted.intent_id, "completed")
    return wanted.intent_id


async def test_an_agent_reads_why_it_lost_and_what_it_has_earned(tmp_path: Path) -> None:
    world = World(tmp_path)
    async with world.run() as matcher:
        cheap, dear = matcher.agent("cheap"), matcher.agent("dear")
        await cheap.stream_tasks()
        await dear.stream_tasks()
        intent_id = await settled(world, matcher, cheap, dear)
        lost = (await ask(matcher, "/api/v1/agents/dear/bids", dear.signer)).json()
        (bid,) = lost["bids"]
        assert (bid["result"], bid["rank"], bid["intent_id"]) == ("lost", 2, intent_id)
        assert bid["winner"]["agent_id"] == "cheap"
        assert bid["why"].startswith("price: ")
        assert bid["needed"]["price"] in {"9", "10"}
        won = (await ask(matcher, "/api/v1/agents/cheap/bids", cheap.signer)).json()["bids"][0]
        assert (won["result"], won["assignment"]["state"]) == ("won", "settled")
        earned = (await ask(matcher, "/api/v1/agents/cheap/earnings", cheap.signer)).json()
        assert (earned["earned"], earned["completed"]) == ({"PIN": "10"}, 1)
        assert (await ask(matcher, "/api/v1/agents/dear/earnings", dear.signer)).json()[
            "earned"
        ] == {}
    async with world.run() as again:
        earned = (await ask(again, "/api/v1/agents/cheap/earnings", key(1))).json()
        assert earned["earned"] == {"PIN": "10"}


async def test_only_the_agents_own_key_reads_them(tmp_path: Path) -> None:
    world = World(tmp_path)
    async with world.run() as matcher:
        agent = matcher.agent("agent-1")
        await agent.stream_tasks()
        path = "/api/v1/agents/agent-1/bids"
        assert (await ask(matcher, path, agent.signer)).status_code == 200
        unsigned = await ask(matcher, path, None)
        assert (unsigned.status_code, unsigned.json()["code"]) == (401, "SN-M104")
        other = await ask(matcher, path, key(55))
        assert (other.status_code, other.json()["code"]) == (403, "SN-M103")
        stranger = await ask(matcher, "/api/v1/agents/nobody/earnings", key(55))
        assert (stranger.status_code, stranger.json()["code"]) == (404, "SN-M038")
        assert (await ask(matcher, "/api/v1/agents/%00/bids", key(55))).status_code == 400
    world.mode = AuthMode.REQUIRE
    async with world.run() as strict:
        refused = await ask(strict, "/api/v1/agents/nobody/earnings", None)
        assert (refused.status_code, refused.json()["code"]) == (401, "SN-N301")


async def test_a_sealed_window_tells_an_agent_nothing_of_the_others(tmp_path: Path) -> None:
    world = World(tmp_path)
    async with world.run(windows={"bidding_window_seconds": 20}) as matcher:
        mine, other = matcher.agent("mine"), matcher.agent("other")
        wanted = world.root_layer.submit(intent())
        await matcher.opened(wanted.intent_id)
        await mine.bid(wanted.intent_id, 10)
        await other.bid(wanted.intent_id, 5)
        (bid,) = (await ask(matcher, "/api/v1/agents/mine/bids", mine.signer)).json()["bids"]
        assert (bid["result"], bid["winner"], bid["rank"]) == ("open", None, None)


async def test_a_dry_run_says_who_could_bid_and_keeps_nothing(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.roster.add("away", "echo")
    world.roster.add("other", "script")
    world.policy = world.policy.model_validate(
        {"eligibility": {"unlisted_types": "by_name"}, "strategy": {"type": "weighted"}}
    )
    async with world.run() as matcher:
        here = matcher.agent("here")
        world.roster.add("here", "echo")
        await here.stream_tasks()
        asked = {"intent_type": "echo", "exclude": ["away"]}
        told = (await matcher.http.post("/api/v1/intents/dry-run", json=asked)).json()
        assert told["eligible"] == [{"agent_id": "here", "connected": True, "open_tasks": 0}]
        assert told["ineligible"]["other"]["code"] == "SN-M008"
        assert told["ineligible"]["away"]["code"] == "SN-M035"
        assert told["strategy"]["type"] == "weighted"
        assert (await matcher.http.get("/api/v1/intents")).json()["total"] == 0
        for bad in ({}, {"intent_type": ""}, {"intent_type": "x", "more": 1}, [1]):
            answer = await matcher.http.post("/api/v1/intents/dry-run", json=bad)
            assert answer.status_code == 400


async def test_a_requesters_wishes_keep_agents_out(tmp_path: Path) -> None:
    world = World(tmp_path)
    async with world.run() as matcher:
        first, second = matcher.agent("agent-1"), matcher.agent("agent-2")
        await first.stream_tasks()
        await second.stream_tasks()
        metadata = json.dumps({"agents": {"exclude": ["agent-1"]}}).encode()
        wanted = world.root_layer.submit(
            intent(metadata=metadata, params_hash=params_hash(b"payload", metadata))
        )
        await matcher.opened(wanted.intent_id)
        refused = await first.bid(wanted.intent_id, 1)
        assert not refused.accepted
        assert "SN-M035" in refused.reason
        assert (await second.bid(wanted.intent_id, 9)).accepted
        task = await second.task()
        assert task.intent_id == wanted.intent_id
        # The agent never sees the metadata: the validators must not ask for a hash with it.
        recorded = world.ledger.records[-1].intent_params_hash
        assert recorded == params_hash(task.intent_data, b"") != wanted.params_hash
        told = await matcher.story(wanted.intent_id)
        assert told["ineligible"]["agent-1"]["code"] == "SN-M035"
        assert told["eligible"] == ["agent-2"]
    async with world.run() as again:
        assert (await again.story(wanted.intent_id))["wishes"]["exclude"] == ["agent-1"]


async def test_steps_are_told_live(tmp_path: Path) -> None:
    world = World(tmp_path)
    async with world.run() as matcher:
        newest = (await matcher.http.get("/api/v1/moves")).json()["newest"]
        wanted = world.root_layer.submit(intent())
        query = {"after": newest, "intent_id": wanted.intent_id, "wait_seconds": 5}
        told = (await matcher.http.get("/api/v1/moves", params=query)).json()
        assert told["moves"][0]["phase"] == "open"
        assert told["next"] > newest
        assert (await matcher.http.get("/api/v1/moves?intent_id=0x12")).status_code == 400
        assert (await matcher.http.get("/api/v1/moves?wait_seconds=9999")).status_code == 400


async def test_ended_auctions_are_told_with_all_that_was_weighed(tmp_path: Path) -> None:
    world = World(tmp_path)
    async with world.run() as matcher:
        cheap, dear = matcher.agent("cheap"), matcher.agent("dear")
        await cheap.stream_tasks()
        await dear.stream_tasks()
        intent_id = await settled(world, matcher, cheap, dear)
        told = (await matcher.http.get("/api/v1/auctions")).json()
        (auction,) = told["auctions"]
        assert (auction["intent_id"], auction["winner"]) == (intent_id, "cheap")
        assert {c["agent_id"]: c["price"] for c in auction["candidates"]} == {
            "cheap": "10",
            "dear": "15",
        }
        assert (told["total"], told["read"]) == (1, 1)


async def test_the_journal_keeps_the_newest_intents_only(tmp_path: Path) -> None:
    world = World(tmp_path)
    async with world.run() as matcher:
        cheap, dear = matcher.agent("cheap"), matcher.agent("dear")
        await cheap.stream_tasks()
        await dear.stream_tasks()
        ids = [await settled(world, matcher, cheap, dear) for _ in range(3)]
        assert await matcher.parts.journal.prune(0, keep=1) == 2
        left = (await matcher.http.get("/api/v1/auctions")).json()["auctions"]
        assert [one["intent_id"] for one in left] == ids[-1:]
        assert await matcher.parts.journal.prune(0, keep=1) == 0


async def test_an_agent_that_never_answers_is_flagged_to_its_owner_and_to_the_operator(
    tmp_path: Path,
) -> None:
    """Eligible twenty times, heard never: in its bids and earnings, the list, the metric and one line of the log."""
    world = World(tmp_path)
    async with world.run() as matcher:
        cheap, mute = matcher.agent("cheap"), matcher.agent("mute")
        await cheap.stream_tasks()
        await mute.stream_tasks()
        with capture_logs() as lines:
            for _ in range(SILENT_AFTER):
                assert (await matcher.http.get("/api/v1/agents")).json()["silent"] == []
                wanted = world.root_layer.submit(intent())
                await matcher.opened(wanted.intent_id)
                assert (await cheap.bid(wanted.intent_id, 10)).accepted
                task = await cheap.task()
                await cheap.answer(task.task_id)
        told = (await matcher.http.get("/api/v1/agents")).json()
        assert told["silent"] == ["mute"]
        for path in ("bids", "earnings"):
            answer = (await ask(matcher, f"/api/v1/agents/mute/{path}", mute.signer)).json()
            assert answer["attendance"]["silent"] is True
            assert answer["attendance"]["silent_in_a_row"] == SILENT_AFTER
        answer = (await ask(matcher, "/api/v1/agents/cheap/bids", cheap.signer)).json()
        assert answer["attendance"]["silent"] is False
        flagged = [line for line in lines if line["event"] == "agent_never_bids"]
        assert [(line["agent_id"], line["log_level"]) for line in flagged] == [("mute", "warning")]
        matcher.parts.measure()
        told = (await matcher.http.get("/metrics")).text
        assert "\nsubnet_matcher_silent_agents_count 1.0\n" in told
