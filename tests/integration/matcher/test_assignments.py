"""What becomes of tasks over real gRPC: delivery, answers, runner-ups, outcomes, re-opened windows."""

import asyncio
from pathlib import Path

import grpc
import pytest
from tests.integration.matcher.harness import (
    CLOCK,
    DOMAIN,
    MATCHER,
    Agent,
    Running,
    World,
    eventually,
    intent,
    key,
)

from pinai_subnet.matcher.loops import OutcomeWatch
from pinai_subnet.matcher.settings import MatcherPolicy
from pinai_subnet.ports.ledger import OutcomeKind
from pinai_subnet.protocol.assignments import AssignmentStatus
from pinai_subnet.protocol.digests import assignment_digest
from pinai_subnet.protocol.signatures import recover_eip191


async def two_bids(world: World, matcher: Running, **changes: object) -> tuple[Agent, Agent, str]:
    """An intent with a winner (price 5) and a runner-up (price 9), both connected."""
    winner, second = matcher.agent("winner"), matcher.agent("second")
    for agent in (winner, second):
        await agent.stream_tasks()
    wanted = world.root_layer.submit(intent(**changes))
    await matcher.opened(wanted.intent_id)
    await winner.bid(wanted.intent_id, 5)
    await second.bid(wanted.intent_id, 9)
    return winner, second, wanted.intent_id


async def test_an_accepted_task_is_a_lease_and_ends_settled(tmp_path: Path) -> None:
    """L6, agent-interop row 13."""
    world = World(tmp_path)
    async with world.run() as matcher:
        winner, _, intent_id = await two_bids(world, matcher)
        task = await winner.task()
        answer = await winner.answer(task.task_id)
        assert (answer.success, answer.message) == (True, "Task accepted")
        assert (await winner.answer(task.task_id)).success
        assert (await matcher.story(intent_id))["phase"] == "confirmed"
        for kind in (OutcomeKind.REPORTED, OutcomeKind.VERIFIED, OutcomeKind.SETTLED):
            await world.ledger.say(task.task_id, kind)
        told = await matcher.until_phase(intent_id, "completed")
        (made,) = told["assignments"]
        assert made["state"] == "settled"
        assert [o["kind"] for o in made["outcomes"]] == ["reported", "verified", "settled"]
        assert made["acknowledged_at_ms"] >= made["delivered_at_ms"][0] >= told["seen_at_ms"]
        agents = {
            a["agent_id"]: a for a in (await matcher.http.get("/api/v1/agents")).json()["agents"]
        }
        assert (agents["winner"]["wins"], agents["winner"]["completed"]) == (1, 1)
        assert agents["winner"]["reputation"] > agents["second"]["reputation"]


async def test_a_report_counts_as_acceptance(tmp_path: Path) -> None:
    """Agent-interop row 13: agents that never answer tasks are tolerated, and known as such afterwards."""
    world = World(tmp_path)
    async with world.run() as matcher:
        winner, _, intent_id = await two_bids(world, matcher)
        task = await winner.task()
        await world.ledger.say(task.task_id, OutcomeKind.SEALED)
        assert (await matcher.until_phase(intent_id, "reported"))["attempt"] == 1
        agents = (await matcher.http.get("/api/v1/agents")).json()["agents"]
        assert next(a for a in agents if a["agent_id"] == "winner")["answers_tasks"] is False


