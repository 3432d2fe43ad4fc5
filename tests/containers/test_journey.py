"""The operator's journey, from a tarball to an intent that failed and is understood: one network, nobody asked.

Three servers and a fourth, each with a network of its own (`hosts.py`). Every step is what an operator types, in the
order in which he does; command, seconds and what it said are printed, and what it has to say is required.
"""

import re
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.containers.deployment_kit import RELABELLED, built
from tests.containers.figures import Figures
from tests.containers.hosts import Host, Hosts, approve_change
from tests.containers.kit import IMAGE, docker, until

from pinai_subnet.wire.set_changes import MemberBody

pytestmark = [pytest.mark.containers, pytest.mark.timeout(900)]

NEXT, NEXT_VERSION = "pinai-subnet-journey", "99.0.0"
VERSION_LABEL = '{{index .Config.Labels "org.opencontainers.image.version"}}'
DEGRADED = 1
SEVERAL_SERVERS = {
    "./scripts/deploy.sh rotate-key validator-2": "rotate_a_key",
    "./scripts/deploy.sh remove validator-3": "replace_a_server",
}
"""Commands of the README about several servers, and the step that runs each of them."""


@dataclass(kw_only=True)
class Journey:
    """Where the operator is, and what he was told."""

    hosts: Hosts
    distribution: Path
    places: Path
    begun: float = field(default_factory=time.monotonic)

    def step(self, name: str) -> None:
        """Begin a step."""
        print(f"\n=== {name}  (at {time.monotonic() - self.begun:.0f} s)")

    def tell(self, host: Host, *words: object, status: int = 0, given: str = "") -> str:
        """Run deploy.sh on a host; print command and answer, and return the answer."""
        begun = time.monotonic()
        said = host.deploy(*words, status=status, given=given)
        self.told(host, words, said, time.monotonic() - begun)
        return said

    def told(self, host: Host, words: tuple[Any, ...], said: str, seconds: float) -> None:
        """Print what a host said."""
        print(f"{host.root.name}$ ./scripts/deploy.sh {' '.join(map(str, words))}")
        print(f"{said.rstrip()}\n[{seconds:.1f} s]")

    def once(self, host: Host, *words: object, status: int = 0) -> str:
        """Run a command that only looks until it ends as it should, and print the last answer."""
        found = ("", 0.0)

        def seen() -> bool:
            nonlocal found
            begun = time.monotonic()
            looking = host.start(*words)
            said, _ = looking.communicate(timeout=60)
            found = (said, time.monotonic() - begun)
            return looking.returncode == status

        try:
            until(seen, f"{words} ends with {status}", seconds=60)
        finally:
            self.told(host, words, *found)
        return found[0]

    def meanwhile(self, host: Host, words: tuple[object, ...], act: Callable[[Any], None]) -> str:
        """Run deploy.sh on a host while others act on it."""
        begun = time.monotonic()
        running = host.start(*words)
        try:
            act(running)
            said, _ = running.communicate(timeout=240)
        finally:
            running.kill()
        self.told(host, words, said, time.monotonic() - begun)
        assert running.returncode == 0, said
        return said


@pytest.fixture
def journey(distribution: Path, tmp_path: Path) -> Iterator[Journey]:
    """Servers that have nothing yet but the tarball."""
    hosts = Hosts(place=tmp_path)
    yield Journey(hosts=hosts, distribution=distribution, places=tmp_path)
    for host in hosts.hosts:
        for number in range(1, 5):
            words = ("logs", "--tail", "8", host.container(f"validator-{number}"))
            log = docker(*words, check=False)
            if not log.returncode:
                print(
                    f"--- {host.root.name} validator-{number}\n{(log.stdout + log.stderr)[-2000:]}"
                )
    hosts.remove()
    listed = docker("images", "--format", "{{.Repository}}:{{.Tag}}", NEXT).stdout.split()
    docker("image", "rm", "--force", *listed, check=False)


def test_the_journey_of_an_operator(journey: Journey, figures: Figures) -> None:
    install(journey)
    create_and_start(journey)
    first_intent(journey)
    invite_a_fourth(journey)
    rotate_a_key(journey)
    upgrade(journey)
    lose_a_server(journey)
    replace_a_server(journey)
    back_up(journey)
    understand_a_failure(journey)
    figures.add("journey of an operator, all steps", time.monotonic() - journey.begun, "s")


