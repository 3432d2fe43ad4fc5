"""A deployment as an operator has it: distribution, install.sh, deploy.sh, with ports and names of its own."""

import os
import random
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import httpx
from tests.containers.kit import IMAGE, LIVE_SECONDS, ROOT, docker, get, until

from pinai_subnet.cli.canary import ENDED
from pinai_subnet.cli.ports import PortPlan
from pinai_subnet.cli.requester import Order, deadline_in, signed_intent
from pinai_subnet.cli.session import Session, open_session

COMMAND_SECONDS = 400
RELABELLED = """\
FROM {next}:latest
LABEL org.opencontainers.image.version={version} pinai-subnet.data-format={data_format}
"""
"""The Dockerfile of the image `next` with another version."""


def run(*words: object, cwd: Path = ROOT, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a script as an operator does: nothing of this process's environment but PATH, HOME and the image."""
    return subprocess.run(
        [str(word) for word in words],
        cwd=cwd, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False,
        env=operator_environment() | variables,
    )  # fmt: skip


def operator_environment() -> dict[str, str]:
    """Return what an operator's shell has."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME")}
    return kept if IMAGE == "pinai-subnet:latest" else {**kept, "PINAI_IMAGE": IMAGE}


def export(place: Path, *words: str, root: Path = ROOT) -> Path:
    """Export a distribution; return the tarball."""
    done = run(root / "deployment/scripts/export-images.sh", "--out", place, *words)
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


def unpacked(tarball: Path, place: Path) -> Path:
    """Unpack a distribution into a directory; return its own one."""
    assert run("tar", "xzf", tarball, cwd=place).returncode == 0
    return place / tarball.name.removesuffix(".tar.gz")


@contextmanager
def edited(path: Path, change: dict[str, str]) -> Iterator[None]:
    """Change texts of a file for a while; its mode stays."""
    before = path.read_text()
    text = before
    for old, new in change.items():
        assert old in text, old
        text = text.replace(old, new, 1)
    path.write_text(text)
    try:
        yield
    finally:
        path.write_text(before)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A directory with deploy.sh in it, and the network that it runs."""

    place: Path

    def deploy(self, *words: object, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run deploy.sh."""
        return run("./scripts/deploy.sh", *words, cwd=self.place, **variables)

    def take_names_and_ports(self) -> None:
        """Add to `.env` what keeps this deployment apart from every other of this host."""
        number = random.randrange(10**6)  # noqa: S311
        name = f"pinai-deploy-{number}"
        own = {
            f"{one}_PORT": endpoint.rpartition(":")[2]
            for one, endpoint in PortPlan.free(3).endpoints.items()
        } | {
            "COMPOSE_PROJECT_NAME": name,
            "CONTAINER_PREFIX": name,
            "NETWORK_NAME": name,
            "SUBNET_CIDR": f"172.{random.randrange(20, 28)}.{random.randrange(256)}.0/24",  # noqa: S311
        }
        with (self.place / ".env").open("a") as file:
            file.writelines(f"{key}={value}\n" for key, value in own.items())

    def start(self) -> None:
        """Start it; again if another process was quicker to take one of the ports that were free."""
        done = self.deploy("up")
        if "address already in use" in done.stderr:
            done = self.deploy("up")
        assert done.returncode == 0, done.stdout + done.stderr

    @property
    def session(self) -> Session:
        """The network as a command sees it; its addresses are those inside."""
        return open_session(self.place)

    def url(self, service: str) -> str:
        """Return where a service's HTTP is published."""
        name = service.upper().replace("-", "_") + "_HTTP_PORT"
        return f"http://127.0.0.1:{self.session.environment[name]}"

    def container(self, service: str) -> str:
        """Return the name of a service's container."""
        return f"{self.session.environment['CONTAINER_PREFIX']}-{service}"

    def versions(self) -> dict[str, str]:
        """Return which version each container runs."""
        label = '{{index .Config.Labels "org.opencontainers.image.version"}}'
        listed = docker(
            *("ps", "--all", "--filter", f"name={self.container('')}"),
            *("--format", '{{.Label "com.docker.compose.service"}} {{.ID}}'),
        ).stdout.split("\n")
        found = dict(line.split() for line in listed if line)
        return {
            service: docker("inspect", "--format", label, identity).stdout.strip()
            for service, identity in found.items()
        }

    def order(self, payload: bytes) -> dict[str, Any]:
        """Return a signed intent."""
        session = self.session
        parameters = session.network.parameters
        return signed_intent(
            Order(
                intent_type="echo", payload=payload, budget=10**15,
                deadline=deadline_in(LIVE_SECONDS),
            ),
            signer=session.requester(), subnet_id=parameters.subnet_id, domain=parameters.domain,
        )  # fmt: skip

    def status(self, intent_id: str) -> str:
        """Return what RootLayer says of an intent."""
        intent = get(f"{self.url('rootlayer')}/api/v1/intents/query/{intent_id}")
        return str((intent or {}).get("status", "")).removeprefix("INTENT_STATUS_")

    def finalised(self, intent_id: str) -> None:
        """Wait until an intent is completed."""
        until(lambda: self.status(intent_id) == "COMPLETED", f"{intent_id} completed")

    def submit(self, payload: bytes) -> str:
        """Hand in an intent from outside; return its id."""
        body = self.order(payload)
        answer = httpx.post(
            self.url("rootlayer") + "/api/v1/intents/submit", json=body, timeout=10.0
        )
        assert answer.status_code == httpx.codes.OK, answer.text
        return str(body["intentId"])

    def ledger_index(self) -> int:
        """Return how far the validators' ledger has got."""
        state = until(
            lambda: get(self.url("validator-1") + "/api/v1/status"), "validator-1 answers"
        )
        return int(state["state"]["index"])

    def remove(self) -> None:
        """Stop everything."""
        self.deploy("down")


@dataclass(kw_only=True)
class Load:
    """Intents from outside, one after the other, while something else happens; none of them may fail.

    A submission that the development RootLayer does not take, because it is being recreated itself, is handed in again
    as every requester does; the intent counts once it was taken.
    """

    deployment: Deployment
    every_seconds: float = 0.5
    ids: list[str] = field(default_factory=list)
    again: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Begin."""
        self._thread = threading.Thread(target=self._submit, name="load", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop submitting."""
        self._stop.set()
        assert self._thread is not None
        self._thread.join(LIVE_SECONDS)

    def _submit(self) -> None:
        url = self.deployment.url("rootlayer") + "/api/v1/intents/submit"
        while not self._stop.wait(self.every_seconds):
            body = self.deployment.order(b"load %d" % len(self.ids))
            while not (taken := self._taken(url, body)) and not self._stop.is_set():
                self.again += 1
                time.sleep(0.2)
            if taken:
                self.ids.append(str(body["intentId"]))

    @staticmethod
    def _taken(url: str, body: dict[str, Any]) -> bool:
        try:
            return httpx.post(url, json=body, timeout=5.0).status_code in {200, 409}
        except httpx.HTTPError:
            return False

    def results(self) -> dict[str, int]:
        """Wait until every intent has ended; return how many ended how."""
        found: dict[str, int] = {}
        for intent_id in self.ids:
            until(lambda one=intent_id: self.deployment.status(one) in ENDED, f"{intent_id} ends")
            status = self.deployment.status(intent_id)
            found[status] = found.get(status, 0) + 1
        return found


def built(text: str, tag: str) -> str:
    """Make an image from the text of a Dockerfile; return its name."""
    docker("build", "--quiet", "--tag", tag, "-", input=text)
    return tag


def installed(distribution: Path, place: Path) -> Deployment:
    """Install a distribution, with a development RootLayer and agents; nothing is started."""
    done = run("./install.sh", "--to", place, cwd=distribution)
    assert done.returncode == 0, done.stderr
    deployment = Deployment(place=place)
    done = deployment.deploy("init", "--validators", "3", "--development")
    assert done.returncode == 0, done.stderr
    deployment.take_names_and_ports()
    if IMAGE != "pinai-subnet:latest":
        with (place / ".env").open("a") as file:
            file.write(f"PINAI_IMAGE={IMAGE}\n")
    return deployment
