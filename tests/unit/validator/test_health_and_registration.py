"""The three facts with their reasons, and staying on the registry's list."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import structlog
from tests.unit.validator import ledger_world as world

from pinai_subnet.ports.errors import Refused, Unreachable
from pinai_subnet.ports.replication import PeerStatus, ReplicationStatus
from pinai_subnet.protocol.quorum import quorum_of
from pinai_subnet.runtime.clock import ManualClock
from pinai_subnet.runtime.data_dir import DataDirectory, DiskSpace, Identity
from pinai_subnet.runtime.disk import DiskLimits, DiskWatch
from pinai_subnet.runtime.health import OK, Health, Progress
from pinai_subnet.runtime.metrics import Metrics
from pinai_subnet.runtime.stop import Stop
from pinai_subnet.validator.feed import EventFeed
from pinai_subnet.validator.ledger import Ledger
from pinai_subnet.validator.loops.catch_up import CatchUp
from pinai_subnet.validator.loops.disk import GuardDisk
from pinai_subnet.validator.loops.observe import HealthChecks, Observer
from pinai_subnet.validator.loops.register import RegisterValidator
from pinai_subnet.validator.metrics import ValidatorMetrics
from pinai_subnet.validator.peer_clocks import PeerClocks

GOOD = ReplicationStatus(
    id="validator-1",
    role="leader",
    leader_id="validator-1",
    term=1,
    last_index=1,
    commit_index=1,
    applied_index=1,
    has_quorum=True,
    tick_lag_seconds=0.0,
    peers=(
        PeerStatus(id="validator-2", connected=True, last_heard_seconds=0.0, lag=0),
        PeerStatus(id="validator-3", connected=True, last_heard_seconds=0.0, lag=0),
    ),
    failure=None,
)


class Replica:
    """Shows what the test says."""

    def __init__(self, on: Any) -> None:
        self.now = GOOD
        self._world = on

    def status(self) -> ReplicationStatus:
        return self.now

    def read(self, query: Callable[[Ledger], Any]) -> Any:
        return query(self._world.ledger)


@pytest.fixture
def scene(tmp_path: Path) -> Any:
    on = world.World()
    on.assign(world.record(1))
    on.expire()
    clock = ManualClock(now=world.START)
    replica = Replica(on)
    health = Health()
    identity = Identity(subnet_id=world.SUBNET, role="validator", node_id="validator-1")
    with DataDirectory.open(tmp_path / "data", identity=identity) as directory:
        checks = HealthChecks(
            replica=replica,  # type: ignore[arg-type]
            quorum=lambda: quorum_of(3, 2, 3),
            clock=clock,
            directory=directory,
            min_free_bytes=0,
            caught_up=lambda: OK,
        )
        progress = Progress(clock=clock, within_seconds=5, what="signatures", code="SN-V094")
        checks.add_to(health, {"sign": progress})
        health.mark_running()
        yield replica, clock, health, progress, checks


def codes(fact: Any) -> list[str]:
    return [finding.code for _, finding in fact.against]


def test_all_is_well(scene: Any) -> None:
    _, _, health, _, _ = scene
    assert health.able_to_finalise().ok


def test_without_a_leader_the_validator_is_not_ready_and_names_who_is_missing(scene: Any) -> None:
    """Operators 19: readiness is false with a reason, not the process gone."""
    replica, _, health, _, _ = scene
    away = tuple(replace(peer, connected=False) for peer in GOOD.peers)
    replica.now = replace(GOOD, leader_id=None, has_quorum=False, peers=away)
    ready = health.ready()
    assert health.alive().ok
    assert codes(ready) == ["SN-V099"]
    assert "1 of 3 validators connected" in ready.against[0][1].reason
    assert "validator-2, validator-3" in ready.against[0][1].reason
    replica.now = GOOD
    assert health.ready().ok


def test_work_without_progress_un_latches_when_it_moves(scene: Any) -> None:
    _, clock, health, progress, _ = scene
    progress.set_pending(2)
    clock.advance(6)
    assert codes(health.able_to_finalise()) == ["SN-V094"]
    assert health.ready().ok
    progress.touch()
    assert health.able_to_finalise().ok


def test_a_slow_clock_and_a_full_disk_speak_against_finalising(
    scene: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, clock, health, _, checks = scene
    clock.jump(-60)
    found = health.able_to_finalise()
    assert codes(found) == ["SN-V100"]
    assert "60" in found.against[0][1].reason
    clock.jump(60)
    monkeypatch.setattr(checks, "_min_free_bytes", 1 << 62)
    assert codes(health.able_to_finalise()) == ["SN-V101"]
    assert codes(health.ready()) == ["SN-V101"]


def test_a_validator_that_only_reads_gives_that_as_its_one_reason_and_stays_alive(
    scene: Any,
) -> None:
    """operators.md row 10: readiness says why, and nobody restarts it."""
    replica, _, health, _, _ = scene
    replica.now = replace(
        GOOD, leader_id=None, has_quorum=False, paused="SN-V101 3 MiB free", peers=()
    )
    assert health.alive().ok
    assert codes(health.able_to_finalise()) == ["SN-V107"]
    assert "only reads: SN-V101 3 MiB free" in health.ready().against[0][1].reason
    replica.now = GOOD
    assert health.able_to_finalise().ok


class PausableLog:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.now = GOOD
        self.room = True

    def status(self) -> ReplicationStatus:
        return self.now

    async def pause(self, reason: str) -> None:
        self.now = replace(GOOD, paused=reason)

    async def resume(self) -> bool:
        if self.room:
            self.now = GOOD
        return self.room


def guard(log: PausableLog, free: list[int]) -> tuple[GuardDisk, Metrics]:
    watch = DiskWatch(
        space=lambda: DiskSpace(free_bytes=free[0], total_bytes=1 << 30),
        clock=ManualClock(),
        limits=DiskLimits(floor_bytes=64 << 20, warn_free_percent=15, warn_days=7),
    )
    metrics = Metrics("validator")
    made = GuardDisk(
        watch=watch,
        replication=log,  # type: ignore[arg-type]
        metrics=ValidatorMetrics(metrics),
    )
    return made, metrics


def gauge(metrics: Metrics, name: str) -> float:
    value = metrics.registry.get_sample_value(f"subnet_validator_{name}")
    assert value is not None
    return value


async def test_the_log_is_paused_below_the_floor_and_resumed_with_clear_room() -> None:
    """operators.md row 10: read-only at the hard floor, back without a restart; figures for both."""
    log, free = PausableLog(), [500 << 20]
    guarding, metrics = guard(log, free)
    await guarding.look()
    assert log.now.paused is None
    assert gauge(metrics, "disk_free_bytes") == 500 << 20
    assert gauge(metrics, "disk_full_in_seconds") == float("inf")
    free[0] = 63 << 20
    await guarding.look()
    assert log.now.paused == "SN-V101 63 MiB free"
    assert gauge(metrics, "read_only_bool") == 1
    free[0] = 65 << 20
    await guarding.look()
    assert log.now.paused is not None
    free[0] = 90 << 20
    await guarding.look()
    assert log.now.paused is None
    assert gauge(metrics, "read_only_bool") == 0


async def test_a_log_that_ran_out_of_space_by_itself_is_resumed_too() -> None:
    log, free = PausableLog(), [500 << 20]
    guarding, _ = guard(log, free)
    log.now = replace(GOOD, paused="SN-R015 cannot write: No space left on device")
    log.room = False
    await guarding.look()
    assert log.now.paused is not None
    log.room = True
    await guarding.look()
    assert log.now.paused is None


async def test_a_filling_disk_is_warned_of_once() -> None:
    """operators.md row 10: warned at 15 % free."""
    log, free = PausableLog(), [100 << 20]
    guarding, _ = guard(log, free)
    with structlog.testing.capture_logs() as lines:
        for _ in range(5):
            await guarding.look()
        free[0] = 900 << 20
        await guarding.look()
    said = [(line["event"], line.get("code")) for line in lines]
    assert said == [("disk_nearly_full", "SN-V106"), ("disk_no_longer_nearly_full", None)]


def test_a_failed_engine_is_not_alive(scene: Any) -> None:
    replica, _, health, _, _ = scene
    replica.now = replace(GOOD, failure="SN-R015 disk full")
    assert "SN-R015" in codes(health.alive())


async def test_a_failed_engine_ends_the_process_with_its_code(scene: Any) -> None:
    replica, clock, _, _, _ = scene
    observer = Observer(
        replica=replica,
        feed=EventFeed(),
        clocks=PeerClocks(clock=clock),
        clock=clock,
        metrics=ValidatorMetrics(Metrics("validator")),
        progress={},
        every_seconds=0.001,
    )
    stop = Stop()
    running = asyncio.ensure_future(observer.run(stop))
    await asyncio.sleep(0.02)
    assert not running.done()
    replica.now = replace(GOOD, failure="SN-R015 disk full")
    with pytest.raises(Refused, match="SN-R015 disk full"):
        await asyncio.wait_for(running, 5)


class Registry:
    """Counts calls; fails and forgets as told."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.away = 0
        self.knows = False
        self.heard_twice = asyncio.Event()
        self.registered_twice = asyncio.Event()

    async def register_validator(self, validator_id: str, *, http_endpoint: str) -> None:
        if self.away:
            self.away -= 1
            raise Unreachable("SN-N230", "away")
        self.calls.append(f"register {validator_id} {http_endpoint}")
        self.knows = True
        if self.calls[1:].count(self.calls[-1]):
            self.registered_twice.set()

    async def heartbeat(self, kind: str, member_id: str) -> bool:
        self.calls.append("heartbeat")
        if self.calls.count("heartbeat") == 2:
            self.heard_twice.set()
        return self.knows

    async def unregister(self, kind: str, member_id: str) -> None:
        self.calls.append("unregister")