def install(journey: Journey) -> None:
    journey.step("1.1 fresh servers: unpack, ./install.sh")
    for _ in range(3):
        host = journey.hosts.new(journey.distribution)
        print(f"{host.root.name}$ ./install.sh\n{host.installed.rstrip()}")
        assert "checksums" in host.installed
    assert not (journey.hosts.first.root / ".env").exists()


def create_and_start(journey: Journey) -> None:
    first, second, third = journey.hosts.hosts
    journey.step("1.2 create the network")
    addresses = ",".join(host.address for host in journey.hosts.hosts)
    journey.tell(first, "init", "--hosts", addresses, "--development")
    assert (first.root / ".env").stat().st_mode & 0o777 == 0o600
    journey.step("1.3 check before anything is started")
    said = journey.tell(first, "check")
    assert "are in order" in said
    assert re.search(r"score: [AB] \(0 failures\)", said)
    journey.step("1.4 start, and the canary")
    assert "NETWORK READY" in journey.tell(first)
    for host, approvers in ((second, [first]), (third, [first, second])):
        package = first.root / f"join-validator-{len(approvers) + 1}.tgz"
        print(f"{host.root.name}$ ./scripts/deploy.sh join {package.name}")
        print(journey.hosts.join(host, package, approvers))
    said = journey.tell(first, "up")
    assert "NETWORK READY" in said
    assert re.search(r"canary|finalised", said), said
    journey.step("1.5 status")
    said = journey.once(first, "ctl", "status")
    assert "NETWORK READY" in said
    assert "can finalise: yes (3 of 2 needed, 1 spare)" in said


def submit_and_wait(journey: Journey, payload: str) -> str:
    """Submit an intent as an operator does, from standard input, and read its story."""
    words = ("ctl", "intent", "submit", "--type", "echo", "--file", "-", "--wait")
    said = journey.tell(journey.hosts.first, *words, given=payload)
    assert "COMPLETED" in said, said
    return said


def first_intent(journey: Journey) -> None:
    journey.step("1.6 the first intent")
    assert re.search(r"submitted 0x[0-9a-f]{64}", submit_and_wait(journey, "hello"))


def invite_a_fourth(journey: Journey) -> None:
    journey.step("1.7 a fourth validator on another server")
    first, package = journey.hosts.first, journey.places / "join-v4.tgz"
    fourth = journey.hosts.new(journey.distribution)
    first.invite("validator-4", fourth.address, package)
    said = journey.hosts.join(fourth, package, journey.hosts.hosts[:2])
    print(f"{fourth.root.name}$ ./scripts/deploy.sh join {package.name}\n{said}")
    assert "in the set of 4 validators" in said
    journey.tell(first, "refresh")
    said = journey.once(first, "ctl", "status")
    assert "can finalise: yes (4 of 3 needed, 1 spare)" in said


def rotate_a_key(journey: Journey) -> None:
    journey.step("1.8 another key for validator-2")
    first, second, third = journey.hosts.hosts[:3]

    def key() -> str:
        return second.home.environment()["VALIDATOR_KEY_2"]

    def address() -> str:
        members = (second.validator_set() or {}).get("members", [])
        found = [MemberBody(**one).value() for one in members if one["id"] == "validator-2"]
        return str(found[0].address) if found else ""

    before, given_up = key(), until(address, "the second server answers")

    said = journey.meanwhile(
        second, ("rotate-key", "validator-2"), lambda rotating: approve_on((first, third), rotating)
    )
    assert "where the keys of the others are: ./scripts/deploy.sh approve" in said
    assert "validator-2 signs with its new key" in said
    assert key() != before
    assert not [name for name in second.home.environment() if "NEXT_KEY" in name]
    assert until(address, "the second server answers") != given_up
    assert given_up in (second.validator_set() or {})["tombstoned"]
    journey.tell(first, "refresh")
    said = journey.once(first, "ctl", "status")
    assert "can finalise: yes (4 of 3 needed, 1 spare)" in said
    submit_and_wait(journey, "signed with the new key")


def approve_on(hosts: Iterable[Host], waiting: subprocess.Popen[str]) -> None:
    for host in hosts:
        approve_change(host, waiting)


