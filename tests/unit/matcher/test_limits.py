"""The bounds of the matcher's queues and tables that no other test reaches."""

from tests.integration.matcher.harness import FakeRoster, intent, key
from tests.unit.matcher.test_admission import bid
from tests.unit.matcher.test_agent_rules import book
from tests.unit.matcher.test_listeners import streams

from pinai_subnet.matcher.bid_events import BidEvent, BidEventType, BidStreams, Watcher
from pinai_subnet.matcher.case import MAX_NOTES, remember
from pinai_subnet.matcher.eligible import MAX_SURVEYED, EligibleAgents
from pinai_subnet.matcher.tasks import Tasks
from pinai_subnet.protocol.bids import BidStatus
from pinai_subnet.protocol.ids import AgentId


def test_notes_of_a_story_are_bounded_and_the_newest_stay() -> None:
    notes: list[int] = []
    for number in range(MAX_NOTES + 10):
        remember(notes, number)
    assert notes == list(range(10, MAX_NOTES + 10))


def test_a_survey_lists_a_bounded_number_of_agents_for_a_bounded_number_of_types() -> None:
    roster = FakeRoster()
    agents = book(roster, max_agents=10_000)
    for number in range(MAX_SURVEYED + 10):
        agents.meet(AgentId(f"agent-{number}"), now_ms=number)
    eligible = EligibleAgents(
        agents=agents,
        tasks=Tasks(changed=lambda _: None),
        updates=streams(),
        waits_for_registered=False,
    )
    may, may_not = eligible.survey("echo", now_ms=1)
    assert len(may) + len(may_not) == MAX_SURVEYED
    for number in range(250):
        eligible.survey(f"type-{number}", now_ms=1)
    assert len(eligible._surveys) <= 100


async def test_a_watcher_that_falls_behind_keeps_the_newest_events_of_its_queue() -> None:
    """L22: later events carry the latest state of a bid."""
    wanted = intent()
    told = BidStreams(queue_size=3)
    watcher = Watcher(intent_id=wanted.intent_id, agent_id="", signer=key(1).address)
    told.connect(watcher)
    for price in range(10):
        event = BidEvent(
            type=BidEventType.SUBMITTED,
            bid=bid("a", price, intent_id=wanted.intent_id),
            status=BidStatus.ACCEPTED,
            timestamp=price,
        )
        told.publish(event, sealed=False)
    assert [event.bid.price for event in watcher.queue] == [7, 8, 9]