async def test_a_validator_stays_registered_and_leaves_at_the_end() -> None:
    """R2: also after the registry was away or has forgotten it."""
    registry, stop = Registry(), Stop()
    registry.away = 1
    loop = RegisterValidator(
        client=registry,  # type: ignore[arg-type]
        validator_id="validator-1",
        http_endpoint="h:1",
        heartbeat_seconds=0.005,
    )
    running = asyncio.ensure_future(loop.run(stop))
    await asyncio.wait_for(registry.heard_twice.wait(), 5)
    registry.knows = False
    await asyncio.wait_for(registry.registered_twice.wait(), 5)
    stop.set()
    await asyncio.wait_for(running, 5)
    assert registry.calls[0] == "register validator-1 h:1"
    assert registry.calls[-1] == "unregister"


class Log:
    """A log that has no leader for the first barriers."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.answered = asyncio.Event()
        self.now = replace(GOOD, applied_index=19, commit_index=22)

    def status(self) -> ReplicationStatus:
        return self.now

    async def current(self, *, timeout_seconds: float) -> None:
        assert timeout_seconds > 0
        if self.failures:
            self.failures -= 1
            raise Unreachable("SN-R023", "no leader")
        self.answered.set()


async def test_a_started_validator_is_ready_after_it_has_caught_up() -> None:
    """Ready one entry too early, it would deny what it acknowledged before its restart."""
    log = Log(failures=2)
    duty = CatchUp(replica=log)  # type: ignore[arg-type]
    before = duty.check()
    assert (before.ok, before.code) == (False, "SN-V104")
    assert "19" in before.reason
    assert "22" in before.reason
    stop = Stop()
    running = asyncio.create_task(duty.run(stop))
    await asyncio.wait_for(log.answered.wait(), timeout=5)
    stop.set()
    await running
    assert duty.check().ok


def test_a_node_outside_the_set_has_nothing_to_catch_up_with() -> None:
    log = Log(failures=0)
    log.now = replace(GOOD, membership="outsider")
    assert CatchUp(replica=log).check().ok  # type: ignore[arg-type]
