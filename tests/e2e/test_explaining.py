"""What happened, why, and what now: stories, dry runs, retries, live steps and a walk through an agent, on one network.

One attempt per intent and the lowest price, so that a test can make an intent fail as it likes.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.e2e.raw_agent import RawAgent, Status
from tests.e2e.test_subnetctl import CONFIGURATION, DONE, FAILED, subnetctl
from tests.network_kit import LocalTestNetwork, Settings, wait_until

GOOD = "agent-1"
DEADLINE = 20


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalTestNetwork]:
    settings: Settings = {
        "matcher.yaml": {
            "windows.early_close": False,
            "windows.bidding_window_seconds": 1,
            "tasks.max_attempts": 1,
        },
        "policy_config.yaml": {"matcher.strategy.type": "lowest_price"},
    }
    home = tmp_path_factory.mktemp("explaining") / "home"
    variables = {"AGENT_ECHO_PRICE": "50"}
    with LocalTestNetwork.create(home, agents=1, settings=settings, variables=variables) as made:
        made.start()
        yield made


def where(network: LocalTestNetwork) -> tuple[str, Path]:
    return ("--home", network.home.root)


def ended(network: LocalTestNetwork, intent_id: str) -> str:
    status = network.told(intent_id).ending.status
    return "" if status == "OPEN" else status


def test_the_whole_story_of_a_settled_intent_is_told_with_what_the_runner_up_needed(
    network: LocalTestNetwork,
) -> None:
    intent_id = network.submit(payload=b"story", deadline_seconds=60)
    with RawAgent(network, "dear") as dear:
        assert dear.bid(intent_id, price=80).accepted
        network.wait_all([intent_id])
    network.wait_told([intent_id])
    told = subnetctl("intent", "explain", intent_id, "--json", *where(network))
    assert told.status == DONE, told.stderr
    story = told.json
    assert story["ending"]["status"] == "COMPLETED"
    winner, loser = story["offers"]
    assert (winner["agent_id"], winner["won"], loser["lost_mostly_by"]) == (GOOD, True, "price")
    assert int(loser["needed"]["price"]) in {49, 50}
    (attempt,) = story["attempts"]
    assert [verdict["passed"] for verdict in attempt["verdicts"]] == [True] * 3
    assert len(attempt["batch"]["signatures"]) >= 2
    assert attempt["settlement"]["ok"] is True
    assert {stage["name"] for stage in story["stages"]} >= {"bidding", "execution", "settlement"}
    assert story["missing"] == []
    text = subnetctl("intent", "explain", intent_id, *where(network)).stdout
    assert "dear would have won with a price of at most" in text


def test_a_failed_intent_is_explained_and_retried_without_the_guilty_agent(
    network: LocalTestNetwork,
) -> None:
    intent_id = network.submit(payload=b"again", deadline_seconds=DEADLINE)
    with RawAgent(network, "bungler") as bungler:
        assert bungler.bid(intent_id, price=1).accepted
        task = bungler.task_of(intent_id)
        bungler.respond(task, accepted=True)
        bungler.report(task, result=b"", status=Status.FAILED)
        failed = wait_until(lambda: ended(network, intent_id), "the only attempt has failed")
        assert failed == "FAILED"
        told = subnetctl("intent", "explain", intent_id, *where(network))
        assert told.status == DONE
        assert "(at fault: agent bungler)" in told.stdout
        assert f"try:  subnetctl intent retry {intent_id} --exclude bungler" in told.stdout
        assert "docs: subnetctl explain SN-" in told.stdout

        again = subnetctl(
            "intent", "retry", intent_id, "--exclude", "bungler", "--json", *where(network)
        )
        assert again.status == DONE, again.stderr
        second = again.json["intent_id"]
        assert not bungler.bid(second, price=1).accepted
        network.wait_all([second])
    matching = network.matching(second)
    assert matching["ineligible"]["bungler"]["code"] == "SN-M035"
    assert matching["assignments"][0]["agent_id"] == GOOD
    not_again = subnetctl("intent", "retry", second, *where(network))
    assert not_again.status == FAILED
    assert "SN-N431" in not_again.stderr


def test_a_dry_run_says_who_could_bid_before_anything_is_spent(
    network: LocalTestNetwork, tmp_path: Path
) -> None:
    before = len(network.statuses())
    order = tmp_path / "order.json"
    order.write_text(json.dumps({"intentType": "echo"}))
    told = subnetctl("intent", "dry-run", order, *where(network))
    assert told.status == DONE, told.stderr
    assert f"✓ {GOOD}  connected" in told.stdout
    nobody = subnetctl(
        "intent", "dry-run", order, "--type", "echo", "--exclude", GOOD, "--json", *where(network)
    )
    assert nobody.status == FAILED
    assert nobody.json["ineligible"][GOOD]["code"] == "SN-M035"
    order.write_text("not json")
    unreadable = subnetctl("intent", "dry-run", order, *where(network))
    assert unreadable.status == FAILED
    assert "SN-N430" in unreadable.stderr
    assert len(network.statuses()) == before


def test_live_steps_are_watched_for_one_intent_and_for_all(network: LocalTestNetwork) -> None:
    newest = network.get("matcher", "/api/v1/moves")["newest"]
    intent_id = network.submit(payload=b"live", deadline_seconds=60)
    watched = subnetctl("intent", "watch", intent_id, *where(network))
    assert watched.status == DONE
    assert "settled" in watched.stderr
    told = network.get("matcher", "/api/v1/moves", after=newest, intent_id=intent_id)
    assert [move["phase"] for move in told["moves"]][-1] == "completed"
    all_of_it = subnetctl("intent", "watch", "--timeout-seconds", 1, "--json", *where(network))
    assert all_of_it.status == DONE


def test_an_agent_is_walked_through_and_reads_its_bids_and_earnings(
    network: LocalTestNetwork,
) -> None:
    walked = subnetctl("agent", "test", GOOD, *where(network))
    assert walked.status == DONE, walked.stdout + walked.stderr
    for stage in ("eligible", "bid", "assigned", "task delivered", "validated", "settled"):
        assert f"✓ {stage}" in walked.stdout
    stranger = subnetctl("agent", "test", "nobody-at-all", "--json", *where(network))
    assert stranger.status == FAILED
    assert "SN-M038" in stranger.json["steps"][0]["seen"]
    bids = subnetctl("agent", "bids", GOOD, "--json", *where(network))
    assert bids.status == DONE, bids.stderr
    assert {bid["result"] for bid in bids.json["bids"]} >= {"won"}
    earned = subnetctl("agent", "earnings", GOOD, *where(network))
    assert earned.status == DONE
    assert f"{GOOD} has earned" in earned.stdout
    assert "SN-N433" in subnetctl("agent", "bids", "nobody-at-all", *where(network)).stderr


def test_recorded_auctions_are_held_again_under_another_strategy(
    network: LocalTestNetwork, tmp_path: Path
) -> None:
    file = tmp_path / "auctions.json"
    saved = subnetctl("recording", "save", file, "--json", *where(network))
    assert saved.status == DONE, saved.stderr
    assert saved.json["auctions"] >= 3
    assert "SN-N434" in subnetctl("recording", "save", file, *where(network)).stderr
    same = subnetctl(
        "replay",
        file,
        "--strategy",
        network.home.config / "policy_config.yaml",
        "--json",
        *where(network),
    )
    assert same.status == DONE, same.stderr
    assert (same.json["auctions"], same.json["changed"]) == (saved.json["auctions"], 0)


def test_a_candidate_policy_judges_in_shadow_is_compared_and_promoted(
    network: LocalTestNetwork, tmp_path: Path
) -> None:
    active = network.home.config / "policy_config.yaml"
    before = active.read_bytes()
    candidate = tmp_path / "candidate.yaml"
    policies = yaml.safe_load(before)
    policies["validator"]["default"] |= {"policy_id": "strict", "blocked_agents": [GOOD]}
    candidate.write_text("validator: {default: {no_such_key: 1}}")
    refused = subnetctl("policy", "shadow", candidate, "--restart", *where(network))
    assert refused.status == CONFIGURATION
    assert "SN-V123" in subnetctl("policy", "diff", *where(network)).stderr
    candidate.write_text(yaml.safe_dump(policies))
    shadow = subnetctl("policy", "shadow", candidate, "--restart", "--json", *where(network))
    assert shadow.status == DONE, shadow.stderr
    assert shadow.json["restarted"] == ["validator-1", "validator-2", "validator-3"]
    assert "SN-V124" in subnetctl("policy", "promote", *where(network)).stderr
    intents = []

    def compared() -> bool:
        """A validator that is late may find the report sealed; then the next one is compared."""
        intents.append(network.submit(payload=b"shadow", deadline_seconds=60))
        network.wait_all(intents[-1:], "COMPLETED")
        answer = subnetctl("policy", "diff", "--json", *where(network))
        return answer.status == DONE and all(one["judged"] for one in answer.json["validators"])

    wait_until(compared, "every validator has compared a report")
    told = subnetctl("policy", "diff", *where(network)).stdout
    assert "passed -> SN-V055: " in told
    assert intents[0] in told
    assert subnetctl("policy", "promote", "--dry-run", *where(network)).status == DONE
    assert active.read_bytes() == before
    try:
        promoted = subnetctl("policy", "promote", *where(network))
        assert promoted.status == DONE, promoted.stderr
        assert active.read_bytes() == candidate.read_bytes()
        assert Path(f"{active}.bak").read_bytes() == before
    finally:  # nothing was restarted: the network goes on by the former policy
        active.write_bytes(before)


def test_a_story_without_the_matcher_is_told_and_says_so(network: LocalTestNetwork) -> None:
    intent_id = network.submit(payload=b"hole", deadline_seconds=60)
    network.wait_all([intent_id])
    network.kill("matcher")
    try:
        told = subnetctl("intent", "explain", intent_id, *where(network))
        assert told.status == DONE
        assert "no answer from matcher (SN-N401" in told.stdout
        assert "verdict of validator-1" in told.stdout
        refused = subnetctl("agent", "bids", GOOD, *where(network))
        assert refused.status == FAILED
        assert "SN-N401" in refused.stderr
    finally:
        network.start("matcher")
    told = subnetctl("intent", "explain", intent_id, *where(network))
    wait_until(lambda: "no answer" not in told.stdout, "the matcher tells its part again")
