"""An intent gets done although agents are away, silent, choosy, dear to nobody or bad at their work.

One network whose matcher takes the lowest price and waits for the whole window; `agent-1` is good and dear, so that
every cheaper agent of a test is asked first.
"""

from collections.abc import Iterator

import pytest
from tests.e2e.raw_agent import RawAgent, Status
from tests.network_kit import LocalTestNetwork, Settings, wait_until

GOOD = "agent-1"
GOOD_PRICE = 50
RESPONSE_SECONDS = 2


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalTestNetwork]:
    settings: Settings = {
        "matcher.yaml": {
            "windows.early_close": False,
            "windows.bidding_window_seconds": 1,
            "tasks.response_timeout_seconds": RESPONSE_SECONDS,
            "tasks.lease_seconds": 4,
        },
        "policy_config.yaml": {"matcher.strategy.type": "lowest_price"},
    }
    home = tmp_path_factory.mktemp("matching") / "home"
    variables = {"AGENT_ECHO_PRICE": str(GOOD_PRICE)}
    with LocalTestNetwork.create(home, agents=1, settings=settings, variables=variables) as made:
        made.start()
        yield made


def attempts(network: LocalTestNetwork, intent_id: str) -> list[tuple[str, str | None]]:
    """Who was assigned, in order, with the code with which the attempt failed."""
    return [(one["agent_id"], one["code"]) for one in network.matching(intent_id)["assignments"]]


def settled_by(network: LocalTestNetwork, intent_id: str) -> str:
    """The address of the only agent that was paid for an intent."""
    items = [
        item
        for batch in network.batches()
        for item in batch["group"]["items"]
        if item["intentId"] == intent_id
    ]
    assert len(items) == 1
    return str(items[0]["agentId"]).lower()


def test_an_agent_that_is_offline_at_match_time_gets_its_task_on_reconnect(
    network: LocalTestNetwork,
) -> None:
    """Claim 6 (L4, L5): the task is kept until it is acknowledged."""
    intent_id = network.submit(payload=b"later", deadline_seconds=60)
    with RawAgent(network, "offline") as agent:
        assert agent.bid(intent_id, price=1).accepted
        wait_until(lambda: attempts(network, intent_id), "the absent agent is assigned", seconds=20)
        task = agent.task_of(intent_id)
        assert task.intent_data == b"later"
        # Not acknowledged: a second stream gets it again.
        assert agent.task_of(intent_id).task_id == task.task_id
        agent.respond(task, accepted=True)
        assert agent.report(task, result=b"done at last").status == "accepted"
        network.wait_all([intent_id])
        assert attempts(network, intent_id) == [("offline", None)]
        assert settled_by(network, intent_id) == agent.address


def test_a_silent_agent_loses_the_task_to_the_runner_up_in_bounded_time(
    network: LocalTestNetwork,
) -> None:
    """Claim 6 (L6, L7): silence ends the attempt, the next best bid is assigned, nobody waits for the deadline."""
    intent_id = network.submit(deadline_seconds=120)
    with RawAgent(network, "silent") as agent:
        assert agent.bid(intent_id, price=1).accepted
        network.wait_all([intent_id], seconds=40)
    first, second = network.matching(intent_id)["assignments"]
    assert (first["agent_id"], second["agent_id"]) == ("silent", GOOD)
    assert first["code"]
    waited = second["created_at_ms"] - first["created_at_ms"]
    assert RESPONSE_SECONDS * 1000 <= waited <= RESPONSE_SECONDS * 1000 + 10_000


def test_an_agent_that_accepts_and_never_reports_loses_its_lease_to_the_runner_up(
    network: LocalTestNetwork,
) -> None:
    """Claim 6 (L6): an accepted task is leased, not given away for good."""
    intent_id = network.submit(deadline_seconds=120)
    with RawAgent(network, "sleeper") as agent:
        assert agent.bid(intent_id, price=1).accepted
        agent.respond(agent.task_of(intent_id), accepted=True)
        network.wait_all([intent_id], seconds=40)
    assert [agent_id for agent_id, _ in attempts(network, intent_id)] == ["sleeper", GOOD]


