"""The Compose files come from one source, fit every size of network, and give each service its own key only."""

import os
import re
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from pinai_subnet.cli import compose
from pinai_subnet.cli.compose_file import PASSED, compose_text, container_ports
from pinai_subnet.cli.compose_observability import prometheus_text
from pinai_subnet.cli.compose_services import DEMO_AGENTS, Kind
from pinai_subnet.cli.home import Home, is_secret
from pinai_subnet.cli.initialise import CONFIG_FILES, network_text
from pinai_subnet.runtime.dotenv import parse_dotenv
from pinai_subnet.runtime.settings import SettingsLoader
from pinai_subnet.wire.network_file import load_network

ROOT = Path(__file__).resolve().parents[3]
KINDS: tuple[Kind, ...] = ("development", "deployment")


WATCHERS = {"prometheus", "grafana"}


def everything(kind: Kind, validators: int) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(compose_text(kind, validators))["services"]
    return found


def services(kind: Kind, validators: int) -> dict[str, Any]:
    """What is our own; the rest only watches."""
    found = everything(kind, validators)
    return {name: service for name, service in found.items() if name not in WATCHERS}


def test_the_committed_files_are_the_generated_ones() -> None:
    """Otherwise: make compose-files."""
    for kind, path in (
        ("development", "docker-compose.yml"),
        ("deployment", "deployment/docker/docker-compose.yml"),
    ):
        assert (ROOT / path).read_text() == compose_text(kind, 3), path  # type: ignore[arg-type]


def test_the_committed_targets_are_the_generated_ones() -> None:
    """Otherwise: make compose-files."""
    assert (ROOT / "deployment/observability/prometheus.yml").read_text() == prometheus_text(3)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("validators", [1, 15])
def test_who_only_watches_is_asked_for_and_listens_on_this_host_at_ports_of_its_own(
    kind: Kind, validators: int
) -> None:
    found = everything(kind, validators)
    taken = {
        re.search(r":-(\d+)\}:\d+$", port)[1]  # type: ignore[index]
        for service in services(kind, validators).values()
        for port in service.get("ports", [])
    }
    for name in WATCHERS:
        service = found[name]
        assert service["profiles"] == ["observability"]
        assert re.search(r":v?\d+\.\d+\.\d+\}$", service["image"]), "pinned by version"
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        [port] = service["ports"]
        address, own = re.fullmatch(r"\$\{\w+:-([\d.]+)\}:\$\{\w+:-(\d+)\}:\d+", port).groups()  # type: ignore[union-attr]
        assert address == "127.0.0.1"
        assert own not in taken
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            base = ROOT if kind == "development" else ROOT / "deployment/docker"
            assert source in WATCHERS or (base / source).resolve().exists(), source


@pytest.mark.parametrize("validators", [1, 3, 15])
def test_prometheus_asks_every_service_where_it_answers_its_probe(validators: int) -> None:
    jobs = yaml.safe_load(prometheus_text(validators))["scrape_configs"]
    asked = {
        target
        for job in jobs
        for entry in job.get("static_configs", [])
        for target in entry["targets"]
    } | {
        f"{name}:{entry['port']}"
        for job in jobs
        for entry in job.get("dns_sd_configs", [])
        for name in entry["names"]
    }
    port = re.compile(r":(\d+)/readyz")
    probed = {
        f"{name}:{port.search(service['healthcheck']['test'][-1])[1]}"  # type: ignore[index]
        for name, service in services("deployment", validators).items()
    }
    assert asked == probed


@pytest.mark.parametrize("name", ["network.yaml", *CONFIG_FILES])
def test_the_configuration_of_a_deployment_is_the_shipped_one(name: str) -> None:
    """Otherwise: make compose-files."""
    assert (ROOT / "deployment/config" / name).read_text() == (ROOT / "config" / name).read_text()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("validators", range(1, 16))
def test_every_size_has_its_validators_each_on_ports_of_its_own(
    kind: Kind, validators: int
) -> None:
    found = services(kind, validators)
    expected = {f"validator-{number}" for number in range(1, validators + 1)}
    assert {name for name in found if name.startswith("validator-")} == expected
    host = [
        re.search(r":-(\d+)\}:\d+$", port)[1]  # type: ignore[index]
        for service in found.values()
        for port in service.get("ports", [])
    ]
    assert len(set(host)) == len(host) == 7 + 3 * validators


