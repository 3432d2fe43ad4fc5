"""The console of a real network: what really happened is what it shows, also when members go and come back."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.network_kit import LocalTestNetwork, wait_until

pytestmark = pytest.mark.e2e
INTENTS = 5


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalTestNetwork]:
    """Three validators, two agents, a console, and some finished intents."""
    root: Path = tmp_path_factory.mktemp("console") / "net"
    settings = {"console.yaml": {"poll_seconds": 0.5}}
    with LocalTestNetwork.create(root, agents=2, settings=settings, console=True) as network:
        network.start()
        network.wait_all(network.submit_many(INTENTS), "COMPLETED")
        yield network


@pytest.fixture
def console(network: LocalTestNetwork) -> Iterator[httpx.Client]:
    """A visitor of its console."""
    base = f"http://{network.session.environment['CONSOLE_HTTP']}"
    headers = {"accept": "text/html"}
    with httpx.Client(base_url=base, headers=headers, timeout=20) as client:
        yield client


def text(console: httpx.Client, path: str) -> str:
    answer = console.get(path)
    assert answer.status_code == 200, answer.text
    return answer.text


def test_the_network_at_a_glance_is_ready_with_its_quorums(console: httpx.Client) -> None:
    page = wait_until(
        lambda: found if "Network ready" in (found := text(console, "/")) else None, "it is ready"
    )
    assert page.count("3 present, 2 needed · 1 spare") == 2
    for member in ("registry", "matcher", "validator-1", "validator-2", "validator-3"):
        assert member in page
    assert console.get("/api/v1/network").json()["healthy"] is True


def test_an_intents_story_is_told_from_submission_to_settlement(
    console: httpx.Client, network: LocalTestNetwork
) -> None:
    listing = text(console, "/intents?phase=completed")
    ids = re.findall(r'href="/intents/(0x[0-9a-f]{64})"', listing)
    assert len(ids) >= INTENTS
    page = text(console, f"/intents/{ids[0]}")
    for event in ("submitted", "window 1 closed", "assigned to agent-", "report received by"):
        assert event in page
    assert page.count(": pass</strong>") >= 2
    assert page.count("signed by validator-") >= 2
    assert "settled</strong>" in page
    assert '<rect class="s0"' in page, "the bars"
    story = console.get(f"/api/v1/intents/{ids[0]}/story").json()
    assert story["ending"]["status"] == "COMPLETED"


def test_auctions_agents_and_batches_are_those_that_were(console: httpx.Client) -> None:
    auctions = text(console, "/auctions")
    assert "won</span>" in auctions
    assert "reputation" in auctions
    agents = text(console, "/agents")
    assert "agent-1" in agents
    assert "agent-2" in agents
    batches = text(console, "/settlement")
    assert "settled</span>" in batches
    assert text(console, "/validators").count('class="yes"') == 6
    assert "Nothing is wrong" in text(console, "/alerts")


def test_an_intent_that_nobody_knows_is_not_found(console: httpx.Client) -> None:
    answer = console.get(f"/intents/0x{'5' * 64}")
    assert answer.status_code == 404
    assert "SN-N405" in answer.text


def test_a_validator_that_is_down_is_shown_and_its_return_too(
    console: httpx.Client, network: LocalTestNetwork
) -> None:
    network.kill("validator-3")
    try:
        page = wait_until(
            lambda: found if "Network degraded" in (found := text(console, "/")) else None,
            "it is degraded",
        )
        assert page.count("2 present, 2 needed · 0 spare") == 2
        assert "validator-3" in text(console, "/alerts")
        assert text(console, "/validators").count('class="unknown"') == 2
        for path in ("/intents", "/auctions", "/agents", "/settlement"):
            text(console, path)
    finally:
        network.start("validator-3")
    wait_until(lambda: "Network ready" in text(console, "/"), "it is ready again")


def test_it_holds_no_key_and_writes_no_token(network: LocalTestNetwork) -> None:
    token = network.session.environment["CONSOLE_TOKEN"]
    assert token not in network.local.log_file("console").read_text()
    assert not (network.home.data / "console").exists()
