"""Several "hosts" on one engine: each a Compose project with a network and published ports of its own. Not a test.

A host is reached at the address that the engine gives the machine on that host's network, by published ports only: its
containers and those of the others do not know each other's names, and are in no common network.
"""

import os
import random
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.containers.kit import IMAGE, ROOT, docker, get

from pinai_subnet.cli.home import Home

COMMAND_SECONDS = 300


def free_range() -> str:
    """Return 24 bits that are probably nobody's, and the address of the machine in them."""
    return f"172.{random.randrange(20, 28)}.{random.randrange(256)}"  # noqa: S311


@dataclass(kw_only=True)
class Host:
    """One host: what a distribution installs, an address, and `deploy.sh`."""

    root: Path
    range: str = field(default_factory=free_range)
    name: str = field(default_factory=lambda: f"pinai-host-{random.randrange(10**6)}")  # noqa: S311

    def __post_init__(self) -> None:
        """Put in place what the tarball has."""
        for part in ("docker", "config", "scripts"):
            shutil.copytree(ROOT / "deployment" / part, self.root / part)

    @property
    def address(self) -> str:
        """How the other hosts reach this one."""
        return f"{self.range}.1"

    @property
    def home(self) -> Home:
        """Its `.env` and files."""
        return Home(self.root)

    @property
    def variables(self) -> Mapping[str, str]:
        """What makes several hosts of one machine; a real host needs none of it."""
        binding = ("BIND_ADDRESS", "RAFT_BIND_ADDRESS", "ROOTLAYER_BIND_ADDRESS")
        return {
            "COMPOSE_PROJECT_NAME": self.name,
            "CONTAINER_PREFIX": self.name,
            "NETWORK_NAME": self.name,
            "SUBNET_CIDR": f"{self.range}.0/24",
            "PINAI_IMAGE": IMAGE,
            **dict.fromkeys(binding, self.address),
        }

    def start(self, *words: object) -> subprocess.Popen[str]:
        """Run deploy.sh and do not wait for it."""
        environment = {name: os.environ[name] for name in ("PATH", "HOME")}
        return subprocess.Popen(
            ["./scripts/deploy.sh", *(str(word) for word in words)],
            cwd=self.root, env={**environment, **self.variables}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def deploy(self, *words: object, status: int = 0) -> str:
        """Run deploy.sh; return all it said."""
        done = self.start(*words)
        try:
            said, _ = done.communicate(timeout=COMMAND_SECONDS)
        finally:
            done.kill()
        assert done.returncode == status, f"deploy.sh {words}: {done.returncode}\n{said}"
        return said

    def invite(self, name: str, address: str, package: Path) -> None:
        """Have a join package written, as an operator does: into a file."""
        environment = {name: os.environ[name] for name in ("PATH", "HOME")}
        with package.open("wb") as file:
            subprocess.run(
                ["./scripts/deploy.sh", "invite", "--id", name, "--host", address],
                cwd=self.root, env={**environment, **self.variables}, stdout=file,
                timeout=COMMAND_SECONDS, check=True,
            )  # fmt: skip

    def container(self, service: str) -> str:
        """Return the name of a service's container."""
        return f"{self.name}-{service}"

    def validator_set(self) -> Any | None:
        """Return the set as the validator of this host tells it, or None."""
        return get(f"http://{self.address}:9095/api/v1/validator-set")

    def remove(self) -> None:
        """Stop and delete everything of this host."""
        words = ("compose", "--project-name", self.name, "--profile", "*")
        environment = {name: os.environ[name] for name in ("PATH", "HOME")} | dict(self.variables)
        docker(
            *words, "down", "--timeout", "5", check=False, cwd=self.root / "docker", env=environment
        )
        for container in docker(
            "ps", "--all", "--quiet", "--filter", f"name={self.name}-"
        ).stdout.split():
            docker("rm", "--force", container, check=False)
        docker("network", "rm", self.name, check=False)
