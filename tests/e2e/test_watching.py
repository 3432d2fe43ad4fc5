"""The one screen, the canary and the checks on one real network without any agent: ready, broken, healed."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.network_kit import LocalTestNetwork, wait_until

READY, DEGRADED, DOWN = 0, 1, 3
CANARY = {"matcher.yaml": {"canary.every_seconds": 1, "canary.timeout_seconds": 4}}


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalTestNetwork]:
    root = tmp_path_factory.mktemp("watching") / "home"
    with LocalTestNetwork.create(root, agents=0, settings=CANARY) as made:
        made.start()
        yield made


def command(network: LocalTestNetwork, *words: str) -> list[str]:
    return [
        str(Path(sys.executable).with_name("subnetctl")),
        *words,
        "--home",
        str(network.home.root),
    ]


def run(network: LocalTestNetwork, *words: str) -> tuple[int, str]:
    done = subprocess.run(
        command(network, *words), capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout


def status(network: LocalTestNetwork) -> tuple[int, dict[str, Any]]:
    ended, text = run(network, "status", "--json")
    return ended, json.loads(text)


def test_readiness_is_proven_without_an_agent_and_without_root_layer_being_asked(
    network: LocalTestNetwork,
) -> None:
    wait_until(lambda: network.get("matcher", "/api/v1/summary")["canary"]["ok"], "a canary")

    def many_signed() -> dict[str, Any] | None:
        ended, seen = status(network)
        rows = [row for row in seen["members"] if row["role"] == "validator"]
        return seen if ended == READY and all(row["signed"] >= 3 for row in rows) else None

    seen = wait_until(many_signed, "every validator has signed three epochs")
    assert seen["health"] == "ready"
    assert seen["canary"]["ok"]
    assert seen["problems"] == []
    assert all(all(others.values()) for others in seen["peer_matrix"].values())
    assert seen["intents"]["finalised"] == seen["intents"]["open"] == 0
    assert network.batches() == []
    assert network.get("matcher", "/api/v1/intents")["intents"] == []


def test_the_screen_can_be_watched_until_interrupted(network: LocalTestNetwork) -> None:
    watching = subprocess.Popen(
        command(network, "status", "--watch", "--every", "0.5", "--json"),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert watching.stdout is not None
    try:
        looks = [json.loads(watching.stdout.readline()) for _ in range(3)]
        watching.send_signal(signal.SIGINT)
        assert watching.wait(20) == READY
    finally:
        watching.kill()
        watching.wait()
        watching.stdout.close()
    assert looks[0]["at_ms"] < looks[1]["at_ms"] < looks[2]["at_ms"]


def test_every_check_of_a_healthy_network_passes(network: LocalTestNetwork, tmp_path: Path) -> None:
    ended, text = run(network, "check", "--json", "--report", str(tmp_path / "report.json"))
    told = json.loads(text)
    bad = [check for check in told["checks"] if check["verdict"] == "FAIL"]
    assert (ended, bad) == (0, [])
    verdicts = {check["test"]: check["verdict"] for check in told["checks"]}
    assert verdicts["validator-1 ↔ validator-2"] == "OK"
    assert verdicts["validator-3 clock offset"] == "OK"
    assert json.loads((tmp_path / "report.json").read_text()) == told


def test_a_proof_is_gone_when_nothing_can_be_finalised_and_back_when_it_can(
    network: LocalTestNetwork,
) -> None:
    """No process latches: two validators die, the network is down and says why; they return, and it is ready."""
    network.kill("validator-2")
    ended, seen = status(network)
    assert (ended, seen["health"]) == (DEGRADED, "degraded")
    assert {"SN-N401", "SN-N422"} <= {problem["code"] for problem in seen["problems"]}
    network.kill("validator-3")

    def failing() -> dict[str, Any] | None:
        fact = network.get("matcher", "/health")["able_to_finalise"]
        reasons = [reason for reason in fact["reasons"] if reason["check"] == "canary"]
        return reasons[0] if reasons else None

    assert wait_until(failing, "the canary does not come through")["code"] == "SN-N425"
    ended, seen = status(network)
    assert ended == DOWN
    assert {"SN-N420", "SN-N421", "SN-N425"} <= {problem["code"] for problem in seen["problems"]}
    network.start("validator-2", "validator-3")
    wait_until(lambda: status(network)[0] == READY, "the network is ready again")