@pytest.mark.parametrize("how", ["reject", "silence", "rejected", "expired", "validators"])
async def test_the_runner_up_takes_over_and_the_failure_is_withdrawn(
    tmp_path: Path, how: str
) -> None:
    """L6, L7, L9: on reject, silence, a bad or missing report; RootLayer hears of the failure, signed."""
    world = World(tmp_path)
    if how == "validators":
        world.ledger.refuse = {"winner": ("SN-V008", "too late")}  # type: ignore[dict-item]
    async with world.run(tasks={"response_timeout_seconds": 0.4}) as matcher:
        winner, second, intent_id = await two_bids(world, matcher)
        if how != "validators":
            first = await winner.task()
        match how:
            case "reject":
                answer = await winner.answer(first.task_id, accepted=False)
                assert answer.success
            case "rejected":
                await winner.answer(first.task_id)
                await world.ledger.say(first.task_id, OutcomeKind.REPORTED)
                await world.ledger.say(
                    first.task_id, OutcomeKind.REJECTED, code="SN-V031", reason="wrong"
                )
            case "expired":
                await winner.answer(first.task_id)
                await world.ledger.say(first.task_id, OutcomeKind.EXPIRED)
        task = await second.task()
        assert task.intent_id == intent_id
        told = await matcher.story(intent_id)
        codes = {
            "reject": "SN-M201",
            "silence": "SN-M202",
            "rejected": "SN-V031",
            "expired": "SN-M205",
            "validators": "SN-V008",
        }
        assert [(a["agent_id"], a["state"], a["code"]) for a in told["assignments"]] == [
            ("winner", "failed", codes[how]),
            ("second", "recorded", None),
        ]
        assert told["excluded"]["winner"]["code"] == "SN-M011"
        await eventually(lambda: len(world.root_layer.posted) == 3)
        first_active, withdrawn, second_active = world.root_layer.posted
        assert withdrawn.assignment_id == first_active.assignment_id
        assert withdrawn.status is AssignmentStatus.FAILED
        assert second_active.status is AssignmentStatus.ACTIVE
        digest = assignment_digest(
            assignment_id=withdrawn.assignment_id,
            intent_id=withdrawn.intent_id,
            bid_id=withdrawn.bid_id,
            agent=withdrawn.agent_address,
            status=2,
            matcher=MATCHER.address,
            domain=DOMAIN,
        )
        assert recover_eip191(digest, withdrawn.signature) == MATCHER.address
        if how == "validators":
            assert winner.tasks.empty()
        else:
            gone = await winner.answer(first.task_id)
            assert (gone.success, "(SN-M101)" in gone.message) == (False, True)


async def test_without_a_runner_up_the_window_opens_again_without_the_failed_agent(
    tmp_path: Path,
) -> None:
    """L9: NEW_INTENT is told again and the failed agent's bids do not count."""
    world = World(tmp_path)
    async with world.run() as matcher:
        failing, fresh = matcher.agent("failing"), matcher.agent("fresh")
        await failing.stream_tasks()
        await fresh.stream_tasks()
        await fresh.stream_intents()
        wanted = world.root_layer.submit(intent())
        assert (await fresh.update())[0] == "NEW_INTENT"
        await failing.bid(wanted.intent_id, 1)
        await failing.answer((await failing.task()).task_id, accepted=False)
        heard = [(await fresh.update())[0] for _ in range(3)]
        assert heard == ["MATCHED", "WINDOW_CLOSED", "NEW_INTENT"]
        assert "(SN-M011)" in (await failing.bid(wanted.intent_id, 1)).reason
        assert (await fresh.bid(wanted.intent_id, 9)).accepted
        assert (await fresh.task()).intent_id == wanted.intent_id
        told = await matcher.story(wanted.intent_id)
        assert [w["round"] for w in told["windows"]] == [1, 2]


async def test_a_window_without_bids_opens_again_until_the_deadline(tmp_path: Path) -> None:
    """L10: then the intent ends with a reason."""
    world = World(tmp_path)
    async with world.run() as matcher:
        watcher = matcher.agent("watcher")
        await watcher.stream_intents()
        wanted = world.root_layer.submit(intent(deadline=int(CLOCK.now()) + 3))
        heard = [(await watcher.update())[0] for _ in range(3)]
        assert heard == ["NEW_INTENT", "WINDOW_CLOSED", "NEW_INTENT"]
        told = await matcher.until_phase(wanted.intent_id, "ended")
        assert told["end_code"] == "SN-M301"
        assert len(told["windows"]) >= 2


async def test_a_bid_in_a_reopened_window_is_not_kept_waiting(tmp_path: Path) -> None:
    world = World(tmp_path)
    async with world.run(windows={"reopen_max_seconds": 30}) as matcher:
        agent = matcher.agent("agent-1")
        await agent.stream_tasks()
        wanted = world.root_layer.submit(intent())

        async def reopened() -> bool:
            told = await matcher.http.get(f"/api/v1/intents/{wanted.intent_id}")
            return bool(told.status_code == 200 and told.json()["round"] >= 3)

        await eventually(reopened)
        before = CLOCK.monotonic()
        assert (await agent.bid(wanted.intent_id)).accepted
        await agent.task()
        assert CLOCK.monotonic() - before < 5


