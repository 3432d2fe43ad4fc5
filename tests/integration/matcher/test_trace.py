"""The matcher tells an intent's whole trace when the intent has ended: every window and every assignment."""

from pathlib import Path

from tests.integration.matcher.harness import CLOCK, World, intent

from pinai_subnet.ports.ledger import OutcomeKind


async def test_each_assignment_has_its_stages_and_a_failed_one_its_code(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.tracer.enabled = True
    async with world.run() as matcher:
        winner, second = matcher.agent("winner"), matcher.agent("second")
        for agent in (winner, second):
            await agent.stream_tasks()
        wanted = world.root_layer.submit(intent())
        await matcher.opened(wanted.intent_id)
        await winner.bid(wanted.intent_id, 5)
        await second.bid(wanted.intent_id, 9)
        refused = await winner.task()
        await winner.answer(refused.task_id, accepted=False)
        task = await second.task()
        await second.answer(task.task_id)
        assert len(world.tracer) == 0, "an open intent tells nothing"
        for kind in (OutcomeKind.REPORTED, OutcomeKind.VERIFIED, OutcomeKind.SETTLED):
            await world.ledger.say(task.task_id, kind)
        await matcher.until_phase(wanted.intent_id, "completed")
    spans = world.tracer.take(100)
    assert {span.intent_id for span in spans} == {wanted.intent_id}
    assert [span.name for span in spans if "assignment_id" not in span.facts] == [
        "intent",
        "window",
        "auction",
    ]
    stages = {
        agent: [(span.name, span.failure) for span in spans if span.facts.get("agent_id") == agent]
        for agent in ("winner", "second")
    }
    assert stages["winner"] == [("assignment", ""), ("delivery", ""), ("execution", "SN-M201")]
    assert stages["second"] == [
        ("assignment", ""),
        ("delivery", ""),
        ("execution", ""),
        ("outcome", ""),
    ]
    assert all(span.begin_ms <= span.end_ms for span in spans)


async def test_an_intent_that_failed_says_its_code(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.tracer.enabled = True
    async with world.run() as matcher:
        wanted = world.root_layer.submit(intent(deadline=int(CLOCK.now()) + 2))
        await matcher.until_phase(wanted.intent_id, "ended")
    [root] = [span for span in world.tracer.take(100) if span.name == "intent"]
    assert root.failure == "SN-M301"
