"""A network in containers, from outside: it works, survives its leader, keeps its history, and keeps its secrets."""

import json
import re
import shutil
import time
from pathlib import Path

import pytest
from tests.containers.contract import assert_contract
from tests.containers.figures import Figures
from tests.containers.kit import IMAGE, ROOT, ContainerNetwork, docker, get, until
from tests.free_ports import free_ports

pytestmark = pytest.mark.containers

VALIDATORS = ("validator-1", "validator-2", "validator-3")
PROMETHEUS = shutil.which("prometheus")
WATCHER_IMAGE = "pinai-test-prometheus"
WATCHER = f"""\
FROM {IMAGE}
COPY prometheus /bin/prometheus
COPY --chown=1000:1000 data /prometheus
ENTRYPOINT ["/bin/prometheus"]
"""
WITH_KEY = (*VALIDATORS, "matcher", "agent-1", "agent-2", "agent-3", "console")


def key_of(network: ContainerNetwork, service: str) -> str:
    """The private key of a service, as its own container sees it."""
    key = network.execute(service, "cat", "/app/data/private.key").stdout.strip()
    assert re.fullmatch("[0-9a-f]{64}", key), service
    return key


def test_a_clean_clone_gives_the_network_of_the_contract(network: ContainerNetwork) -> None:
    """`docker compose up`, no .env, nothing set: every name, port, address, path and limit that operators count on."""
    assert not (network.directory / ".env").exists()
    assert_contract("development")


def test_three_intents_are_finalised_from_outside(
    network: ContainerNetwork, figures: Figures
) -> None:
    ids = [network.submit(f"intent {number}".encode()) for number in range(3)]
    network.finalised(*ids)
    for service in network.services:
        figures.add(f"resident memory of {service}", network.memory_mb(service), "MB")


def test_every_container_becomes_healthy(network: ContainerNetwork) -> None:
    for service in network.services:

        def healthy(service: str = service) -> bool:
            return network.inspect(service)["State"]["Health"]["Status"] == "healthy"

        until(healthy, f"{service} is healthy")


@pytest.mark.parametrize("service", ["registry", "matcher", "validator-1", "agent-1", "console"])
def test_a_health_probe_works_with_a_quarter_of_a_processor(
    network: ContainerNetwork, service: str
) -> None:
    """Row 35."""
    container = network.container(service)
    docker("update", "--cpus", "0.25", container)
    try:
        for _ in range(3):
            probe = network.inspect(service)["Config"]["Healthcheck"]["Test"][1:]
            begun = time.monotonic()
            done = network.execute(service, *probe)
            assert done.returncode == 0
            assert time.monotonic() - begun < 5
    finally:
        docker("update", "--cpus", "4", container, check=False)


def test_each_service_has_its_own_key_only(network: ContainerNetwork) -> None:
    """Row 37, and the contract: nothing of another's in files, environment, arguments, logs or `docker inspect`."""
    keys = {service: key_of(network, service) for service in WITH_KEY}
    assert len(set(keys.values())) == len(keys)
    logs = network.logs()
    for service in network.services:
        others = {key for name, key in keys.items() if name != service}
        seen = network.execute(
            service, "sh", "-c",
            "cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline; grep -rh . /app/data /app/config /app/network /tmp",
        ).stdout  # fmt: skip
        assert not [key for key in others if key in seen], service
        told = json.dumps(network.inspect(service))
        assert not [key for key in keys.values() if key in told], service
    assert not [key for key in keys.values() if key in logs]


def test_nothing_has_more_rights_than_it_needs(network: ContainerNetwork) -> None:
    for service in network.services:
        status = network.execute(service, "cat", "/proc/1/status").stdout
        facts = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        assert facts["Uid"].split() == ["1000"] * 4
        for name in ("CapInh", "CapPrm", "CapEff", "CapBnd"):
            assert int(facts[name], 16) == 0, (service, name)
        assert facts["NoNewPrivs"] == "1"
        assert network.execute(service, "touch", "/app/new").returncode != 0
        assert network.execute(service, "touch", "/app/config/new").returncode != 0


