"""Health facts, metric names and rate limits: pure rules of the runtime."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinai_subnet.runtime.clock import ManualClock
from pinai_subnet.runtime.health import OK, Finding, Health, Progress
from pinai_subnet.runtime.limits import RateLimiter
from pinai_subnet.runtime.metrics import Metrics


def test_a_process_is_ready_only_while_it_runs() -> None:
    health = Health()
    assert health.alive().ok
    assert not health.ready().ok
    health.mark_running()
    assert health.able_to_finalise().ok
    health.mark_stopping()
    health.mark_running()
    assert health.alive().ok
    assert not health.ready().ok
    assert health.report()["ready"]["reasons"][0]["reason"] == "the process is stopping"


def test_each_fact_needs_the_one_before_it_and_gives_all_reasons() -> None:
    """operators.md row 19: readiness false with reason."""
    health = Health()
    health.mark_running()
    findings = {"loop": OK, "peers": Finding(False, "1/3 peers", "SN-R001"), "chain": OK}
    health.add("alive", "loop", lambda: findings["loop"])
    health.add("ready", "peers", lambda: findings["peers"])
    health.add("able_to_finalise", "chain", lambda: findings["chain"])
    report = health.report()
    assert report["alive"] == {"ok": True, "reasons": []}
    reason = {"check": "peers", "reason": "1/3 peers", "code": "SN-R001"}
    assert report["ready"] == {"ok": False, "reasons": [reason]}
    assert report["able_to_finalise"]["reasons"] == [reason]
    findings["peers"] = OK
    findings["chain"] = Finding(False, "no quorum", "SN-R002")
    assert health.ready().ok
    assert not health.able_to_finalise().ok
    findings["loop"] = Finding(False, "stuck", "SN-H041")
    assert [name for name, _ in health.able_to_finalise().against] == ["loop", "chain"]
    with pytest.raises(ValueError, match="exists already"):
        health.add("ready", "peers", lambda: OK)


def test_progress_unlatches_when_pending_work_stands_still() -> None:
    clock = ManualClock()
    progress = Progress(clock=clock, within_seconds=10, what="settlement")
    clock.advance(100)
    assert progress.check().ok
    progress.set_pending(3)
    clock.advance(9)
    progress.set_pending(4)
    assert progress.check().ok
    clock.advance(2)
    finding = progress.check()
    assert finding == Finding(False, "settlement: no progress for 11 s, 4 pending", "SN-H041")
    progress.touch()
    assert progress.check().ok
    clock.advance(11)
    progress.set_pending(0)
    assert progress.check().ok


def test_metrics_follow_one_naming_rule() -> None:
    metrics = Metrics("simple-agent")
    metrics.counter("tasks_done", "Tasks", labels=("type",)).add(2, type="echo")
    metrics.gauge("open_tasks", "count", "Open").set(4)
    metrics.histogram("task_duration", "seconds", "Duration").observe(0.2)
    text = metrics.text().decode()
    assert 'subnet_simple_agent_tasks_done_total{type="echo"} 2.0' in text
    assert "subnet_simple_agent_open_tasks_count 4.0" in text
    assert "subnet_simple_agent_task_duration_seconds_count 1.0" in text
    assert "process_resident_memory_bytes" in text


def test_label_sets_are_bounded() -> None:
    metrics = Metrics("matcher", max_series=3)
    bids = metrics.counter("bids", "Bids", labels=("agent",))
    for number in range(10):
        bids.add(agent=f"a{number}")
    bids.add(agent="a1")
    text = metrics.text().decode()
    assert 'agent="a2"' in text
    assert 'agent="a3"' not in text
    assert 'subnet_matcher_bids_total{agent="other"} 7.0' in text
    assert 'subnet_matcher_bids_total{agent="a1"} 2.0' in text


def test_a_burst_is_admitted_then_the_rate() -> None:
    """A12: two reports of one caller at once are not refused; the limit refills with time."""
    limiter = RateLimiter(per_second=2, burst=3)
    assert [limiter.admit("a", now=0) for _ in range(4)] == [True, True, True, False]
    assert limiter.retry_after_seconds("a", now=0) == pytest.approx(0.5)
    assert limiter.admit("b", now=0)
    assert limiter.admit("a", now=0.5)
    assert not limiter.admit("a", now=0.5)
    assert limiter.admit("a", now=100, cost=3)
    assert not limiter.admit("a", now=100)
    assert limiter.retry_after_seconds("a", now=100, cost=4) == float("inf")


def test_the_number_of_keys_is_bounded_and_the_least_recent_goes_first() -> None:
    """A12, M4: the map does not grow without bound."""
    limiter = RateLimiter(per_second=1, burst=1, max_keys=2)
    assert limiter.admit("a", now=0)
    assert limiter.admit("b", now=0)
    assert not limiter.admit("a", now=0)
    assert limiter.admit("c", now=0)
    assert len(limiter) == 2
    assert not limiter.admit("a", now=0)
    assert limiter.admit("b", now=0)


@given(st.lists(st.floats(min_value=0, max_value=100), max_size=60))
def test_no_more_than_burst_plus_rate_is_ever_admitted(times: list[float]) -> None:
    limiter = RateLimiter(per_second=2, burst=5)
    admitted = sum(limiter.admit("a", now=now) for now in sorted(times))
    assert admitted <= 5 + 2 * max(times, default=0) + 1e-6


@pytest.mark.parametrize(("rate", "burst", "keys"), [(0, 1, 1), (1, 0, 1), (1, 1, 0)])
def test_a_limit_must_be_positive(rate: float, burst: float, keys: int) -> None:
    with pytest.raises(ValueError, match="positive"):
        RateLimiter(per_second=rate, burst=burst, max_keys=keys)
