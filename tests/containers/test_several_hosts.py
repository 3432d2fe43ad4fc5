"""One validator per host, joined by published ports only: from the first host to a fourth that joins under load.

The hosts are Compose projects of their own with networks of their own (`hosts.py`); nothing is shared but the machine.
"""

import json
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests.containers.hosts import Host, Hosts, approve_change, free_range
from tests.containers.kit import ContainerNetwork, docker, get, until

from pinai_subnet.cli.home import is_secret

pytestmark = [pytest.mark.containers, pytest.mark.timeout(900)]

_FOURTH = "test_a_fourth_host_joins_under_load_with_a_key_that_never_leaves_it"
SEVERAL_SERVERS = {
    "./scripts/deploy.sh init --hosts 10.0.0.11,10.0.0.12,10.0.0.13 --development": "hosts",
    "./scripts/deploy.sh": "hosts",
    "./scripts/deploy.sh join join-validator-2.tgz": "hosts",
    "./scripts/deploy.sh approve ADDRESS": "hosts",
    "./scripts/deploy.sh invite --id validator-4 --host 10.0.0.14 >join-validator-4.tgz": _FOURTH,
    "./scripts/deploy.sh refresh": _FOURTH,
    "./scripts/deploy.sh peers": (
        "test_all_sides_reach_each_other_and_a_closed_port_is_named_with_its_host"
    ),
    "./scripts/deploy.sh move 10.0.0.23": (
        "test_a_host_that_moves_is_followed_and_the_network_keeps_working"
    ),
    "./scripts/deploy.sh rejoin validator-2": (
        "test_a_validator_without_its_data_fetches_everything_before_it_votes"
    ),
}
"""Every command of the README about several servers, and what runs it here, with the addresses of these hosts."""


def secrets_of(host: Host) -> set[str]:
    return {value for name, value in host.home.environment().items() if is_secret(name)}


