"""The process around the matcher: what keeps it from starting, and what it is like while everything else is away."""

import asyncio
import os
import socket
from pathlib import Path

import httpx
import pytest
from tests.integration.matcher.harness import MATCHER, SUBNET, eventually, key

from pinai_subnet.bootstrap import matcher as bootstrap
from pinai_subnet.bootstrap.arguments import Arguments
from pinai_subnet.matcher.settings import MatcherPolicy, MatcherSettings, PolicyFile
from pinai_subnet.runtime.errors import StartupError
from pinai_subnet.runtime.lifecycle import Process, supervise
from pinai_subnet.runtime.settings import load_settings
from pinai_subnet.wire.catalogue import CATALOGUE

SHIPPED = Path(__file__).parents[3] / "config"


def network_text(matcher: str = MATCHER.address, validator_key: int = 2000) -> str:
    return (
        f"subnet_id: '{SUBNET}'\n"
        "chain: {chain_id: 84532, intent_manager: '0xB2f092E696B33b7a95e1f961369Bb59611CAd093',"
        " checkpoint_manager: '0x6A61BA20D910576A6c0B39175A6CF98358bB4008'}\n"
        "threshold: {numerator: 1, denominator: 1}\n"
        f"validators: [{{id: validator-1, public_key: '{key(validator_key).public_key.hex()}',"
        " grpc: '127.0.0.1:1', http: '127.0.0.1:2', raft: '127.0.0.1:3'}]\n"
        f"matchers: ['{matcher}']\n"
        "endpoints: {matcher_grpc: 'h:1', matcher_http: 'h:1', registry_http: '127.0.0.1:1',"
        " registry_grpc: 'h:1', rootlayer_grpc: '127.0.0.1:1', rootlayer_http: 'h:1',"
        " rootlayer_tls: false}\n"
    )


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("matcher.yaml", "policy_config.yaml", "auth_config.yaml"):
        (tmp_path / name).write_text((SHIPPED / name).read_text())
    (tmp_path / "network.yaml").write_text(network_text())
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("MATCHER_PRIVATE_KEY", (1000).to_bytes(32, "big").hex())
    monkeypatch.setenv("MATCHER_GRPC_PORT", "0")
    monkeypatch.setenv("MATCHER_HTTP_PORT", "0")
    return tmp_path


def problems(home: Path) -> list[str]:
    with pytest.raises(StartupError) as failed:
        bootstrap.load(Arguments(config_dir=home), os.environ)
    assert all(problem.code in CATALOGUE for problem in failed.value.problems)
    return [problem.code for problem in failed.value.problems]


def test_the_shipped_files_say_every_key_and_its_default(home: Path) -> None:
    """D1, D2: what is documented is read, and nothing is read that is not documented."""
    environ = {"DATA_DIR": "data"}
    shipped = load_settings(MatcherSettings, SHIPPED / "matcher.yaml", environ=environ)
    defaults = MatcherSettings(private_key="")  # type: ignore[arg-type]
    assert shipped == defaults
    policy = load_settings(PolicyFile, SHIPPED / "policy_config.yaml", environ={})
    assert policy.matcher == MatcherPolicy()
    for model, path in ((MatcherSettings, "matcher.yaml"), (MatcherPolicy, "policy_config.yaml")):
        text = (SHIPPED / path).read_text()
        for name, field in model.model_fields.items():
            assert f"{name}:" in text
            nested = getattr(field.annotation, "model_fields", {})
            assert all(f"{key_name}:" in text for key_name in nested), name


def test_all_problems_of_a_start_are_told_at_once(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """D2: an unknown key is an error with its place, not ignored."""
    settings = home / "matcher.yaml"
    settings.write_text(settings.read_text().replace("early_close:", "early_closing:"))
    policy = home / "policy_config.yaml"
    policy.write_text(policy.read_text().replace("type: weighted", "type: cheapest"))
    monkeypatch.delenv("MATCHER_PRIVATE_KEY")
    assert problems(home) == ["SN-C004", "SN-C005", "SN-K001"]


def test_a_missing_key_is_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MATCHER_PRIVATE_KEY")
    assert problems(home) == ["SN-K001"]


def test_the_key_must_be_the_networks_and_the_matchers_own(home: Path) -> None:
    (home / "network.yaml").write_text(network_text(matcher=key(5).address))
    assert problems(home) == ["SN-M041"]
    (home / "network.yaml").write_text(network_text(validator_key=1000))
    assert problems(home) == ["SN-C124"]


def test_an_auction_needs_a_weight(home: Path) -> None:
    policy = home / "policy_config.yaml"
    text = policy.read_text()
    for weight in ("price: 0.4", "reputation: 0.3", "capability: 0.2", "latency: 0.1"):
        text = text.replace(weight, weight.split(":")[0] + ": 0")
    policy.write_text(text)
    assert problems(home) == ["SN-M040"]


async def test_a_lonely_matcher_is_alive_says_what_it_misses_and_stops_cleanly(home: Path) -> None:
    """D5: the HTTP port that is announced answers."""
    listening: list[bootstrap.Listening] = []
    processes: list[Process] = []

    async def build(process: Process) -> None:
        processes.append(process)
        listening.append(
            await bootstrap.start(process, bootstrap.load(Arguments(config_dir=home), os.environ))
        )

    running = asyncio.ensure_future(supervise(build, name="matcher", grace_seconds=5))
    await eventually(lambda: listening)
    base = f"http://127.0.0.1:{listening[0].http_port}"
    async with httpx.AsyncClient(base_url=base) as client:
        assert (await client.get("/healthz")).status_code == 200
        facts = (await client.get("/health")).json()
        assert facts["alive"]["ok"] is True

        async def not_ready() -> bool:
            ready = await client.get("/readyz")
            return ready.status_code == 503 and "SN-M312" in ready.text

        await eventually(not_ready)
        text = (await client.get("/metrics")).text
        assert "subnet_matcher_intents_total" in text
        assert (await client.get("/api/v1/agents")).json()["agents"] == []
        assert "/api/v1/intents/{intent_id}" in (await client.get("/openapi.json")).text
    processes[0].request_stop()
    assert await running == 0


async def test_a_port_in_use_is_a_coded_error(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setenv("MATCHER_GRPC_PORT", str(taken.getsockname()[1]))

        async def build(process: Process) -> None:
            await bootstrap.start(process, bootstrap.load(Arguments(config_dir=home), os.environ))

        assert await supervise(build, name="matcher", grace_seconds=5) == 78