@pytest.mark.parametrize("kind", KINDS)
def test_the_contract_with_operators(kind: Kind) -> None:
    text = compose_text(kind, 3)
    whole = yaml.safe_load(text)
    found = whole["services"]
    for name in ("registry", "matcher", "validator-1", "validator-2", "validator-3"):
        service = found[name]
        assert service["container_name"] == f"${{CONTAINER_PREFIX:-pinai}}-{name}"
        assert service["image"] == "${PINAI_IMAGE:-pinai-subnet:latest}"
        assert service["user"] == "1000:1000"
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["restart"] == "unless-stopped"
        mounts = [volume.split(":")[1:] for volume in service["volumes"]]
        assert ["/app/config", "ro"] in mounts
        assert ["/app/data"] in mounts
        assert service["mem_limit"]
        assert service["logging"]["options"]["max-size"]
    network = whole["networks"]["subnet-network"]
    assert network["name"] == "${NETWORK_NAME:-subnet-network}"
    assert network["ipam"]["config"] == [{"subnet": "${SUBNET_CIDR:-172.28.0.0/16}"}]
    for port in (
        "8101}:8101",
        "8093}:8090",
        "8094}:8091",
        "9092}:9092",
        "9097}:9097",
        "7402}:7402",
    ):
        assert port in text


def test_a_deployment_gives_each_service_the_one_key_that_is_its() -> None:
    found = services("deployment", 5)
    variable = re.compile(
        r"\$\{((?:VALIDATOR_KEY|MATCHER_PRIVATE_KEY|AGENT_PRIVATE_KEY|TEST|CONSOLE_TOKEN)\w*)"
    )
    for name, service in found.items():
        asked = set(variable.findall(str(service["environment"])))
        number = name.rpartition("-")[2]
        own = {
            "matcher": {"MATCHER_PRIVATE_KEY"},
            "console": {"CONSOLE_TOKEN"},
            f"validator-{number}": {f"VALIDATOR_KEY_{number}"},
            f"agent-{number}": {f"AGENT_PRIVATE_KEY_{number}"},
        }
        assert asked == own.get(name, set()), name
        assert not variable.search(str(service["command"]))


def test_rootlayer_and_agents_of_a_deployment_are_for_development_only() -> None:
    found = services("deployment", 3)
    assert {name for name, service in found.items() if service.get("profiles") == ["dev"]} == {
        "rootlayer", "agent-1", "agent-2", "agent-3",
    }  # fmt: skip


def test_replication_of_a_deployment_is_not_open_to_the_world_unless_said() -> None:
    for service in services("deployment", 3).values():
        for port in service.get("ports", []):
            assert ("RAFT_BIND_ADDRESS:-127.0.0.1" in port) == ("_RAFT_PORT" in port)


def test_one_host_of_several_is_reached_by_the_others_and_knows_them_from_network_yaml() -> None:
    text = compose_text("deployment", 4, ["validator-4"])
    assert "--validators 4 --kind deployment --services validator-4" in text
    document = yaml.safe_load(text)
    [service] = document["services"].values()
    raft = [port for port in service["ports"] if "_RAFT_PORT" in port]
    assert raft == ["${RAFT_BIND_ADDRESS:-0.0.0.0}:${VALIDATOR_4_RAFT_PORT:-7403}:7403"]
    assert not [name for name in document["x-facts"] if re.match(r"VALIDATOR_(\d|PUBKEY)", name)]
    asked = {str(value) for value in service["environment"].values() if "KEY" in str(value)}
    assert asked == {"${VALIDATOR_KEY_4:-}"}


OF_ONE_CONTAINER = {
    *(
        "AGENT_ID",
        "AGENT_CHAIN_ADDRESS",
        "AGENT_ENDPOINT",
        "AGENT_MATCHER",
        "MATCHER_ID",
        "DATA_DIR",
    ),
    *("BACKUP_DIRECTORY", "BACKUP_KEY_FILE"),
}
"""What is different from container to container, or names a place inside of one."""