@pytest.mark.parametrize(
    ("agent_id", "price", "metadata"),
    [
        ("bad-address", 1, {"chain_address": "not-an-address"}),
        ("short-address", 1, {"chain_address": "0x1234"}),
        ("free", 0, None),
        ("free-and-bad", 0, {"chain_address": "0x" + "zz" * 20}),
        ("greedy", 10**18, None),
    ],
)
def test_an_impossible_bid_is_refused_with_a_reason_and_does_not_block_the_intent(
    network: LocalTestNetwork, agent_id: str, price: int, metadata: dict[str, str] | None
) -> None:
    """Claim 7 (L8): what cannot be assigned is refused when it arrives, with its code; the others go on."""
    intent_id = network.submit(deadline_seconds=60)
    with RawAgent(network, agent_id) as agent:
        ack = agent.bid(intent_id, price=price, metadata=metadata)
        if ack.accepted:
            # A price of nothing is a valid offer: it wins, and its silence costs it the task.
            assert price == 0
        else:
            assert "SN-" in ack.reason
        network.wait_all([intent_id], seconds=40)
    assert attempts(network, intent_id)[-1] == (GOOD, None)


def test_an_agent_that_declines_passes_the_task_to_the_runner_up(
    network: LocalTestNetwork,
) -> None:
    """Claim 7 (L7, L9): a declined bid is excluded, the next one is assigned at once."""
    intent_id = network.submit(deadline_seconds=60)
    with RawAgent(network, "choosy") as agent:
        assert agent.bid(intent_id, price=1).accepted
        agent.respond(agent.task_of(intent_id), accepted=False, reason="not today")
        network.wait_all([intent_id])
    (first, code), second = attempts(network, intent_id)
    assert (first, second) == ("choosy", (GOOD, None))
    assert code
    assert "PROCESSING" in network.history(intent_id)


@pytest.mark.parametrize(
    ("agent_id", "status", "result"),
    [
        ("failing", Status.FAILED, b""),
        ("empty-handed", Status.SUCCESS, b""),
        ("half-done", Status.PARTIAL, b"half"),
    ],
)
def test_a_report_that_the_validators_reject_passes_the_task_to_the_runner_up(
    network: LocalTestNetwork, agent_id: str, status: int, result: bytes
) -> None:
    """Claim 7 (V1, V2, L9): a failed or empty result is never settled; the runner-up completes the intent."""
    intent_id = network.submit(deadline_seconds=60)
    with RawAgent(network, agent_id) as agent:
        assert agent.bid(intent_id, price=1).accepted
        task = agent.task_of(intent_id)
        agent.respond(task, accepted=True)
        agent.report(task, status=status, result=result)
        network.wait_all([intent_id])
        assert settled_by(network, intent_id) != agent.address
    (first, code), second = attempts(network, intent_id)
    assert (first, second) == (agent_id, (GOOD, None))
    assert code
    judged = network.get("validator-1", f"/api/v1/intents/{intent_id}")["attempts"]
    assert [one["stage"] for one in judged] == ["REJECTED", "SETTLED"]


def test_garbage_about_a_task_is_refused_and_the_task_stays_open(
    network: LocalTestNetwork,
) -> None:
    """Claim 7 (A8, A9): a stranger's report for another agent's task changes nothing."""
    intent_id = network.submit(deadline_seconds=60)
    with RawAgent(network, "honest") as agent, RawAgent(network, "stranger") as stranger:
        assert agent.bid(intent_id, price=1).accepted
        task = agent.task_of(intent_id)
        agent.respond(task, accepted=True)
        assert stranger.report(task, result=b"mine").status == "rejected"
        assert agent.report(task, result=b"real").status == "accepted"
        network.wait_all([intent_id])
        assert settled_by(network, intent_id) == agent.address
