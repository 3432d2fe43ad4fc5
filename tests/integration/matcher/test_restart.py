"""Intents found, work resumed, memory given back: what a matcher does over its life."""

from dataclasses import replace
from pathlib import Path

from tests.integration.matcher.harness import CLOCK, SUBNET, World, eventually, intent

from pinai_subnet.ports.ledger import OutcomeKind
from pinai_subnet.protocol.intents import IntentStatus


async def test_intents_created_while_it_was_down_are_found_on_every_page(tmp_path: Path) -> None:
    """L11, L12."""
    world = World(tmp_path)
    world.root_layer.page_size = 3
    wanted = {world.root_layer.submit(intent(), silently=True).intent_id for _ in range(8)}
    async with world.run(windows={"bidding_window_seconds": 9}) as matcher:
        await eventually(lambda: len(matcher.parts.board.open_cases()) == 8)
        assert {c.intent.intent_id for c in matcher.parts.board.open_cases()} == wanted
        assert {1, 2, 3} <= set(world.root_layer.pages_read)


async def test_intents_the_stream_did_not_tell_are_reconciled(tmp_path: Path) -> None:
    """L11: also after the stream broke."""
    world = World(tmp_path)
    async with world.run(windows={"bidding_window_seconds": 9}) as matcher:
        missed = world.root_layer.submit(intent(), silently=True)
        await matcher.opened(missed.intent_id)
        world.root_layer.break_streams()
        after = world.root_layer.submit(intent(), silently=True)
        await matcher.opened(after.intent_id)
        await eventually(lambda: world.root_layer.watchers)
        live = world.root_layer.submit(intent())
        await matcher.opened(live.intent_id)


async def test_intents_of_no_use_are_left_alone(tmp_path: Path) -> None:
    world = World(tmp_path)
    foreign = "0x" + "00" * 31 + "08"
    for useless in (
        intent(subnet_id=foreign),
        intent(deadline=int(CLOCK.now()) - 5),
        intent(intent_expiration=int(CLOCK.now()) - 5),
        intent(status=IntentStatus.COMPLETED),
    ):
        world.root_layer.submit(useless, silently=True)
    good = world.root_layer.submit(intent(), silently=True)
    async with world.run() as matcher:
        await matcher.opened(good.intent_id)
        assert [c.intent.intent_id for c in matcher.parts.board] == [good.intent_id]
        assert good.subnet_id == SUBNET


async def test_an_open_window_and_its_bids_survive_a_restart(tmp_path: Path) -> None:
    world = World(tmp_path)
    async with world.run(windows={"bidding_window_seconds": 1.5}) as matcher:
        agent = matcher.agent("agent-1")
        wanted = world.root_layer.submit(intent())
        await matcher.opened(wanted.intent_id)
        assert (await agent.bid(wanted.intent_id, 7)).accepted
    async with world.run() as matcher:
        agent = matcher.agent("agent-1", 1)
        await agent.stream_tasks()
        task = await agent.task()
        assert task.intent_id == wanted.intent_id
        told = await matcher.story(wanted.intent_id)
        assert [(w["round"], w["bids"]) for w in told["windows"]] == [(1, 1)]


async def test_a_drafted_assignment_is_recorded_after_a_restart_and_not_made_twice(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)
    world.ledger.down = world.root_layer.down = True
    world.root_layer.down = False
    async with world.run() as matcher:
        agent = matcher.agent("agent-1")
        wanted = world.root_layer.submit(intent())
        await matcher.opened(wanted.intent_id)
        await agent.bid(wanted.intent_id, 7)
        world.root_layer.down = True
        drafted = (await matcher.until_phase(wanted.intent_id, "closed"))["assignments"][0]
    assert world.ledger.records == []
    world.ledger.down = world.root_layer.down = False
    async with world.run() as matcher:
        agent = matcher.agent("agent-1", 1)
        await agent.stream_tasks()
        assert (await agent.task()).task_id == drafted["assignment_id"]
        await eventually(lambda: len(world.root_layer.posted) == 1)
        assert world.root_layer.posted[0].assignment_id == drafted["assignment_id"]
        assert len(world.ledger.records) == 1


async def test_tasks_and_the_place_in_the_outcomes_survive_a_restart(tmp_path: Path) -> None:
    """L4: an accepted task is delivered again to the agent that reconnects; outcomes go on where they stopped."""
    world = World(tmp_path)
    async with world.run() as matcher:
        agent = matcher.agent("agent-1")
        await agent.stream_tasks()
        ids = [world.root_layer.submit(intent()).intent_id for _ in range(2)]
        for one in ids:
            await matcher.opened(one)
            await agent.bid(one)
        first, second = await agent.task(), await agent.task()
        await agent.answer(first.task_id)
        await world.ledger.say(first.task_id, OutcomeKind.REPORTED)
        await matcher.until_phase(first.intent_id, "reported")
        assert (await agent.answer(second.task_id)).success
    await world.ledger.say(first.task_id, OutcomeKind.SETTLED)
    async with world.run() as matcher:
        assert (await matcher.until_phase(first.intent_id, "completed"))["attempt"] == 1
        assert world.ledger.asked_after[-1] == 1
        assert (await matcher.story(second.intent_id))["phase"] == "confirmed"
        agent = matcher.agent("agent-1", 1)
        await agent.stream_tasks()
        assert (await agent.task()).task_id == second.task_id
        agents = (await matcher.http.get("/api/v1/agents")).json()["agents"]
        assert (agents[0]["wins"], agents[0]["completed"]) == (2, 1)


