"""A network in containers of a real engine, on ports and names of its own, driven from outside. Not a test."""

import json
import os
import random
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx

from pinai_subnet.adapters.signer.local import LocalSigner
from pinai_subnet.cli.compose_file import compose_text
from pinai_subnet.cli.compose_services import DEMO_AGENTS, Kind
from pinai_subnet.cli.initialise import network_text
from pinai_subnet.cli.keys import new_private_key
from pinai_subnet.cli.ports import PortPlan
from pinai_subnet.cli.requester import Order, deadline_in, signed_intent
from pinai_subnet.runtime.settings import SettingsLoader
from pinai_subnet.wire.network_file import Network, load_network

ROOT = Path(__file__).resolve().parents[2]
IMAGE = os.environ.get("PINAI_IMAGE", "pinai-subnet:latest")
CONFINED = (
    *("--rm", "--network", "none", "--read-only", "--cap-drop", "ALL"),
    *("--security-opt", "no-new-privileges", "--tmpfs", "/tmp"),
)
START_ATTEMPTS = 4
LIVE_SECONDS = 120.0
"""Generous: how long anything that must happen may take on a busy machine."""

T = TypeVar("T")


def docker(*words: str, check: bool = True, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the engine's client; fail with what it said."""
    done = subprocess.run(
        ["docker", *words],
        capture_output=True, text=True, errors="replace", timeout=300, check=False, **options,
    )  # fmt: skip
    if check and done.returncode:
        raise AssertionError(f"docker {' '.join(words[:4])}: {done.stdout}{done.stderr}")
    return done


def path_without_engine(place: Path, docker: str | None = None) -> str:
    """Return a PATH with every program of this host but `docker`; with `docker`, a script, that one instead."""
    place.mkdir()
    for folder in os.environ["PATH"].split(os.pathsep):
        for program in Path(folder).iterdir() if Path(folder).is_dir() else ():
            if not program.name.startswith("docker") and not (place / program.name).is_symlink():
                (place / program.name).symlink_to(program)
    if docker is not None:
        (place / "docker").write_text(f"#!/bin/sh\n{docker}\n")
        (place / "docker").chmod(0o755)
    return str(place)


def run_image(*words: str, options: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    """Run the image once, with as few rights as a service has."""
    return docker("run", *CONFINED, *options, IMAGE, *words, check=False)


def until(condition: Callable[[], T | None], what: str, *, seconds: float = LIVE_SECONDS) -> T:
    """Return the condition's first true value; fail with `what` when there is none in time."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.1)
    return value


def get(url: str) -> Any | None:
    """Return the JSON at a URL, or None where nobody answers with success."""
    try:
        answer = httpx.get(url, timeout=5.0)
    except httpx.HTTPError:
        return None
    return answer.json() if answer.status_code == httpx.codes.OK else None


@dataclass(kw_only=True)
class ContainerNetwork:
    """One Compose project; `directory` has its files."""

    directory: Path
    validators: int = 3
    kind: Kind = "development"
    contract: bool = False
    """A clean clone, with the names, ports and addresses of the contract with operators and no .env."""
    variables: dict[str, str] = field(default_factory=dict)
    name: str = field(default_factory=lambda: f"pinai-test-{random.randrange(10**6)}")  # noqa: S311
    requester: LocalSigner = field(default_factory=lambda: LocalSigner(new_private_key()))

    def __post_init__(self) -> None:
        """Write the files, on free ports and a free range of addresses, or clone them."""
        self.ports: dict[str, str] = {}
        self.prefix = "pinai" if self.contract else self.name
        if self.contract:
            clone = ["git", "clone", "--quiet", "--depth", "1", f"file://{ROOT}", self.directory]
            subprocess.run(clone, check=True, timeout=60)
            self._keep_ports(PortPlan.documented(self.validators))
            self.variables |= {"PINAI_IMAGE": IMAGE}
            return
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "docker-compose.yml").write_text(compose_text(self.kind, self.validators))
        config = self.directory / "config"
        config.mkdir()
        for file in (ROOT / "config").glob("*.yaml"):
            (config / file.name).write_bytes(file.read_bytes())
        (config / "network.yaml").write_text(network_text(self.validators))
        self.directory.chmod(0o755)
        config.chmod(0o755)
        self._take_ports()
        self.variables |= {
            "CONTAINER_PREFIX": self.name,
            "NETWORK_NAME": self.name,
            "PINAI_IMAGE": IMAGE,
            "SUBNET_CIDR": f"172.{random.randrange(20, 28)}.{random.randrange(256)}.0/24",  # noqa: S311
        }

    def _take_ports(self) -> None:
        self._keep_ports(PortPlan.free(self.validators))
        self.variables |= self.ports

    def _keep_ports(self, plan: PortPlan) -> None:
        self.ports = {
            f"{name}_PORT": endpoint.rpartition(":")[2] for name, endpoint in plan.endpoints.items()
        }

    def compose(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run Compose on this project."""
        command = ("compose", "--project-name", self.name, *words)
        environment = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], **self.variables}
        return docker(*command, check=check, cwd=self.directory, env=environment)

    @property
    def services(self) -> list[str]:
        """Every container that stays."""
        return [
            *("rootlayer", "registry", "matcher"),
            *(f"validator-{number}" for number in range(1, self.validators + 1)),
            *(f"agent-{number}" for number in range(1, DEMO_AGENTS + 1)),
            "console",
        ]

    def container(self, service: str) -> str:
        """Return the name of a service's container."""
        return f"{self.prefix}-{service}"

    def url(self, service: str) -> str:
        """Return where a service's HTTP is published."""
        port = self.ports[service.upper().replace("-", "_") + "_HTTP_PORT"]
        return f"http://127.0.0.1:{port}"

    def up(self) -> float:
        """Start everything, wait until every member says it is ready; return the seconds."""
        for _ in range(START_ATTEMPTS):
            begun = time.monotonic()
            done = self.compose("up", "--detach", check=False)
            if self.contract or "address already in use" not in done.stderr:
                break
            # Another process was quicker to take one of the ports that were free a moment ago.
            self.compose("down")
            self._take_ports()
        assert done.returncode == 0, done.stderr
        self.wait_ready()
        return time.monotonic() - begun

    def wait_ready(self) -> None:
        """Wait until every member with a published port is ready."""
        for service in self.services:
            if not service.startswith("agent"):
                url = self.url(service) + "/readyz"

                def ready(url: str = url) -> bool:
                    try:
                        return httpx.get(url, timeout=5.0).status_code == httpx.codes.OK
                    except httpx.HTTPError:
                        return False

                until(ready, f"{service} is ready")

    def facts(self) -> Mapping[str, str]:
        """Return the public variables of the network."""
        text = docker("exec", self.container("registry"), "cat", "/app/network/public.env").stdout
        return dict(line.split("=", 1) for line in text.splitlines())

    def network(self) -> Network:
        """Return what every member agrees on."""
        loader = SettingsLoader(self.facts())
        network = load_network(loader, self.directory / "config")
        loader.finish()
        assert network is not None
        return network

    def submit(self, payload: bytes) -> str:
        """Sign an intent and hand it to RootLayer through its published port; return the id."""
        parameters = self.network().parameters
        order = Order(
            intent_type="echo", payload=payload, budget=10**15, deadline=deadline_in(LIVE_SECONDS)
        )
        body = signed_intent(
            order,
            signer=self.requester,
            subnet_id=parameters.subnet_id,
            domain=parameters.domain,
        )
        answer = httpx.post(
            self.url("rootlayer") + "/api/v1/intents/submit", json=body, timeout=10.0
        )
        assert answer.status_code == httpx.codes.OK, answer.text
        return str(body["intentId"])

    def status(self, intent_id: str) -> str:
        """Return what RootLayer says of an intent."""
        intent = get(f"{self.url('rootlayer')}/api/v1/intents/query/{intent_id}")
        return str((intent or {}).get("status", "")).removeprefix("INTENT_STATUS_")

    def finalised(self, *intent_ids: str) -> None:
        """Wait until intents are completed."""
        for intent_id in intent_ids:
            until(lambda one=intent_id: self.status(one) == "COMPLETED", f"{intent_id} completed")

    def validator_status(self, number: int) -> Any | None:
        """Return what a validator says of itself, or None."""
        return get(f"{self.url(f'validator-{number}')}/api/v1/status")

    def leader(self) -> str:
        """Return the validator that leads."""

        def found() -> str | None:
            for number in range(1, self.validators + 1):
                status = self.validator_status(number)
                if status and status["replication"]["role"] == "leader":
                    return f"validator-{number}"
            return None

        return until(found, "one validator leads")

    def one_ledger(self) -> int:
        """Wait until all validators hold the same ledger; return its index."""

        def same() -> int | None:
            states = [self.validator_status(number) for number in range(1, self.validators + 1)]
            if not all(states):
                return None
            found = {(one["state"]["index"], one["state"]["digest"]) for one in states}  # type: ignore[index]
            return found.pop()[0] if len(found) == 1 else None

        return until(same, "all validators hold the same ledger")

    def inspect(self, service: str) -> Any:
        """Return what the engine knows of a service's container."""
        return json.loads(docker("inspect", self.container(service)).stdout)[0]

    def execute(self, service: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command inside a service's container."""
        return docker("exec", self.container(service), *words, check=False)

    def memory_mb(self, service: str) -> float:
        """Return the resident memory of a service's process."""
        text = self.execute(service, "cat", "/proc/1/status").stdout
        [line] = [line for line in text.splitlines() if line.startswith("VmRSS")]
        return int(line.split()[1]) / 1024

    def logs(self) -> str:
        """Return what all containers said."""
        return self.compose("logs", "--no-color", check=False).stdout

    def remove(self) -> None:
        """Stop and delete everything of the project."""
        self.compose("--profile", "tools", "down", "--volumes", "--timeout", "10", check=False)
