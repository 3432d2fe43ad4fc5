"""What the times in the log say about the members' clocks: the nearest to the truth of the last minutes."""

import asyncio
from types import SimpleNamespace
from typing import Any

from tests.unit.validator.test_health_and_registration import GOOD

from pinai_subnet.ports.replication import PeerStatus
from pinai_subnet.protocol.quorum import quorum_of
from pinai_subnet.runtime.clock import ManualClock
from pinai_subnet.runtime.metrics import Metrics
from pinai_subnet.runtime.stop import Stop
from pinai_subnet.validator.commands import Stamp
from pinai_subnet.validator.feed import EventFeed
from pinai_subnet.validator.loops.observe import Observer
from pinai_subnet.validator.metrics import ValidatorMetrics
from pinai_subnet.validator.peer_clocks import PeerClocks


def entry(clock: ManualClock, ahead: float, *, by: str = "v2") -> Stamp:
    return Stamp(request_id="r", proposer=by, at_ms=round((clock.now() + ahead) * 1000))


def test_fastest_entry_is_nearest_to_the_truth() -> None:
    clock = ManualClock()
    clocks = PeerClocks(clock=clock)
    assert clocks.offset_seconds("v2") is None
    for late in (0.9, 0.01, 0.4):
        clocks.note(entry(clock, 3.0 - late))
        clock.advance(1.5)
    assert round(clocks.offset_seconds("v2") or 0, 2) == 2.99
    assert clocks.offset_seconds("v3") is None


def test_old_entries_read_again_do_not_make_a_clock_slow() -> None:
    """Operators row 9: a start with a long log is no clock skew."""
    clock = ManualClock()
    clocks = PeerClocks(clock=clock)
    for age in (5000, 3000, 60, 0.02):
        clocks.note(entry(clock, -age))
    assert round(clocks.offset_seconds("v2") or 0, 2) == -0.02


def test_corrected_clock_is_right_after_some_minutes_and_a_silent_one_unknown() -> None:
    clock = ManualClock()
    clocks = PeerClocks(clock=clock)
    clocks.note(entry(clock, 30.0))
    clock.advance(100)
    clocks.note(entry(clock, 0.0))
    assert clocks.offset_seconds("v2") == 30.0
    clock.advance(100)
    assert clocks.offset_seconds("v2") == 0.0
    clock.advance(100)
    assert clocks.offset_seconds("v2") is None


async def test_offset_of_every_peer_is_a_metric() -> None:
    """Operators row 9: `subnet_validator_peer_clock_offset_seconds`."""
    clock = ManualClock()
    clocks = PeerClocks(clock=clock)
    clocks.note(entry(clock, -4.0))
    peers = tuple(
        PeerStatus(id=name, connected=True, last_heard_seconds=0.0, lag=0) for name in ("v2", "v3")
    )
    status = SimpleNamespace(**{name: getattr(GOOD, name) for name in GOOD.__slots__})
    status.peers = peers
    replica: Any = SimpleNamespace(status=lambda: status, read=lambda _: quorum_of(3, 2, 3))
    metrics = Metrics("validator")
    observer = Observer(
        replica=replica,
        feed=EventFeed(),
        clocks=clocks,
        clock=clock,
        metrics=ValidatorMetrics(metrics),
        progress={},
        every_seconds=0.001,
    )
    stop = Stop()
    running = asyncio.ensure_future(observer.run(stop))
    await asyncio.sleep(0.02)
    stop.set()
    await running
    name = "subnet_validator_peer_clock_offset_seconds"
    assert metrics.registry.get_sample_value(name, {"peer": "v2"}) == -4.0
    assert metrics.registry.get_sample_value(name, {"peer": "v3"}) is None