def upgrade(journey: Journey) -> None:
    journey.step("1.9 upgrade, one server after the other")
    repository = IMAGE.removesuffix(":latest")
    text = RELABELLED.format(next=repository, version=NEXT_VERSION, data_format=1)
    image = built(text, f"{NEXT}:next")
    said = journey.tell(journey.hosts.first, "upgrade", image, "--plan")
    assert "order: " in said
    for number, host in reversed(list(enumerate(journey.hosts.hosts, start=1))):
        said = journey.tell(host, "upgrade", image)
        assert f"-> {NEXT_VERSION}" in said
        container = host.container(f"validator-{number}")
        assert (
            docker("inspect", "--format", VERSION_LABEL, container).stdout.strip() == NEXT_VERSION
        )
    submit_and_wait(journey, "after the upgrade")


def lose_a_server(journey: Journey) -> None:
    journey.step("1.10 lose a server, and bring it back")
    first, third = journey.hosts.first, journey.hosts.hosts[2]
    docker("kill", third.container("validator-3"))
    print(f"# validator-3 of {third.root.name} is killed")
    said = journey.once(first, "ctl", "status", status=DEGRADED)
    assert "NETWORK DEGRADED" in said
    assert re.search(r"validator-3 +UNREACHABLE", said)
    assert re.search(r"SN-N\d+ .*validator-3.*\n +fix: ", said), said
    assert "can finalise: yes (3 of 3 needed, 0 spare)" in said
    submit_and_wait(journey, "without the third server")
    assert "validator-3 ready" in journey.tell(third, "up")
    said = journey.once(first, "ctl", "status")
    assert "can finalise: yes (4 of 3 needed, 1 spare)" in said


def replace_a_server(journey: Journey) -> None:
    journey.step(
        "1.10 lose a server for good: another one in its place, and the lost key never counts again"
    )
    first, second, lost, fourth = journey.hosts.hosts
    lost.remove()
    journey.hosts.hosts.remove(lost)
    print(f"# {lost.root.name} is gone with all it had")
    said = journey.tell(first, "ctl", "validator", "replace", "validator-3", status=78)
    assert "./scripts/deploy.sh invite" in said
    fifth, package = journey.hosts.new(journey.distribution), journey.places / "join-v5.tgz"
    first.invite("validator-5", fifth.address, package)
    said = journey.hosts.join(fifth, package, [first, second, fourth])
    print(f"{fifth.root.name}$ ./scripts/deploy.sh join {package.name}\n{said}")
    assert "in the set of 5 validators" in said
    said = journey.meanwhile(
        first,
        ("remove", "validator-3"),
        lambda removing: approve_on((second, fourth, fifth), removing),
    )
    assert "(validator-1, validator-2, validator-4, validator-5)" in said
    assert len((first.validator_set() or {})["tombstoned"]) == 2
    said = journey.once(first, "ctl", "status")
    assert "can finalise: yes (4 of 3 needed, 1 spare)" in said
    assert "validator-3" not in said
    submit_and_wait(journey, "with another server in the place of the lost one")


def back_up(journey: Journey) -> None:
    journey.step("1.11 a backup: saved, verified, proven; restoring it refused")
    first = journey.hosts.first
    known = set((first.root / "backups").glob("*.snb"))
    assert "signed by" in journey.tell(first, "backup", "save")
    [file] = set((first.root / "backups").glob("*.snb")) - known
    assert "of 3 needed ok" in journey.tell(first, "backup", "verify", file)
    assert "drill passed after" in journey.tell(first, "backup", "drill", file)
    assert "SN-R080" in journey.tell(first, "restore", file, status=1)
    submit_and_wait(journey, "nothing was restored")


def understand_a_failure(journey: Journey) -> None:
    journey.step("1.12 why an intent failed")
    first = journey.hosts.first
    words = ("ctl", "intent", "submit", "--type", "of-nobody", "--file", "-", "--wait")
    said = journey.tell(first, *words, "--deadline-seconds", "10", status=1, given="who can do it?")
    found = re.search(r"submitted (0x[0-9a-f]{64})", said)
    assert found is not None, said
    said = journey.tell(first, "ctl", "intent", "explain", found[1])
    assert "reason SN-M301 nobody made an acceptable bid" in said
    assert "no bid from agent-1" in said
    assert "SN-M301" in journey.tell(first, "ctl", "explain", "SN-M301")