async def test_an_unanswered_task_is_given_a_fresh_time_after_a_restart(tmp_path: Path) -> None:
    world = World(tmp_path)
    async with world.run() as matcher:
        winner, second = matcher.agent("winner"), matcher.agent("second")
        wanted = world.root_layer.submit(intent())
        await matcher.opened(wanted.intent_id)
        await winner.bid(wanted.intent_id, 1)
        await second.bid(wanted.intent_id, 2)
        await matcher.until_phase(wanted.intent_id, "assigned")
    async with world.run(tasks={"response_timeout_seconds": 0.3}) as matcher:
        second = matcher.agent("second", 2)
        await second.stream_tasks()
        assert (await second.task()).intent_id == wanted.intent_id


async def test_ended_intents_leave_memory_but_not_the_record(tmp_path: Path) -> None:
    """M1, D5: flat memory; the HTTP API still tells the whole story, and lists with filters and pages."""
    world = World(tmp_path)
    async with world.run(intents={"keep_finished_seconds": 0}) as matcher:
        agent = matcher.agent("agent-1")
        await agent.stream_tasks()
        ids = [world.root_layer.submit(intent()).intent_id for _ in range(3)]
        other = world.root_layer.submit(intent(intent_type="render"))
        for one in ids:
            await matcher.opened(one)
            await agent.bid(one)
        for _ in ids:
            await world.ledger.say((await agent.task()).task_id, OutcomeKind.SETTLED)
        await eventually(lambda: len(matcher.parts.board) == 1)
        for one in ids:
            told = await matcher.story(one)
            assert told["phase"] == "completed"
            assert told["offers"][0]["status"] == "winner"
        # Told again by the reconciliation, an ended intent stays ended.
        reads = len(world.root_layer.pages_read)
        await eventually(lambda: len(world.root_layer.pages_read) > reads + 1)
        assert len(matcher.parts.board) == 1

        listed = (await matcher.http.get("/api/v1/intents?phase=completed&limit=2")).json()
        assert (listed["total"], len(listed["intents"])) == (3, 2)
        rest = (await matcher.http.get("/api/v1/intents?phase=completed&offset=2")).json()
        assert len(rest["intents"]) == 1
        kinds = (await matcher.http.get("/api/v1/intents?intent_type=render")).json()
        assert [i["intent_id"] for i in kinds["intents"]] == [other.intent_id]
        missing = await matcher.http.get("/api/v1/intents/0x" + "0" * 64)
        assert (missing.status_code, missing.json()["code"]) == (404, "SN-M001")
        bad = await matcher.http.get("/api/v1/intents/0x12")
        assert (bad.status_code, bad.json()["code"]) == (400, "SN-N101")
        assert (await matcher.http.get("/api/v1/intents?phase=lost")).status_code == 400
        pruned = await matcher.parts.journal.prune(int(CLOCK.now() * 1000) + 1000, keep=1000)
        assert pruned == 3
        assert (await matcher.http.get(f"/api/v1/intents/{ids[0]}")).status_code == 404


async def test_streams_end_politely_when_the_matcher_stops(tmp_path: Path) -> None:
    """Agent-interop rows 17 and 18: OK, and only on shutdown."""
    world = World(tmp_path)
    async with world.run() as matcher:
        agent = matcher.agent("agent-1")
        await agent.stream_tasks()
        await agent.stream_intents()
        matcher.parts.end_streams()
        await eventually(lambda: sorted(agent.ended) == ["intents", "tasks"])


async def test_a_gap_in_the_outcomes_is_followed_and_told_outcomes_change_nothing_twice(
    tmp_path: Path,
) -> None:
    """A rebuilt or trimmed ledger says RESYNC and tells its feed again from where it can."""
    world = World(tmp_path)
    async with world.run() as matcher:
        agent = matcher.agent("agent-1")
        await agent.stream_tasks()
        wanted = world.root_layer.submit(intent())
        await matcher.opened(wanted.intent_id)
        await agent.bid(wanted.intent_id)
        task = await agent.task()
        await world.ledger.say(task.task_id, OutcomeKind.REPORTED)
        told = world.ledger.outcomes[0]
        resync = replace(told, sequence=0, kind=OutcomeKind.RESYNC, assignment_id="")  # type: ignore[arg-type]
        await matcher.until_phase(wanted.intent_id, "reported")
        for outcome in (resync, told, replace(told, sequence=2, kind=OutcomeKind.SETTLED), told):
            matcher.parts.followup.outcome(outcome)
        story = await matcher.until_phase(wanted.intent_id, "completed")
        assert [o["kind"] for o in story["assignments"][0]["outcomes"]] == ["reported", "settled"]
        assert matcher.parts.agents.get(told.agent_id).completed == 1  # type: ignore[union-attr]
