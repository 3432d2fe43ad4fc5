"""Waking and retrying: events cross threads once, duties survive failures and stop in time."""

import asyncio
import threading
from collections.abc import Sequence

from pinai_subnet.ports.errors import Unreachable
from pinai_subnet.runtime.stop import Stop
from pinai_subnet.validator.events import BatchFinal, EpochSealed, Event
from pinai_subnet.validator.feed import EventFeed
from pinai_subnet.validator.loops.duty import Backoff, Duty


async def test_events_from_a_thread_arrive_in_order_and_wake_who_waits() -> None:
    """C5: one ordered hand-over instead of one task per callback."""
    feed, stop = EventFeed(), Stop()
    feed.bind(asyncio.get_running_loop())
    seen: list[Event] = []
    feed.on_events(seen.extend)
    sealed, final = feed.signal(EpochSealed), feed.signal(BatchFinal)
    for signal in (sealed, final):
        await signal.wait(stop, 0)

    def publish() -> None:
        for epoch in range(100):
            feed.publish([EpochSealed(epoch=epoch)])

    thread = threading.Thread(target=publish)
    thread.start()
    await asyncio.wait_for(sealed.wait(stop, 60), 5)
    await asyncio.to_thread(thread.join)
    await asyncio.sleep(0.01)
    assert [event.epoch for event in seen] == list(range(100))  # type: ignore[union-attr]
    feed.drop(sealed)
    feed.wake_all()
    await asyncio.wait_for(final.wait(stop, 60), 5)


async def test_events_before_the_loop_is_known_are_dropped() -> None:
    feed = EventFeed()
    feed.publish([BatchFinal(epoch=1)])
    feed.wake_all()


def duty(work: "Work", feed: EventFeed, tick: float = 60.0) -> Duty:
    return Duty(
        name="work",
        work=work,
        signal=feed.signal(BatchFinal),
        tick_seconds=tick,
        backoff=Backoff(initial_seconds=0.001, max_seconds=0.002),
    )


class Work:
    """Fails as told, then works."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.turns = 0
        self.done = asyncio.Event()

    async def __call__(self) -> bool:
        self.turns += 1
        if self.failures:
            raise self.failures.pop(0)
        self.done.set()
        return False


async def test_a_duty_retries_a_failed_dependency_until_it_works() -> None:
    """L2, L3: no failure of a dependency ends the loop."""
    stop = Stop()
    work = Work(*[Unreachable("SN-S100", "away")] * 5)
    task = asyncio.ensure_future(duty(work, EventFeed()).run(stop))
    await asyncio.wait_for(work.done.wait(), 5)
    assert work.turns == 6
    stop.set()
    await asyncio.wait_for(task, 5)


async def test_an_unexpected_error_ends_the_duty_so_that_the_process_restarts() -> None:
    task = asyncio.ensure_future(duty(Work(RuntimeError("bug")), EventFeed()).run(Stop()))
    done, _ = await asyncio.wait((task,), timeout=5)
    assert isinstance(done.pop().exception(), RuntimeError)


async def test_a_duty_that_waits_for_a_quorum_is_given_up_when_stopping() -> None:
    """M6: stopping never waits for what may never come."""
    started = asyncio.Event()

    async def hang() -> bool:
        started.set()
        await asyncio.sleep(3600)
        return True

    stop = Stop()
    feed = EventFeed()
    task = asyncio.ensure_future(
        Duty(name="hang", work=hang, signal=feed.signal(), tick_seconds=1).run(stop)
    )
    await started.wait()
    stop.set()
    await asyncio.wait_for(task, 5)


def test_back_off_grows_to_its_cap() -> None:
    backoff = Backoff(initial_seconds=1, max_seconds=8)
    waits: Sequence[float] = [backoff.seconds(n) for n in range(1, 60)]
    assert 0.5 <= waits[0] <= 1
    assert all(4 <= wait <= 8 for wait in waits[3:])