@pytest.fixture(scope="module")
def hosts(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    """Three hosts, one validator each: made on the first, joined from the two others."""
    network = Hosts(place=tmp_path_factory.mktemp("hosts"))
    first, second, third = (network.new() for _ in range(3))
    try:
        addresses = ",".join(host.address for host in network.hosts)
        begun = time.monotonic()
        first.deploy("init", "--hosts", addresses, "--development")
        print(first.deploy())
        package = first.root / "join-validator-2.tgz"
        print(network.join(second, package, [first]))
        package = first.root / "join-validator-3.tgz"
        print(network.join(third, package, [first, second]))
        print(first.deploy("up"))
        print(f"three hosts: {time.monotonic() - begun:.0f} s")
        yield network
    finally:
        for host in network.hosts:
            for service in ("validator-1", "validator-2", "validator-3", "validator-4", "matcher"):
                log = docker("logs", "--tail", "12", host.container(service), check=False)
                if not log.returncode:
                    print(f"--- {host.root.name} {service}\n{(log.stdout + log.stderr)[-3000:]}")
        network.remove()


def test_intents_are_finalised_from_outside_over_published_ports(hosts: Hosts) -> None:
    hosts.finalised(*(hosts.submit(f"intent {number}".encode()) for number in range(3)))
    for host in hosts.hosts:
        found = host.validator_set()
        assert found is not None
        assert [one["id"] for one in found["members"]] == [
            "validator-1", "validator-2", "validator-3",
        ]  # fmt: skip
        assert found["required_signatures"] == 2


def test_hosts_share_no_network_and_a_host_runs_its_own_members_only(hosts: Hosts) -> None:
    for number, host in enumerate(hosts.hosts, start=1):
        words = ("ps", "--filter", f"name={host.name}-", "--format", "{{.Names}} {{.Networks}}")
        found = dict(line.split() for line in docker(*words).stdout.splitlines())
        assert set(found.values()) == {host.name}
        validators = {name for name in found if "validator" in name}
        assert validators == {host.container(f"validator-{number}")}
        assert (host.container("matcher") in found) == (number == 1)


def test_no_key_is_on_a_host_that_is_not_its_own(hosts: Hosts) -> None:
    keys = {host.name: secrets_of(host) for host in hosts.hosts}
    for host in hosts.hosts:
        others = set().union(*(found for name, found in keys.items() if name != host.name))
        for file in host.root.rglob("*"):
            if file.is_file() and not file.is_symlink():
                text = file.read_bytes().decode(errors="replace")
                assert not [key for key in others if key in text], file


def test_every_host_checks_and_shows_itself(hosts: Hosts) -> None:
    for host in hosts.hosts:
        assert "are in order" in host.deploy("check")
    assert "validator-3" in hosts.hosts[2].deploy("status")


def test_the_console_of_the_first_host_shows_the_validators_of_all(hosts: Hosts) -> None:
    first = hosts.hosts[0]
    token = first.home.environment()["CONSOLE_TOKEN"]
    url = f"http://{first.address}:8088/api/v1/network"
    assert httpx.get(url).status_code == 401

    def seen() -> bool:
        shown = httpx.get(url, headers={"authorization": f"Bearer {token}"}).json()
        found = {one["id"] for one in shown["members"] if one["ready"]}
        return found >= {"validator-1", "validator-2", "validator-3"}

    until(seen, "the console sees all three validators ready")


def test_all_sides_reach_each_other_and_a_closed_port_is_named_with_its_host(hosts: Hosts) -> None:
    """Row 8: packets to the second host's replication port are dropped; the network goes on, both sides are asked."""
    first, second, third = hosts.hosts[:3]
    matrix = first.deploy("peers")
    assert matrix.count("ok") == 6, matrix
    port = docker(
        "inspect", "--format", '{{(index (index .NetworkSettings.Ports "7401/tcp") 0).HostPort}}',
        second.container("validator-2"),
    ).stdout.strip()  # fmt: skip
    rule = ["-p", "tcp", "-d", second.address, "--dport", port, "--syn", "-j", "REJECT"]
    rule += ["--reject-with", "tcp-reset"]
    subprocess.run(["iptables", "-I", "INPUT", *rule], check=True)
    try:

        def told() -> str | None:
            asking = first.start("peers")
            answer, _ = asking.communicate(timeout=120)
            return answer if asking.returncode == 1 else None

        said = until(told, "what was found a moment ago is asked anew")
    finally:
        subprocess.run(["iptables", "-D", "INPUT", *rule], check=True)
    assert "validator-1 -> validator-2 refused" in said
    assert "validator-2 -> validator-1" in said
    assert f"open port {port} on the host of validator-2" in said
    assert third.validator_set() is not None


def test_one_host_down_and_the_others_go_on(hosts: Hosts) -> None:
    third = hosts.hosts[2]
    third.deploy("down")
    begun = time.monotonic()
    hosts.finalised(hosts.submit(b"without the third host"))
    print(f"next intent {time.monotonic() - begun:.1f} s after a host went down")
    said = third.deploy("up")
    assert "NETWORK READY" in said or "validator-3 ready" in said


def has_all(host: Host, first: Host) -> bool:
    """Tell whether a host's validator is ready and holds what the first one's has now."""
    found = [get(f"http://{one.address}:9095/api/v1/status") for one in (host, first)]
    return all(found) and found[0]["state"]["index"] >= found[1]["state"]["index"]


def test_a_validator_without_its_data_fetches_everything_before_it_votes(hosts: Hosts) -> None:
    """Its directory is lost; later an old copy of it was put back: `rejoin` for both, never a start by itself."""
    second = hosts.hosts[1]
    container = second.container("validator-2")
    directory = second.root / "data/validator-2/validator-2"
    copy = second.root / "old-copy"
    docker("stop", container)
    subprocess.run(["cp", "-a", directory, copy], check=True)
    hosts.finalised(hosts.submit(b"while it is away"))
    shutil.rmtree(directory)
    begun = time.time()
    docker("start", container)

    def refused() -> bool:
        said = docker("logs", "--since", f"{begun:.3f}", container)
        return "SN-R019" in said.stdout + said.stderr

    until(refused, "it is refused without its data")
    begun = time.monotonic()
    said = second.deploy("rejoin", "validator-2")
    print(f"ready again without its data after {time.monotonic() - begun:.1f} s")
    assert "validator-2 has everything again" in said
    assert has_all(second, hosts.first)
    docker("stop", container)
    shutil.rmtree(directory)
    copy.rename(directory)
    assert "begins without a log" in second.deploy("rejoin", "validator-2")
    assert has_all(second, hosts.first)
    # The third one away, so that nothing becomes final without it.
    third = hosts.hosts[2].container("validator-3")
    docker("stop", third)
    hosts.finalised(hosts.submit(b"with its signature"))
    docker("start", third)
    until(lambda: has_all(hosts.hosts[2], hosts.first), "the third one is back")


def test_a_host_goes_to_another_data_format_and_back_while_the_others_go_on(
    hosts: Hosts, major: str
) -> None:
    """Two data formats side by side; going back, its validator gets what came since from the others."""
    first, second, third = hosts.hosts
    print(second.deploy("upgrade", major, "--stop"))
    stamp = second.root / "data/validator-2/validator-2/identity.json"
    assert json.loads(stamp.read_text())["format"] == 2
    hosts.finalised(hosts.submit(b"one of three has another data format"))
    docker("stop", third.container("validator-3"))
    said = second.deploy("upgrade", "--rollback", "--i-know", status=1)
    assert "SN-H073 validator-2 would begin without a log" in said
    docker("start", third.container("validator-3"))
    until(lambda: has_all(third, first), "the third one is back")
    said = second.deploy("upgrade", "--rollback", "--i-know")
    print(said)
    assert "but for the ledger, which comes from the other hosts" in said
    assert json.loads(stamp.read_text())["format"] == 1
    assert has_all(second, first)
    docker("stop", third.container("validator-3"))
    hosts.finalised(hosts.submit(b"it signs again"))
    docker("start", third.container("validator-3"))
    until(lambda: has_all(third, first), "the third one is back")


def test_every_command_of_the_readme_about_several_servers_is_run_here() -> None:
    assert all(where in globals() for where in SEVERAL_SERVERS.values())


class Load(threading.Thread):
    """Intents, one after the other, until it is told to stop."""

    def __init__(self, hosts: Hosts) -> None:
        super().__init__(daemon=True)
        self._hosts = hosts
        self._stopping = threading.Event()
        self.ids: list[str] = []

    def run(self) -> None:
        while not self._stopping.wait(0.5):
            self.ids.append(self._hosts.submit(f"load {len(self.ids)}".encode()))

    def stop(self) -> list[str]:
        self._stopping.set()
        self.join(30)
        return self.ids


def test_a_fourth_host_joins_under_load_with_a_key_that_never_leaves_it(hosts: Hosts) -> None:
    fourth, package = hosts.new(), hosts.place / "join-v4.tgz"
    hosts.first.invite("validator-4", fourth.address, package)
    load = Load(hosts)
    load.start()
    try:
        said = hosts.join(fourth, package, hosts.hosts[:2])
        hosts.first.deploy("refresh")
    finally:
        ids = load.stop()
    assert "in the set of 4 validators" in said, said
    hosts.finalised(*ids)
    print(f"{len(ids)} intents finalised while the fourth joined")
    for host in (hosts.first, fourth):
        found = host.validator_set()
        assert found is not None
        assert found["required_signatures"] == 3
    assert "validator-4" in (hosts.first.root / "config/network.yaml").read_text()
    [key] = secrets_of(fourth)
    assert (
        key.encode()
        not in subprocess.run(["gzip", "-dc", package], capture_output=True, check=True).stdout
    )
    test_no_key_is_on_a_host_that_is_not_its_own(hosts)


def test_an_address_that_nobody_asks_with_is_refused(hosts: Hosts) -> None:
    said = hosts.first.deploy("approve", "0x" + "11" * 20, status=78)
    assert "SN-V121" in said
    assert "fix:" in said


def test_a_host_that_moves_is_followed_and_the_network_keeps_working(hosts: Hosts) -> None:
    """Row 40: another address, the same key; what others wrote down about it changes by itself."""
    third = hosts.hosts[2]
    before = third.address
    third.deploy("down")
    third.range = free_range()
    moving = third.start("move", third.address)
    hosts.finalised(hosts.submit(b"while the third host is away"))
    for approver in hosts.hosts[:2]:
        approve_change(approver, moving)
    said, _ = moving.communicate(timeout=240)
    assert moving.returncode == 0, said
    members = until(third.validator_set, "the third host answers at its new address")
    [raft] = [one["raft"] for one in members["members"] if one["id"] == "validator-3"]
    assert raft == f"{third.address}:7400"
    hosts.first.deploy("refresh")
    text = (hosts.first.root / "config/network.yaml").read_text()
    assert f"{third.address}:7400" in text.partition("genesis:")[0]
    assert before not in text.partition("genesis:")[0]
    hosts.finalised(hosts.submit(b"after the move"))


@pytest.fixture(scope="module")
def five(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ContainerNetwork]:
    """Five validators on one host."""
    network = ContainerNetwork(directory=tmp_path_factory.mktemp("five"), validators=5)
    try:
        print(f"five validators, start to ready: {network.up():.1f} s")
        yield network
    finally:
        print(network.logs()[-3000:])
        network.remove()


def test_five_validators_go_on_without_one_and_stop_finalising_without_two(
    five: ContainerNetwork,
) -> None:
    """Raft tolerates two of five; four of five signatures make a batch final, so finality tolerates one."""
    five.finalised(*(five.submit(f"intent {number}".encode()) for number in range(3)))
    leader = five.leader()
    docker("kill", five.container(leader))
    begun = time.monotonic()
    five.finalised(five.submit(b"four of five"))
    print(f"finalised {time.monotonic() - begun:.1f} s after the kill of {leader}")
    second = five.leader()
    docker("kill", five.container(second))
    waiting = five.submit(b"three of five")
    three = [f"validator-{n}" for n in range(1, 6) if f"validator-{n}" not in {leader, second}]

    def judged_by_all_that_are_left() -> Any | None:
        for name in three:
            found = get(f"{five.url(name)}/api/v1/intents/{waiting}")
            attempt = {"verdicts": []} if found is None else found["attempts"][0]
            if {verdict["validator_id"] for verdict in attempt["verdicts"]} == set(three):
                return attempt
        return None

    attempt = until(judged_by_all_that_are_left, "three of five agree, and lack a verdict")
    assert all(verdict["passed"] for verdict in attempt["verdicts"])
    assert attempt["epoch"] is None
    assert five.status(waiting) != "COMPLETED"
    for name in (leader, second):
        docker("start", five.container(name))
    five.finalised(waiting)
    assert httpx.get(five.url("matcher") + "/readyz", timeout=5.0).status_code in {200, 503}