def test_the_configuration_in_use_is_private_and_has_no_variables_left(
    network: ContainerNetwork,
) -> None:
    listing = network.execute("validator-1", "stat", "-c", "%a %n", "-t", "/tmp/config").stdout
    assert listing
    for name in ("network.yaml", "validator.yaml", "auth_config.yaml", "policy_config.yaml"):
        mode = network.execute("validator-1", "stat", "-c", "%a", f"/tmp/config/{name}").stdout
        assert mode.strip() == "600"
        text = network.execute("validator-1", "cat", f"/tmp/config/{name}").stdout
        left = set(re.findall(r"\$\{(\w+)", text))
        assert left <= {"VALIDATOR_KEY"}, "secrets stay variables, everything else is filled in"


@pytest.mark.skipif(PROMETHEUS is None, reason="needs prometheus: make observability-deps")
def test_the_observability_profile_watches_every_service_and_knows_the_alerts(
    network: ContainerNetwork, tmp_path: Path
) -> None:
    """With Debian's prometheus in the place of the image that Compose would pull."""
    (tmp_path / "Dockerfile").write_text(WATCHER)
    (tmp_path / "data").mkdir()
    shutil.copy(str(PROMETHEUS), tmp_path / "prometheus")
    docker("build", "--quiet", "--tag", WATCHER_IMAGE, str(tmp_path))
    [port] = free_ports(1)
    network.variables |= {"PROMETHEUS_IMAGE": WATCHER_IMAGE, "PROMETHEUS_PORT": str(port)}
    network.compose("--profile", "observability", "up", "--detach", "prometheus")
    api = f"http://127.0.0.1:{port}/api/v1"

    def scraped() -> set[str]:
        targets = get(f"{api}/targets") or {"data": {"activeTargets": []}}
        found = targets["data"]["activeTargets"]
        return {one["labels"]["instance"] for one in found if one["health"] == "up"}

    try:
        until(lambda: scraped() == set(network.services), "every service is watched")
        groups = (get(f"{api}/rules") or {})["data"]["groups"]
        alerts = {rule["name"] for group in groups for rule in group["rules"] if "state" in rule}
        pages = {path.stem for path in (ROOT / "deployment/observability/runbooks").glob("*.md")}
        assert alerts
        assert alerts <= pages
    finally:
        network.compose(
            "--profile", "observability", "rm", "--force", "--stop", "--volumes", "prometheus"
        )
        docker("image", "rm", "--force", WATCHER_IMAGE, check=False)


def test_the_network_survives_its_leader_and_keeps_its_history(
    network: ContainerNetwork, figures: Figures
) -> None:
    """Kill, next intent, back and caught up; then everything down and up again."""
    before = network.submit(b"before")
    network.finalised(before)
    leader = network.leader()
    docker("kill", network.container(leader))
    begun = time.monotonic()
    network.finalised(network.submit(b"without the leader"))
    figures.add("kill of the leader to the next final intent", time.monotonic() - begun, "s")
    network.compose("up", "--detach")
    network.wait_ready()
    index = network.one_ledger()
    key = key_of(network, "validator-1")

    begun = time.monotonic()
    network.compose("down")
    figures.add("down, 9 containers", time.monotonic() - begun, "s")
    figures.add("up again with its history, start to ready", network.up(), "s")
    assert network.one_ledger() >= index
    assert network.status(before) == "COMPLETED"
    assert key_of(network, "validator-1") == key
    network.finalised(network.submit(b"after"))


def test_a_service_stops_within_its_grace_and_says_so(
    network: ContainerNetwork, figures: Figures
) -> None:
    """What is asked to stop drains and ends by itself; nothing is killed."""
    begun = time.monotonic()
    network.compose("stop")
    figures.add("stop of everything", time.monotonic() - begun, "s")
    for service in network.services:
        state = network.inspect(service)["State"]
        assert (state["ExitCode"], state["OOMKilled"]) == (0, False), service
