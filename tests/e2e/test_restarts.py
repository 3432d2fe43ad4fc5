"""Every process but the killed one goes on, and whoever comes back goes on where it stopped.

One network for all of it; each test leaves every member running. Tasks of the type `script` last as long as they say.
"""

import json
from collections.abc import Iterator

import pytest
from tests.network_kit import LocalTestNetwork, Settings, wait_until

AGENT = "agent-1"
WINDOW_SECONDS = 2
INTENTS = 230
"""More than two pages of a listing hold."""


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalTestNetwork]:
    settings: Settings = {
        "matcher.yaml": {
            "windows.early_close": False,
            "windows.bidding_window_seconds": WINDOW_SECONDS,
        },
        "agent.yaml": {"tasks.script.commands": ["bash"], "limits.backlog": INTENTS},
    }
    home = tmp_path_factory.mktemp("restarts") / "home"
    with LocalTestNetwork.create(home, agents=1, settings=settings) as made:
        made.start()
        yield made


def submit_sleep(network: LocalTestNetwork, seconds: float) -> str:
    command = ["bash", "-c", f"sleep {seconds}; echo done"]
    payload = json.dumps({"command": command}).encode()
    return network.submit(intent_type="script", payload=payload)


def assigned(network: LocalTestNetwork, intent_id: str) -> list[str]:
    """The ids of an intent's assignments as RootLayer was told."""
    rows = network.get("rootlayer", "/api/v1/assignments", intent_id=intent_id)["assignments"]
    return [row["assignment"]["assignmentId"] for row in rows]


def test_a_matcher_killed_inside_a_window_ends_the_window_after_its_restart(
    network: LocalTestNetwork,
) -> None:
    """The journal has the window and its bid: nothing is lost, nothing is assigned twice."""
    ids = network.submit_many(5)
    wait_until(lambda: network.matching(ids[-1]).get("bids"), "the agent has bid", seconds=20)
    network.restart("matcher", hard=True)
    network.wait_all(ids)
    assert all(len(assigned(network, one)) == 1 for one in ids)
    assert {len(network.matching(one)["offers"]) for one in ids} == {1}


def test_a_matcher_killed_while_a_task_runs_learns_its_outcome_after_its_restart(
    network: LocalTestNetwork,
) -> None:
    """The task goes on, is reported without a matcher, and settles; the matcher hears of it afterwards."""
    intent_id = submit_sleep(network, 1)
    wait_until(
        lambda: any(
            one["acknowledged_at_ms"] for one in network.matching(intent_id).get("assignments", [])
        ),
        "the task is accepted",
        seconds=20,
    )
    network.kill("matcher")
    network.wait_all([intent_id])
    network.start("matcher")
    wait_until(
        lambda: network.matching(intent_id)["assignments"][0]["state"] == "settled",
        "the matcher has heard that the result was settled",
    )
    assert len(assigned(network, intent_id)) == 1


def test_intents_created_while_the_matcher_is_down_are_all_served(
    network: LocalTestNetwork,
) -> None:
    """L11, L12: more of them than one page of a listing holds, and no stream told anybody."""
    network.kill("matcher")
    ids = network.submit_many(INTENTS, deadline_seconds=120)
    network.start("matcher")
    network.wait_all(ids, seconds=120)
    assert network.get("matcher", "/api/v1/intents", limit=1)["total"] >= INTENTS


def test_an_agent_killed_between_bid_and_task_does_the_task_after_its_restart(
    network: LocalTestNetwork,
) -> None:
    """Claim 6 (L4, L19): the task waits for the agent, and the agent comes back by itself."""
    intent_id = network.submit()
    wait_until(lambda: network.matching(intent_id).get("bids"), "the agent has bid", seconds=20)
    network.kill(AGENT)
    wait_until(
        lambda: network.matching(intent_id)["assignments"], "the dead agent is assigned", seconds=20
    )
    network.start(AGENT)
    network.wait_all([intent_id])


def test_an_agent_killed_inside_a_task_reports_it_once_after_its_restart(
    network: LocalTestNetwork,
) -> None:
    """L18: an accepted task survives its agent's death; one report is settled."""
    intent_id = submit_sleep(network, 2)
    wait_until(
        lambda: any(
            one["acknowledged_at_ms"] for one in network.matching(intent_id).get("assignments", [])
        ),
        "the task is accepted",
        seconds=20,
    )
    network.restart(AGENT, hard=True)
    network.wait_all([intent_id])
    assert len(assigned(network, intent_id)) == 1


def test_a_restarted_follower_catches_up_and_signs_again(network: LocalTestNetwork) -> None:
    """L1, C4, C6: what happened without it is in its ledger afterwards, and its signatures count again."""
    leader = network.leader()
    follower = next(name for name in network.validators if name != leader)
    network.kill(follower)
    network.wait_all(network.submit_many(10))
    network.start(follower)
    network.same_ledger()
    before = network.get("rootlayer", "/api/v1/batches", limit=100)["batches"][-1]["epoch"]
    network.wait_all(network.submit_many(10))

    def signs() -> bool:
        # Two of three make an epoch final, so a single one may be done before its signature comes.
        sealed = network.get(leader, "/api/v1/status")["epochs"]["sealed"]
        epochs = (
            network.get(leader, f"/api/v1/epochs/{number}")
            for number in range(before + 1, sealed + 1)
        )
        return any(
            follower in {one["validator_id"] for one in epoch["signatures"]} for epoch in epochs
        )

    wait_until(signs, f"{follower} signs new epochs")


def test_intents_go_on_without_the_registry(network: LocalTestNetwork) -> None:
    """R1: the registry is asked, never waited for; restarted, it knows its members."""
    known = {row["id"] for row in network.get("registry", "/agents")["agents"]}
    network.kill("registry")
    network.wait_all(network.submit_many(10))
    network.start("registry")
    assert AGENT in known
    assert {row["id"] for row in network.get("registry", "/agents")["agents"]} == known


def test_a_graceful_restart_of_everything_keeps_all_history(network: LocalTestNetwork) -> None:
    """L21, C4: SIGTERM to all, start again: old intents are still explained alike, new ones finalise."""
    old = network.submit_many(3)
    network.wait_all(old)
    network.wait_told(old)
    network.same_ledger()
    before = [network.story(one).splitlines() for one in old]
    batches = network.batches()
    digest = network.get("validator-1", "/api/v1/status")["epochs"]["sealed"]
    network.stop()
    assert network.running() == {}
    assert all("did not end" not in network.log(name) for name in network.members)

    network.start()
    assert network.get("validator-1", "/api/v1/status")["epochs"]["sealed"] == digest
    assert [network.story(one).splitlines() for one in old] == before
    assert network.batches() == batches
    network.wait_all(network.submit_many(5))
    network.same_ledger()
