"""Several "hosts" on one engine: each a Compose project with a network and published ports of its own. Not a test.

A host is reached at the address that the engine gives the machine on that host's network, by published ports only: its
containers and those of the others do not know each other's names, and are in no common network.
"""

import os
import random
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.containers.deployment_kit import run
from tests.containers.kit import IMAGE, ROOT, docker, get, until

from pinai_subnet.cli.canary import intent_status, submit
from pinai_subnet.cli.home import Home
from pinai_subnet.cli.requester import Order, deadline_in
from pinai_subnet.cli.session import Session, open_session

COMMAND_SECONDS = 300


def free_range() -> str:
    """Return 24 bits that are probably nobody's, and the address of the machine in them."""
    return f"172.{random.randrange(20, 28)}.{random.randrange(256)}"  # noqa: S311


@dataclass(kw_only=True)
class Host:
    """One host: what a distribution installs, an address, and `deploy.sh`."""

    root: Path
    distribution: Path | None = None
    """The unpacked one that its own install.sh puts in place; without it the files of the tarball are copied."""
    range: str = field(default_factory=free_range)
    name: str = field(default_factory=lambda: f"pinai-host-{random.randrange(10**6)}")  # noqa: S311

    installed: str = ""
    """What install.sh said."""

    def __post_init__(self) -> None:
        """Put in place what the tarball has."""
        if self.distribution is not None:
            done = run("./install.sh", "--to", self.root, cwd=self.distribution)
            self.installed = done.stdout + done.stderr
            assert done.returncode == 0, self.installed
            return
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
        published = ("", "RAFT_", "ROOTLAYER_", "CONSOLE_")
        return {
            "COMPOSE_PROJECT_NAME": self.name,
            "CONTAINER_PREFIX": self.name,
            "NETWORK_NAME": self.name,
            "SUBNET_CIDR": f"{self.range}.0/24",
            "PINAI_IMAGE": IMAGE,
            **{f"{part}BIND_ADDRESS": self.address for part in published},
        }

    def start(self, *words: object) -> subprocess.Popen[str]:
        """Run deploy.sh and do not wait for it."""
        environment = {name: os.environ[name] for name in ("PATH", "HOME")}
        return subprocess.Popen(
            ["./scripts/deploy.sh", *(str(word) for word in words)],
            cwd=self.root, env={**environment, **self.variables}, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def deploy(self, *words: object, status: int = 0, given: str = "") -> str:
        """Run deploy.sh, which may read what is given; return all it said."""
        done = self.start(*words)
        try:
            said, _ = done.communicate(given, timeout=COMMAND_SECONDS)
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


@dataclass(kw_only=True)
class Hosts:
    """A network of several hosts; the first has what there is once."""

    place: Path
    hosts: list[Host] = field(default_factory=list)

    @property
    def first(self) -> Host:
        """The host with registry, matcher and what else there is once."""
        return self.hosts[0]

    @property
    def session(self) -> Session:
        """The network as a requester outside sees it."""
        return open_session(self.first.root)

    def new(self, distribution: Path | None = None) -> Host:
        """Return one more host, with nothing but an installed distribution."""
        root = self.place / f"host-{len(list(self.place.glob('host-*'))) + 1}"
        self.hosts.append(Host(root=root, distribution=distribution))
        return self.hosts[-1]

    def submit(self, payload: bytes) -> str:
        """Hand in an intent; return its id."""
        order = Order(intent_type="echo", payload=payload, budget=10**15, deadline=deadline_in(120))
        return submit(self.session, order)

    def finalised(self, *intent_ids: str) -> None:
        """Wait until intents are completed."""
        session = self.session
        for intent_id in intent_ids:
            until(
                lambda one=intent_id: intent_status(session, one) == "COMPLETED",
                f"{intent_id} completed",
            )

    def join(self, host: Host, package: Path, approvers: list[Host]) -> str:
        """Join as two operators do it: B runs join, reads its address to A, A approves; return what B was told."""
        joining = host.start("join", package)
        try:
            address = until(lambda: made_key(host), "the key is made there")
            for approver in approvers:
                self.approve(approver, address)
            said, _ = joining.communicate(timeout=240)
        finally:
            joining.kill()
        assert joining.returncode == 0, said
        return said

    def approve(self, approver: Host, address: str) -> None:
        """Approve as soon as the newcomer is heard of."""
        told = ""

        def approved() -> bool:
            nonlocal told
            done = approver.start("approve", address)
            told, _ = done.communicate(timeout=240)
            return done.returncode == 0

        until(approved, f"{approver.root.name} approves {address}: {told}", seconds=180)

    def remove(self) -> None:
        """Stop and delete everything of all hosts."""
        for host in self.hosts:
            host.remove()


def made_key(host: Host) -> str | None:
    """The address of the key that `deploy.sh join` made."""
    if not host.home.exists:
        return None
    environment = host.home.environment()
    own = [name for name in environment if re.fullmatch(r"VALIDATOR_PUBKEY_\d+", name)]
    if not own:
        return None
    network = open_session(host.root).network.parameters
    return next(
        (v.address for v in network.validators if v.public_key.hex() == environment[own[0]]), None
    )


def approve_change(approver: Host, waiting: subprocess.Popen[str]) -> None:
    """Approve whatever is under way, as soon as there is something."""

    def approved() -> bool:
        assert waiting.poll() in {None, 0}, waiting.communicate()[0]
        done = approver.start("approve")
        done.communicate(timeout=120)
        return done.returncode == 0

    until(approved, f"{approver.root.name} approves", seconds=120)
