"""RootLayer goes away for a while: the network goes on, and afterwards everything is delivered exactly once."""

import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.network_kit import LocalTestNetwork, Settings, wait_until

AWAY_SECONDS = 10
INTENTS = 60
BEFORE = 6


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalTestNetwork]:
    settings: Settings = {
        "matcher.yaml": {"windows.early_close": False, "windows.bidding_window_seconds": 3},
        "validator.yaml": {"health.stalled_after_seconds": 3},
    }
    home = tmp_path_factory.mktemp("outage") / "home"
    with LocalTestNetwork.create(home, agents=2, settings=settings) as made:
        made.start()
        yield made


def _reported(network: LocalTestNetwork, ids: list[str]) -> bool:
    """Whether the validators have verified a report of every intent."""
    for intent_id in ids:
        answer = network.request("GET", "validator-2", f"/api/v1/intents/{intent_id}")
        if answer.status_code != 200 or not any(
            "VERIFIED" in attempt["times_ms"] for attempt in answer.json()["attempts"]
        ):
            return False
    return True


def _delivered_once(network: LocalTestNetwork, ids: list[str]) -> None:
    items: Counter[str] = Counter()
    for batch in network.batches():
        assert batch["conflicts"] == []
        for item, result in zip(batch["group"]["items"], batch["results"], strict=True):
            assert result["ok"], result
            items[item["intentId"]] += 1
    assert {one: items[one] for one in ids} == dict.fromkeys(ids, 1)
    for one in ids:
        assert network.history(one) == ["PENDING", "PROCESSING", "COMPLETED"]


def _kill(network: LocalTestNetwork) -> Callable[[], None]:
    network.kill("rootlayer")
    return lambda: network.start("rootlayer")


def _freeze(network: LocalTestNetwork) -> Callable[[], None]:
    network.pause("rootlayer")
    return lambda: network.resume("rootlayer")


@pytest.mark.parametrize("take_away", [_kill, _freeze], ids=["killed", "frozen"])
def test_work_goes_on_without_rootlayer_and_is_delivered_exactly_once_afterwards(
    network: LocalTestNetwork, take_away: Callable[[LocalTestNetwork], Callable[[], None]]
) -> None:
    """Claim 2 (L2, L3, L13, L16, C11): windows close, reports are accepted, nobody exits, nothing is sent twice."""
    network.wait_all(network.submit_many(BEFORE))
    ids = network.submit_many(INTENTS, deadline_seconds=180)
    wait_until(lambda: network.matching(ids[-1]).get("bids"), "the agents bid", seconds=20)
    others = {name: run.pid for name, run in network.running().items() if name != "rootlayer"}

    give_back = take_away(network)
    try:
        begun = time.monotonic()
        # Auctions, tasks, reports and verdicts need no RootLayer.
        wait_until(lambda: _reported(network, ids), "every report is verified", seconds=60)
        time.sleep(max(0.0, AWAY_SECONDS - (time.monotonic() - begun)))
        leader = network.leader()
        wait_until(
            lambda: not _finalises(network, leader), f"{leader} says that it cannot finalise"
        )
    finally:
        give_back()
    network.wait_all(ids, seconds=90)
    _delivered_once(network, ids)
    wait_until(lambda: _finalises(network, leader), f"{leader} says that it finalises again")
    assert {name: run.pid for name, run in network.running().items() if name in others} == others


def _finalises(network: LocalTestNetwork, validator: str) -> bool:
    facts: dict[str, Any] = network.request("GET", validator, "/health").json()
    return bool(facts["able_to_finalise"]["ok"])


def test_the_leader_dies_while_rootlayer_is_away_and_its_successor_delivers(
    network: LocalTestNetwork,
) -> None:
    """Claim 2 (L2): the next leader inherits the work without dying of it, and sends nothing twice."""
    ids = network.submit_many(BEFORE, deadline_seconds=180)
    wait_until(lambda: network.matching(ids[-1]).get("bids"), "the agents bid", seconds=20)
    network.kill("rootlayer")
    wait_until(lambda: _reported(network, ids), "every report is verified", seconds=60)
    leader = network.leader()
    network.local.signal(network.running()[leader], signal.SIGKILL)
    wait_until(lambda: network.health()["leader"] not in {None, leader}, "another one leads")
    network.start("rootlayer")
    network.wait_all(ids, seconds=90)
    _delivered_once(network, ids)
    network.start(leader)
    network.same_ledger()