async def test_attempts_are_bounded(tmp_path: Path) -> None:
    world = World(tmp_path)
    async with world.run(tasks={"max_attempts": 2}) as matcher:
        agents = [matcher.agent(f"agent-{n}") for n in range(3)]
        wanted = world.root_layer.submit(intent())
        await matcher.opened(wanted.intent_id)
        for price, agent in enumerate(agents):
            await agent.stream_tasks()
            await agent.bid(wanted.intent_id, price)
        for agent in agents[:2]:
            await agent.answer((await agent.task()).task_id, accepted=False)
        told = await matcher.until_phase(wanted.intent_id, "ended")
        assert told["end_code"] == "SN-M302"
        assert agents[2].tasks.empty()


async def test_a_task_waits_for_its_agent_and_the_newest_stream_takes_over(tmp_path: Path) -> None:
    """L4, L5, agent-interop row 12: late agents get their task; a half-open older stream keeps nothing."""
    world = World(tmp_path)
    async with world.run() as matcher:
        late = matcher.agent("agent-1", 1)
        wanted = world.root_layer.submit(intent())
        await matcher.opened(wanted.intent_id)
        await late.bid(wanted.intent_id)
        await matcher.until_phase(wanted.intent_id, "assigned")
        await late.stream_tasks()
        task = await late.task()
        newer = matcher.agent("agent-1", 1)
        await newer.stream_tasks()
        assert (await newer.task()).task_id == task.task_id
        await eventually(lambda: late.ended == ["tasks"])
        await newer.answer(task.task_id)
        again = matcher.agent("agent-1", 1)
        await again.stream_tasks()
        assert (await again.task()).task_id == task.task_id
        await world.ledger.say(task.task_id, OutcomeKind.REPORTED)
        await matcher.until_phase(wanted.intent_id, "reported")
        last = matcher.agent("agent-1", 1)
        await last.stream_tasks()
        await asyncio.sleep(0.1)
        assert last.tasks.empty()


async def test_two_tasks_back_to_back_do_not_count_queueing_as_silence(tmp_path: Path) -> None:
    """Agent-interop row 14: the second task's time starts when the first has been reported."""
    world = World(tmp_path)
    async with world.run(tasks={"response_timeout_seconds": 0.6}) as matcher:
        agent = matcher.agent("agent-1")
        await agent.stream_tasks()
        ids = [world.root_layer.submit(intent()).intent_id for _ in range(2)]
        for one in ids:
            await matcher.opened(one)
            await agent.bid(one)
        first, second = await agent.task(), await agent.task()
        await agent.answer(first.task_id)
        await asyncio.sleep(1.0)
        waiting = (await matcher.story(second.intent_id))["assignments"][0]
        assert (waiting["state"], waiting["response_due_at_ms"]) == ("recorded", None)
        await world.ledger.say(first.task_id, OutcomeKind.REPORTED)
        await eventually(
            lambda: matcher.parts.board.task(second.task_id).attempt.response_due_at_ms > 0  # type: ignore[union-attr]
        )
        assert (await agent.answer(second.task_id)).success


