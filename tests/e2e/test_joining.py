"""A validator joins a running network from a home of its own: invited, with its own key, approved by it, seen by all.

The tests share one network and run in order: each begins with what the one before left.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.free_ports import free_ports
from tests.network_kit import LocalTestNetwork, wait_until

from pinai_subnet.cli.home import Home, is_secret
from pinai_subnet.cli.local_network import LocalNetwork, members
from pinai_subnet.cli.session import open_session
from pinai_subnet.cli.set_change import present_set

pytestmark = [
    # The processes of a home outlive the handle that started them: they are stopped by their ids.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
COMMAND_SECONDS = 120


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a command ended."""

    status: int
    out: str
    err: str


def start(home: Path, *words: str) -> subprocess.Popen[str]:
    """Type `subnetctl validator …`, and do not wait."""
    program = "import sys; from pinai_subnet.cli.main import main; sys.exit(main())"
    return subprocess.Popen(
        [sys.executable, "-c", program, "validator", *words, "--home", str(home)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ,
    )  # fmt: skip


def ended(process: subprocess.Popen[str]) -> Ended:
    out, err = process.communicate(timeout=COMMAND_SECONDS)
    return Ended(status=process.returncode, out=out, err=err)


def run(home: Path, *words: str) -> Ended:
    return ended(start(home, *words))


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalTestNetwork]:
    """A network of one validator."""
    root = tmp_path_factory.mktemp("first") / "home"
    with LocalTestNetwork.create(root, validators=1, agents=1) as network:
        network.start()
        yield network


@pytest.fixture(scope="module")
def second(
    first: LocalTestNetwork, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalNetwork]:
    """The home of another host, made from a package, with its validator running."""
    place = tmp_path_factory.mktemp("second")
    package, root = place / "join.tgz", place / "home"
    ports = [str(port) for port in free_ports(3)]
    done = run(
        first.home.root, "invite", "--id", "validator-2", "--host", "127.0.0.1",
        "--grpc-port", ports[0], "--http-port", ports[1], "--raft-port", ports[2],
        "--to", str(package),
    )  # fmt: skip
    assert done.status == 0, done.err
    done = run(root, "join", str(package), "--json")
    assert done.status == 0, done.err
    local = LocalNetwork(home=Home(root), say=print)
    environment = local.home.environment()
    [member] = members(environment)
    assert member.name == "validator-2"
    local.start(member, environment)
    try:
        yield local
    finally:
        print(local.log_tail("validator-2"))
        local.stop(list(local.running().values()))  # a test starts it again


def address_of(local: LocalNetwork) -> str:
    member = open_session(local.home.root).network.parameters.validator("validator-2")
    assert member is not None
    return str(member.address)


def test_a_key_that_nobody_asks_with_is_not_approved(
    first: LocalTestNetwork, second: LocalNetwork
) -> None:
    """The newcomer runs, but has not asked: running is not asking."""
    done = run(first.home.root, "approve", address_of(second))
    assert done.status == 78
    assert "SN-V121" in done.err
    assert "nobody asks to join" in done.err


def test_without_an_approval_it_says_what_it_waits_for_and_has_no_part(
    first: LocalTestNetwork, second: LocalNetwork
) -> None:
    done = run(second.home.root, "announce", "--wait", "3")
    assert done.status == 1
    assert "SN-V115" in done.err
    assert f"deploy.sh approve {address_of(second)}" in done.err
    assert [one.id for one in present_set(first.session).members] == ["validator-1"]
    done = run(first.home.root, "approve")
    assert "SN-V117" in done.err
    assert f"validator-2 with the key {address_of(second)}" in done.err, "who asks is told"


def test_approved_by_its_key_it_catches_up_and_has_its_vote(
    first: LocalTestNetwork, second: LocalNetwork
) -> None:
    """Both operators' sides of one joining; intents go on."""
    before = first.submit_many(2)
    asking = start(second.home.root, "announce", "--wait", "60", "--json")
    try:
        done = run(first.home.root, "approve", address_of(second).lower(), "--json")
        assert done.status == 0, done.err
        assert json.loads(done.out)["approvals"] == ["validator-1"]
        joined = ended(asking)
    finally:
        asking.kill()
    assert joined.status == 0, joined.err
    assert json.loads(joined.out)["validators"] == ["validator-1", "validator-2"]
    present = present_set(first.session)
    assert present.role("validator-2") == "voter"
    ids = [*before, *first.submit_many(2)]
    first.wait_all(ids, "COMPLETED")

    def signed() -> bool:
        status = first.get("validator-1", "/api/v1/status")
        [mine] = [one for one in status["validators"] if one["id"] == "validator-2"]
        return bool(mine["signed"])

    wait_until(signed, "the newcomer has signed")


def test_asking_again_changes_nothing(first: LocalTestNetwork, second: LocalNetwork) -> None:
    done = run(second.home.root, "announce", "--wait", "20", "--json")
    assert done.status == 0, done.err
    assert json.loads(done.out)["version"] == present_set(first.session).version == 2


def test_the_files_of_the_first_host_follow(first: LocalTestNetwork, second: LocalNetwork) -> None:
    for changed in (True, False):
        done = run(first.home.root, "refresh", "--json")
        assert json.loads(done.out)["changed"] is changed
    mine = open_session(first.home.root).network
    theirs = open_session(second.home.root).network
    assert mine.parameters.validators == theirs.parameters.validators
    assert mine.genesis.validators == theirs.genesis.validators


def test_neither_home_has_a_secret_of_the_other(
    first: LocalTestNetwork, second: LocalNetwork
) -> None:
    def secrets_of(home: Home) -> set[str]:
        return {value for name, value in home.environment().items() if is_secret(name)}

    for home, other in ((first.home, second.home), (second.home, first.home)):
        for file in home.root.rglob("*"):
            if file.is_file():
                text = file.read_bytes().decode(errors="replace")
                assert not [secret for secret in secrets_of(other) if secret in text], file


def test_both_sides_are_asked_who_reaches_whom(
    first: LocalTestNetwork, second: LocalNetwork
) -> None:
    """Row 8; a validator that is down is told from one behind a firewall."""

    def sees(status: int) -> Any:
        done = run(first.home.root, "peers", "--json")
        return json.loads(done.out) if done.status == status else None

    found = sees(0)
    assert found["problems"] == []
    assert found["sees"][0] == {"from": "validator-1", "validator-1": "", "validator-2": "ok"}
    second.stop(list(second.running().values()))
    found = wait_until(lambda: sees(1), "what was found a moment ago is asked anew")
    assert "validator-2 is down, or its host is not reached" in found["problems"][0]["text"]
    environment = second.home.environment()
    [member] = members(environment)
    started = second.start(member, environment)
    second.wait_ready([member], {member.name: started}, timeout_seconds=60)
