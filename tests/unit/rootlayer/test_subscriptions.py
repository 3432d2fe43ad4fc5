"""What subscribers receive, and what happens to the slow ones."""

import asyncio
import dataclasses

import pytest
from tests.rootlayer_kit import fresh_id, signed_intent

from pinai_subnet.protocol.errors import Exhausted, NotReady
from pinai_subnet.protocol.intents import IntentStatus
from pinai_subnet.rootlayer.events import IntentFilter, StatusChange, StatusFilter
from pinai_subnet.rootlayer.subscriptions import Hub


def change(
    sequence: int = 1, *, old: IntentStatus = IntentStatus.UNSPECIFIED, **fields: object
) -> StatusChange:
    intent = signed_intent(deadline=1000)
    return StatusChange(
        sequence=sequence,
        intent=dataclasses.replace(intent, **fields),  # type: ignore[arg-type]
        old_status=old,
        reason="test",
        at_ms=1,
    )


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (IntentFilter(), True),
        (IntentFilter(subnet_id="0x" + "00" * 31 + "02"), True),
        (IntentFilter(subnet_id="0x" + "00" * 31 + "03"), False),
        (IntentFilter(min_deadline=1000), True),
        (IntentFilter(min_deadline=1001), False),
        (IntentFilter(min_tips=7), True),
        (IntentFilter(min_tips=8), False),
        (IntentFilter(intent_types=frozenset({"e2e-test", "x"})), True),
        (IntentFilter(intent_types=frozenset({"x"})), False),
        (IntentFilter(statuses=frozenset({IntentStatus.PENDING})), True),
        (IntentFilter(statuses=frozenset({IntentStatus.COMPLETED})), False),
    ],
)
def test_every_part_of_an_intent_filter_is_honoured(wanted: IntentFilter, expected: bool) -> None:
    assert wanted.matches(change()) is expected


def test_a_status_filter_compares_ids_and_the_new_status() -> None:
    event = change()
    assert StatusFilter().matches(event)
    assert StatusFilter(intent_ids=frozenset({event.intent.intent_id})).matches(event)
    assert not StatusFilter(intent_ids=frozenset({fresh_id()})).matches(event)  # type: ignore[arg-type]
    assert not StatusFilter(statuses=frozenset({IntentStatus.EXPIRED})).matches(event)


@pytest.mark.parametrize(
    ("event", "word"),
    [
        (change(), "new_intent"),
        (change(old=IntentStatus.PENDING, status=IntentStatus.CHAINED), "chained"),
        (change(old=IntentStatus.PENDING, status=IntentStatus.PROCESSING), "status_changed"),
        (dataclasses.replace(change(old=IntentStatus.PENDING), historical=True), "new_intent"),
    ],
)
def test_event_types_are_the_words_of_the_protocol(event: StatusChange, word: str) -> None:
    assert event.event_type == word


async def test_changes_arrive_in_order_and_only_wanted_ones() -> None:
    hub = Hub(max_subscribers=2, queue_events=10)
    with hub.subscription(lambda event: event.sequence % 2 == 0) as subscription:
        hub.publish([change(n) for n in range(1, 7)])
        assert [(await subscription.next()).sequence for _ in range(3)] == [2, 4, 6]
    assert len(hub) == 0


async def test_a_listener_that_falls_behind_is_told_and_let_go_while_others_go_on() -> None:
    """Never a silent loss: the stream ends with RESOURCE_EXHAUSTED, so that its reader lists again."""
    hub = Hub(max_subscribers=2, queue_events=2)
    with hub.subscription(lambda _: True) as slow, hub.subscription(lambda _: True) as quick:
        for n in (1, 2, 3):
            hub.publish([change(n)])
            assert (await quick.next()).sequence == n
        with pytest.raises(Exhausted) as caught:
            await slow.next()
        assert caught.value.code == "SN-S060"
        assert (len(hub), hub.dropped) == (1, 1)


async def test_there_is_a_limit_to_listeners_and_leaving_makes_room() -> None:
    hub = Hub(max_subscribers=1, queue_events=2)
    with hub.subscription(lambda _: True):
        with pytest.raises(Exhausted) as caught, hub.subscription(lambda _: True):
            pass
        assert caught.value.code == "SN-S061"
    with hub.subscription(lambda _: True):
        assert len(hub) == 1


async def test_closing_ends_a_listener_that_waits_and_refuses_new_ones() -> None:
    hub = Hub(max_subscribers=2, queue_events=2)
    with hub.subscription(lambda _: True) as subscription:
        waiting = asyncio.create_task(subscription.next())
        await asyncio.sleep(0)
        hub.close()
        with pytest.raises(NotReady):
            await waiting
    with pytest.raises(NotReady), hub.subscription(lambda _: True):
        pass