async def test_nobody_answers_for_another_agent(tmp_path: Path) -> None:
    """A9: neither under another name, nor with another key, nor unsigned for an agent that signs."""
    world = World(tmp_path)
    async with world.run() as matcher:
        winner, second, _ = await two_bids(world, matcher)
        task = await winner.task()
        for caller, name, status in (
            (second, "second", grpc.StatusCode.PERMISSION_DENIED),
            (second, "winner", grpc.StatusCode.PERMISSION_DENIED),
            (matcher.agent("x", keyless=True), "winner", grpc.StatusCode.UNAUTHENTICATED),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await caller.answer(task.task_id, accepted=False, agent_id=name)
            assert refused.value.code() is status
        assert (await winner.answer(task.task_id)).success


async def test_a_keyless_agent_works_where_unsigned_calls_are_accepted(tmp_path: Path) -> None:
    """Agent-interop row 2: no headers at all, the address only in the metadata."""
    world = World(tmp_path)
    async with world.run() as matcher:
        agent = matcher.agent("keyless", keyless=True)
        await agent.stream_tasks()
        wanted = world.root_layer.submit(intent())
        await matcher.opened(wanted.intent_id)
        assert (await agent.bid(wanted.intent_id)).accepted
        assert (await agent.answer((await agent.task()).task_id)).success


async def test_no_task_goes_out_that_the_validators_do_not_hold(tmp_path: Path) -> None:
    """M5: while the validators are away bids keep flowing; the task follows when they are back."""
    world = World(tmp_path)
    world.ledger.down = True
    async with world.run() as matcher:
        winner, _, _ = await two_bids(world, matcher)
        await eventually(lambda: matcher.parts.recorder.failing_since)
        assert winner.tasks.empty()
        other = world.root_layer.submit(intent())
        await matcher.opened(other.intent_id)
        assert (await winner.bid(other.intent_id)).accepted
        world.ledger.down = False
        await winner.task()
        assert matcher.parts.recorder.failing_since is None


async def test_a_silent_root_layer_does_not_hold_up_tasks(tmp_path: Path) -> None:
    """D4: assignments are posted in batches once RootLayer is back, in order, each once."""
    world = World(tmp_path)
    async with world.run(assignments={"assignment_batch_max": 3}) as matcher:
        agent = matcher.agent("agent-1")
        await agent.stream_tasks()
        ids = [world.root_layer.submit(intent()).intent_id for _ in range(5)]
        for one in ids:
            await matcher.opened(one)
        world.root_layer.down = True
        for one in ids:
            await agent.bid(one)
        tasks = [await agent.task() for _ in ids]
        assert world.root_layer.posted == []
        await eventually(lambda: matcher.parts.outbox.failing_since)
        world.root_layer.down = False
        await eventually(lambda: len(world.root_layer.posted) == 5)
        assert sorted(a.assignment_id for a in world.root_layer.posted) == sorted(
            t.task_id for t in tasks
        )
        assert world.root_layer.calls == [3, 2]


async def test_a_late_result_of_an_earlier_assignment_settles_the_intent(tmp_path: Path) -> None:
    world = World(tmp_path)
    async with world.run(tasks={"response_timeout_seconds": 0.3}) as matcher:
        winner, second, intent_id = await two_bids(world, matcher)
        first = await winner.task()
        newer = await second.task()
        await world.ledger.say(first.task_id, OutcomeKind.SETTLED)
        told = await matcher.until_phase(intent_id, "completed")
        assert [(a["state"], a["code"]) for a in told["assignments"]] == [
            ("settled", "SN-M202"),
            ("failed", "SN-M207"),
        ]
        assert not (await second.answer(newer.task_id)).success


async def test_an_intent_with_a_verified_result_gets_no_further_assignment(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.ledger.refuse = {"second": ("SN-V009", "has a verified result")}  # type: ignore[dict-item]
    async with world.run(tasks={"response_timeout_seconds": 0.3}) as matcher:
        winner, second, intent_id = await two_bids(world, matcher)
        first = await winner.task()
        await matcher.until_phase(intent_id, "reported")
        assert second.tasks.empty()
        await world.ledger.say(first.task_id, OutcomeKind.SETTLED)
        await matcher.until_phase(intent_id, "completed")


async def test_a_refused_settlement_ends_the_intent_without_blame(tmp_path: Path) -> None:
    world = World(tmp_path)
    async with world.run() as matcher:
        winner, _, intent_id = await two_bids(world, matcher)
        task = await winner.task()
        await world.ledger.say(task.task_id, OutcomeKind.REPORTED)
        await world.ledger.say(task.task_id, OutcomeKind.SETTLEMENT_REFUSED, reason="no funds")
        told = await matcher.until_phase(intent_id, "ended")
        assert (told["end_code"], told["end_reason"]) == ("SN-M304", "no funds")
        assert matcher.parts.agents.get(winner.name).failures == 0  # type: ignore[union-attr,arg-type]


async def test_agents_that_keep_failing_pause(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.policy = MatcherPolicy.model_validate(
        {"strategy": {"type": "lowest_price"}, "cooldown": {"after_failures": 2}}
    )
    async with world.run() as matcher:
        agent = matcher.agent("agent-1")
        await agent.stream_tasks()
        for _ in range(2):
            wanted = world.root_layer.submit(intent())
            await matcher.opened(wanted.intent_id)
            await agent.bid(wanted.intent_id)
            await agent.answer((await agent.task()).task_id, accepted=False)
        wanted = world.root_layer.submit(intent())
        await matcher.opened(wanted.intent_id)
        assert "(SN-M010)" in (await agent.bid(wanted.intent_id)).reason


async def test_a_lease_that_runs_out_passes_the_task_on(tmp_path: Path) -> None:
    world = World(tmp_path)
    async with world.run(tasks={"lease_seconds": 0.3}) as matcher:
        winner, second, intent_id = await two_bids(world, matcher)
        await winner.answer((await winner.task()).task_id)
        assert (await second.task()).intent_id == intent_id
        told = await matcher.story(intent_id)
        assert told["assignments"][0]["code"] == "SN-M203"


async def test_the_deadline_ends_what_nobody_reported(tmp_path: Path) -> None:
    world = World(tmp_path)
    async with world.run(intents={"outcome_grace_seconds": 0}) as matcher:
        winner, _, intent_id = await two_bids(world, matcher, deadline=int(CLOCK.now()) + 2)
        await winner.answer((await winner.task()).task_id)
        told = await matcher.until_phase(intent_id, "ended")
        assert told["end_code"] == "SN-M303"
        await eventually(lambda: len(world.root_layer.posted) == 2)
        assert world.root_layer.posted[1].status is AssignmentStatus.FAILED


async def test_go_agents_may_answer_with_their_address(tmp_path: Path) -> None:
    """Agent-interop row 5: both spellings of one agent match its assignment."""
    world = World(tmp_path)
    async with world.run() as matcher:
        winner, _, _ = await two_bids(world, matcher)
        task = await winner.task()
        assert (await winner.answer(task.task_id, agent_id=key(1).address)).success


async def test_a_lone_agent_without_capacity_gets_the_task_again_in_a_later_window(
    tmp_path: Path,
) -> None:
    """Known defect L9 the other way round: being full once is no failure, and nobody else is there."""
    world = World(tmp_path)
    async with world.run(tasks={"max_attempts": 3}) as matcher:
        lone = matcher.agent("lone")
        await lone.stream_tasks()
        wanted = world.root_layer.submit(intent())
        await matcher.opened(wanted.intent_id)
        await lone.bid(wanted.intent_id, 1)
        first = await lone.task()
        await lone.answer(first.task_id, accepted=False, reason="SN-M506 at capacity: 4 tasks")
        again = await lone.task()
        assert again.intent_id == wanted.intent_id
        assert again.task_id != first.task_id
        assert (await lone.answer(again.task_id)).success
        told = await matcher.story(wanted.intent_id)
        assert [(a["state"], a["code"]) for a in told["assignments"]] == [
            ("failed", "SN-M208"),
            ("confirmed", None),
        ]
        assert len(told["windows"]) == 2
        now_ms = matcher.parts.matcher.now_ms()
        reputation = matcher.parts.agents.reputation
        assert reputation("lone", now_ms=now_ms) == reputation("stranger", now_ms=now_ms)  # type: ignore[arg-type]


async def test_an_agent_without_capacity_waits_while_others_bid(tmp_path: Path) -> None:
    world = World(tmp_path)
    async with world.run() as matcher:
        winner, second, intent_id = await two_bids(world, matcher)
        task = await winner.task()
        await winner.answer(task.task_id, accepted=False, reason="no capacity left")
        assert (await second.task()).intent_id == intent_id
        told = await matcher.story(intent_id)
        assert told["excluded"]["winner"]["code"] == "SN-M208"


async def test_work_cannot_reach_its_end_before_the_outcomes_were_ever_followed(
    tmp_path: Path,
) -> None:
    """Known defect V8: health says no until the stream was open once, and yes without any outcome."""
    world = World(tmp_path)
    world.ledger.deaf = True
    async with world.run() as matcher:
        await asyncio.sleep(0.3)
        assert "no stream" in (matcher.parts.outcome_watch.failure or "")
        world.ledger.deaf = False
        await eventually(lambda: matcher.parts.outcome_watch.failure is None)
    fresh = OutcomeWatch(ledger=world.ledger, followup=matcher.parts.followup, cursor=0)
    assert fresh.failure == "not connected yet"
