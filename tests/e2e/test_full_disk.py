"""A network whose validators have no room left: they only read, lose nothing, and go on in the same processes."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.chaos.scenarios import SCENARIOS
from tests.network_kit import LocalTestNetwork, wait_until

DISK = SCENARIOS["disk-full"]
FLOOR_MB = 4
LEFT_BYTES = 2 * 1024 * 1024


@pytest.fixture
def network(tmp_path: Path) -> Iterator[LocalTestNetwork]:
    """Three validators, each on a file system of 24 MiB; their log, sign-once record and archive are on it."""
    reason = DISK.skip()
    if reason is not None:
        pytest.skip(reason)
    settings = {"validator.yaml": {"health.min_free_mb": FLOOR_MB}}
    with LocalTestNetwork.create(tmp_path / "home", agents=2, settings=settings) as made:
        DISK.prepare(made)
        try:
            made.start()
            yield made
            made.stop()
        finally:
            DISK.clean(made)


def _fill(network: LocalTestNetwork, name: str, *, leave: int) -> Path:
    filler = network.home.data / name / "filler"
    with filler.open("wb", buffering=0) as file:
        while True:
            stats = os.statvfs(filler)
            free = stats.f_bavail * stats.f_frsize
            if free <= leave:
                return filler
            file.write(bytes(min(free - leave, 1 << 20)))


def _only_reads(network: LocalTestNetwork, name: str) -> bool:
    answer = network.request("GET", name, "/readyz")
    return answer.status_code == 503 and "SN-V107" in answer.text


def test_validators_on_a_full_disk_only_read_and_go_on_without_a_restart(
    network: LocalTestNetwork,
) -> None:
    """operators.md row 10: one without a byte left, two below the floor; then there is room again."""
    done = network.submit_many(5)
    network.wait_all(done)
    network.wait_told(done)
    pids = {name: network.pid(name) for name in network.validators}
    first, *others = network.validators
    fillers = [_fill(network, first, leave=0)]
    fillers += [_fill(network, name, leave=LEFT_BYTES) for name in others]
    for name in network.validators:
        wait_until(lambda n=name: _only_reads(network, n), f"{name} only reads", seconds=30)  # type: ignore[misc]
    for name in network.validators:
        status = network.get(name, "/api/v1/status")
        assert status["replication"]["failure"] is None
        assert status["replication"]["paused"]
        seen = network.get(name, f"/api/v1/intents/{done[0]}")
        assert seen["attempts"]
        metrics = network.request("GET", name, "/metrics").text
        assert "subnet_validator_read_only_bool 1.0" in metrics
    waiting = network.submit_many(3)
    answer = network.request(
        "POST",
        others[0],
        "/api/v1/execution-report",
        json={
            "report_id": "r",
            "assignment_id": "0x" + "ab" * 32,
            "intent_id": waiting[0],
            "agent_id": "agent-1",
            "status": "success",
            "timestamp": 1,
        },
    )
    assert (answer.status_code, answer.json()["code"]) == (503, "SN-V107")
    assert answer.headers["retry-after"]
    for filler in fillers:
        filler.unlink()
    network.wait_all(waiting)
    assert {name: network.pid(name) for name in network.validators} == pids
    for name in network.validators:
        wait_until(lambda n=name: network.ready(n), f"{name} is ready", seconds=30)  # type: ignore[misc]
        assert "raft_resumed" in network.log(name)
    network.same_ledger()