@pytest.mark.parametrize("kind", KINDS)
def test_every_setting_of_the_configuration_reaches_the_containers_from_env(kind: Kind) -> None:
    """Listeners and files of keys are the Compose file's own."""
    asked = {
        name
        for path in (ROOT / "config").glob("*.yaml")
        for name in re.findall(r"\$\{([A-Z][A-Z0-9_]*)", path.read_text())
        if not re.search(r"_(LISTEN_HOST|PORT|KEY_FILE|TOKEN_FILE)$|^AGENT_HTTP_", name)
        and not is_secret(name)
    }
    document = yaml.safe_load(compose_text(kind, 3))
    given = {*document["x-facts"], "AUTH_MODE"}
    if kind == "development":  # the facts of this network are in its volume
        given |= set(yaml.safe_load(compose_text("deployment", 3))["x-facts"])
    assert asked - given - OF_ONE_CONTAINER == set()
    assert {name for name, value in document["x-facts"].items() if value is None} == set(PASSED)


def test_every_variable_of_a_deployment_is_documented() -> None:
    path = ROOT / "deployment/.env.example"
    example = set(parse_dotenv(path.read_bytes(), name=path.name).values)
    text = (ROOT / "deployment/docker/docker-compose.yml").read_text()
    asked = {*re.findall(r"\$\{([A-Z][A-Z0-9_]*)", text), *PASSED}
    # Of several validators and agents the first stands for all; ports of validators are in one line.
    numbered = {
        name
        for name in asked
        if re.search(r"_[2-9]\d*(_|$)|VALIDATOR_1_\w+_PORT|CONSOLE_HTTP$", name)
    }
    assert asked - numbered - example == set()


@pytest.mark.parametrize("kind", KINDS)
def test_the_console_is_published_on_this_host_only_and_asks_for_its_token(kind: Kind) -> None:
    console = services(kind, 3)["console"]
    assert console["ports"] == [
        "${CONSOLE_BIND_ADDRESS:-127.0.0.1}:${CONSOLE_HTTP_PORT:-8088}:8088"
    ]
    assert console["environment"]["AUTH_MODE"] == "token"
    assert console["container_name"] == "${CONTAINER_PREFIX:-pinai}-console"


@pytest.fixture
def volumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Volumes as Compose mounts them; their owner is left as it is."""
    monkeypatch.setattr(os, "chown", lambda *_: None)
    monkeypatch.setattr(compose.shutil, "chown", lambda *_: None)
    agents = [f"agent-{number}" for number in range(1, DEMO_AGENTS + 1)]
    members = ["rootlayer", "registry", "matcher", "console", *agents]
    for name in (*members, "validator-1", "validator-2", "network", "operator"):
        (tmp_path / name).mkdir()
    return tmp_path


def test_development_keys_are_made_once_and_each_is_in_one_volume(volumes: Path) -> None:
    compose.keys(volumes=volumes, validators=2)
    files = sorted(volumes.glob("*/private.key"))
    assert [path.parent.name for path in files] == [
        "agent-1", "agent-2", "agent-3", "console", "matcher", "validator-1", "validator-2",
    ]  # fmt: skip
    keys = [path.read_text() for path in files]
    assert len(set(keys)) == 7
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o400 for path in files)
    public = (volumes / "network" / "public.env").read_text()
    assert not [key for key in keys if key.strip() in public]
    compose.keys(volumes=volumes, validators=2)
    assert [path.read_text() for path in files] == keys


def test_the_public_facts_are_all_that_the_network_file_needs(
    volumes: Path, tmp_path: Path
) -> None:
    compose.keys(volumes=volumes, validators=2)
    public = parse_dotenv((volumes / "network" / "public.env").read_bytes(), name="public.env")
    config = tmp_path / "config"
    config.mkdir()
    (config / "network.yaml").write_text(network_text(2))
    loader = SettingsLoader(public.values)
    network = load_network(loader, config)
    assert loader.problems == []
    assert network is not None
    assert network.parameters.validators[1].raft_endpoint == container_ports(2)["VALIDATOR_2_RAFT"]
    assert Home(volumes / "operator").environment()["TEST_PRIVATE_KEY"]
