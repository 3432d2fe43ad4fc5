"""A deployment as it is meant for use: RootLayer and agents are somebody else's, reached by published ports only."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.containers.deployment_kit import Deployment, run
from tests.containers.kit import docker, until
from tests.free_ports import free_ports

from pinai_subnet.cli.home import is_secret

pytestmark = pytest.mark.containers

OWN = {"registry", "matcher", "validator-1", "validator-2", "validator-3", "console"}
LISTENERS = ("VALIDATOR_1_GRPC", "VALIDATOR_2_GRPC", "VALIDATOR_3_GRPC", "REGISTRY_HTTP")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """What others run, in the engine's own network: it knows no container of the deployment by name."""

    deployment: Deployment
    image: str
    gateway: str
    ports: tuple[int, int]
    name: str

    def start(self, role: str, *options: str, **variables: str) -> None:
        """Start a container of a role, with the network's public facts."""
        public = {
            name: value
            for name, value in self.deployment.session.environment.items()
            if value and not is_secret(name) and not name.endswith("_PORT")
        }
        given = [f"--env={name}={value}" for name, value in (public | variables).items()]
        docker(
            *("run", "--detach", "--name", f"{self.name}-{role}", "--read-only", "--tmpfs", "/tmp"),
            *("--tmpfs", "/app/data:uid=1000,gid=1000,mode=0700"),
            *("--volume", f"{self.deployment.place}/config:/app/config:ro"),
            *options, *given, self.image, role,
        )  # fmt: skip

    def logs(self) -> str:
        """Return what they said last."""
        told = [docker("logs", "--tail", "15", one, check=False) for one in self._names()]
        return "\n".join(one.stdout + one.stderr for one in told)

    def remove(self) -> None:
        """End them."""
        docker("rm", "--force", "--volumes", *self._names(), check=False)

    def _names(self) -> list[str]:
        return [f"{self.name}-rootlayer", f"{self.name}-simple-agent"]


@pytest.fixture
def outside(image: str, distribution: Path, tmp_path: Path) -> Iterator[Outside]:
    """A deployment that has nothing but its keys, and where RootLayer will be."""
    place = tmp_path / "pinai-subnet"
    done = run("./install.sh", "--to", place, cwd=distribution)
    assert done.returncode == 0, done.stderr
    gateway = docker(
        "network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}"
    ).stdout.strip()
    [grpc, http] = free_ports(2)
    deployment = Deployment(place=place)
    remote = ("--rootlayer-grpc", f"{gateway}:{grpc}", "--rootlayer-http", f"{gateway}:{http}")
    done = deployment.deploy("init", "--validators", "3", *remote)
    assert done.returncode == 0, done.stderr
    deployment.take_names_and_ports()
    made = Outside(
        deployment=deployment,
        image=image,
        gateway=gateway,
        ports=(grpc, http),
        name=f"pinai-outside-{random.randrange(10**6)}",  # noqa: S311
    )
    yield made
    print(made.logs())
    made.remove()
    deployment.remove()


def test_a_deployment_works_with_a_rootlayer_and_agents_of_others(outside: Outside) -> None:
    deployment = outside.deployment
    done = deployment.deploy("check")
    assert done.returncode == 78, "RootLayer is not there yet"
    assert f"{outside.gateway}:{outside.ports[1]} does not answer" in done.stdout
    assert "SN-N401" in done.stdout

    listen = {"LISTEN_HOST": "0.0.0.0", "GRPC_PORT": "9001", "HTTP_PORT": "8081"}
    published = zip(outside.ports, ("9001", "8081"), strict=True)
    outside.start(
        "rootlayer",
        *(f"--publish={outside.gateway}:{port}:{inside}" for port, inside in published),
        **{f"ROOTLAYER_{name}": value for name, value in listen.items()},
    )
    until(
        lambda: "score: " in (told := deployment.deploy("check")).stdout and not told.returncode,
        "RootLayer answers",
    )
    done = deployment.deploy()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "NETWORK READY" in done.stderr
    assert set(deployment.versions()) == OWN

    said = deployment.deploy("ctl", "intent", "dry-run", "/dev/null", "--type", "echo")
    assert said.returncode == 1, "nobody is there to do it"
    environment = deployment.session.environment
    ports = {name: environment[f"{name}_PORT"] for name in (*LISTENERS, "MATCHER_GRPC")}
    outside.start(
        "simple-agent",
        AGENT_CHAIN_ADDRESS="0x" + "ab" * 20,
        **{name: f"{outside.gateway}:{port}" for name, port in ports.items()},
    )

    def bids() -> bool:
        asked = deployment.deploy("ctl", "intent", "dry-run", "/dev/null", "--type", "echo")
        return asked.returncode == 0

    until(bids, "the agent is connected")
    payload = deployment.place / "payload"
    payload.write_text("of somebody else")
    words = ("intent", "submit", "--type", "echo", "--file", ".network/payload", "--wait")
    done = deployment.deploy("ctl", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "COMPLETED" in done.stdout
    assert deployment.deploy("status").returncode == 0
