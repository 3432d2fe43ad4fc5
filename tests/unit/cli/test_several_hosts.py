"""One validator per host: what the first host makes, what a package holds, what a joining host makes of it."""

import io
import json
import shutil
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from pinai_subnet.cli.home import Home, is_secret
from pinai_subnet.cli.initialise import CONFIG_FILES, templates
from pinai_subnet.cli.invitation import HostPorts, invitation_to, package_for
from pinai_subnet.cli.join_package import kept_invitation, package_of, packed, unpacked
from pinai_subnet.cli.joining import make_home
from pinai_subnet.cli.new_deployment import NewDeployment
from pinai_subnet.cli.preflight import settings_problems
from pinai_subnet.cli.session import open_session
from pinai_subnet.protocol.errors import SubnetError
from pinai_subnet.protocol.invitations import check_invitation
from pinai_subnet.runtime.errors import StartupError

NOW = 1_800_000_000.0
HOSTS = ["10.0.0.11", "10.0.0.12", "10.0.0.13"]


def unpacked_distribution(root: Path) -> Path:
    """A place as a distribution leaves it."""
    (root / "docker").mkdir(parents=True)
    (root / "docker/docker-compose.yml").write_text("")
    (root / "config").mkdir()
    for name in ("network.yaml", *CONFIG_FILES):
        shutil.copyfile(templates() / name, root / "config" / name)
    return root


@pytest.fixture
def first(tmp_path: Path) -> Path:
    """The first host of three."""
    root = unpacked_distribution(tmp_path / "a")
    NewDeployment(root=root, development=True, remote={}).on_hosts(HOSTS, 3)
    return root


def joined(root: Path, package: Path, now: float | None = None) -> Home:
    home = Home(unpacked_distribution(root))
    expires = unpacked(package.read_bytes(), "").invited.invitation.expires_at
    make_home(home, package, now=expires - 10 if now is None else now)
    return home


def running_on(root: Path) -> set[str]:
    return set(yaml.safe_load((root / "docker/docker-compose.yml").read_text())["services"])


def secrets_of(root: Path) -> set[str]:
    environment = Home(root).environment()
    return {value for name, value in environment.items() if is_secret(name)}


def refusal(error: pytest.ExceptionInfo[StartupError]) -> str:
    return error.value.problems[0].code


def test_the_first_host_runs_the_first_validator_and_what_there_is_once(first: Path) -> None:
    once = {"rootlayer", "registry", "matcher", "console", "agent-1", "agent-2", "agent-3"}
    assert running_on(first) == {*once, "validator-1"}
    network = open_session(first).network
    assert [one.raft_endpoint for one in network.parameters.validators] == ["10.0.0.11:7400"]
    assert network.endpoints.matcher_grpc == "10.0.0.11:8093"
    assert settings_problems(Home(first)) == []
    assert (first / ".env").stat().st_mode & 0o777 == 0o600


def test_a_package_has_nobodys_secret(first: Path) -> None:
    for name in ("validator-2", "validator-3"):
        data = (first / f"join-{name}.tgz").read_bytes()
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
            texts = [archive.extractfile(entry).read().decode() for entry in archive]  # type: ignore[union-attr]
        assert not [secret for secret in secrets_of(first) for text in texts if secret in text]


def test_a_secret_that_somebody_wrote_into_a_shared_file_stays_here(first: Path) -> None:
    key = Home(first).environment()["VALIDATOR_KEY_1"]
    auth = first / "config/auth_config.yaml"
    auth.write_text(auth.read_text() + f"# {key}\n")
    session = open_session(first)
    invited = invitation_to(session, "validator-4", HostPorts().endpoints("h"), now=NOW)
    with pytest.raises(StartupError) as refused:
        package_for(session, invited, session.network.parameters.validators)
    assert refusal(refused) == "SN-K024"
    assert key not in str(refused.value.report())


def test_a_joining_host_makes_its_own_key_and_runs_its_own_validator(
    first: Path, tmp_path: Path
) -> None:
    second = joined(tmp_path / "b", first / "join-validator-2.tgz")
    third = joined(tmp_path / "c", first / "join-validator-3.tgz")
    assert running_on(second.root) == {"validator-2"}
    keys = [secrets_of(root) for root in (first, second.root, third.root)]
    assert [len(found) for found in keys] == [7, 1, 1], "of the console too"
    assert len(set.union(*keys)) == 9
    assert settings_problems(second) == []
    session = open_session(second.root)
    network = session.network
    assert [one.id for one in network.parameters.validators] == ["validator-1", "validator-2"]
    assert network.genesis.validators == open_session(first).network.genesis.validators
    assert network.endpoints == open_session(first).network.endpoints
    assert session.environment["VALIDATOR_2_RAFT_PORT"] == "7400"
    assert second.env_file.stat().st_mode & 0o777 == 0o600


def test_the_policies_of_the_network_replace_those_of_the_distribution(
    first: Path, tmp_path: Path
) -> None:
    policy = first / "config/policy_config.yaml"
    policy.write_text(policy.read_text().replace("max_ahead_seconds: 300", "max_ahead_seconds: 7"))
    session = open_session(first)
    invited = invitation_to(session, "validator-4", HostPorts().endpoints("10.0.0.14"), now=NOW)
    package = tmp_path / "join-v4.tgz"
    package.write_bytes(
        packed(package_for(session, invited, session.network.parameters.validators))
    )
    home = joined(tmp_path / "d", package)
    assert "max_ahead_seconds: 7" in (home.config / "policy_config.yaml").read_text()


def test_an_invitation_is_signed_by_a_validator_that_is_here(first: Path, tmp_path: Path) -> None:
    second = joined(tmp_path / "b", first / "join-validator-2.tgz")
    invited = kept_invitation(second)
    assert invited is not None
    parameters = open_session(first).network.parameters
    assert check_invitation(invited, parameters=parameters, now=NOW - 10**9) == "validator-1"
    (first / ".env").write_text(
        "".join(
            line
            for line in (first / ".env").read_text().splitlines(keepends=True)
            if not line.startswith("VALIDATOR_KEY_1=")
        )
    )
    with pytest.raises(StartupError) as refused:
        invitation_to(open_session(first), "validator-4", HostPorts().endpoints("h"), now=NOW)
    assert refusal(refused) == "SN-K022"


@pytest.mark.parametrize("name", ["validator-x", "fourth"])
def test_an_invited_id_is_a_validators(first: Path, name: str) -> None:
    with pytest.raises(StartupError) as refused:
        invitation_to(open_session(first), name, HostPorts().endpoints("h"), now=NOW)
    assert refusal(refused) == "SN-V110"


def test_who_is_a_validator_is_not_invited(first: Path) -> None:
    with pytest.raises(SubnetError):
        invitation_to(open_session(first), "validator-1", HostPorts().endpoints("h"), now=NOW)


def test_a_host_joins_once(first: Path, tmp_path: Path) -> None:
    package = first / "join-validator-2.tgz"
    second = joined(tmp_path / "b", package)
    before = second.env_file.read_bytes()
    with pytest.raises(StartupError) as refused:
        make_home(second, package, now=NOW)
    assert refusal(refused) == "SN-C030"
    assert second.env_file.read_bytes() == before


def test_an_old_invitation_makes_no_key(first: Path, tmp_path: Path) -> None:
    with pytest.raises(StartupError) as refused:
        joined(tmp_path / "b", first / "join-validator-2.tgz", now=10**11)
    assert refusal(refused) == "SN-V120"
    assert not (tmp_path / "b/.env").exists()


def archive_of(contents: dict[str, bytes], kind: bytes = tarfile.REGTYPE) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, data in contents.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.type, entry.linkname = len(data), kind, "/etc/passwd"
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def contents_of(package: Path) -> dict[str, bytes]:
    with tarfile.open(package, mode="r:gz") as archive:
        return {entry.name: archive.extractfile(entry).read() for entry in archive}  # type: ignore[union-attr]


def test_what_is_no_join_package_is_said_to_be_none(first: Path, tmp_path: Path) -> None:
    whole = first / "join-validator-2.tgz"
    contents = contents_of(whole)
    document = json.loads(contents["join.json"])
    wrong = [
        b"",
        b"not a package",
        whole.read_bytes()[:200],
        archive_of({}),
        archive_of({name: data for name, data in contents.items() if name != "join.json"}),
        archive_of(contents, kind=tarfile.SYMTYPE),
        archive_of(contents | {"join.json": b"[]"}),
        archive_of(contents | {"join.json": json.dumps(document | {"format": 2}).encode()}),
        archive_of(contents | {"join.json": json.dumps(document | {"variables": []}).encode()}),
        archive_of(
            contents | {"join.json": json.dumps(document | {"variables": {"A": "1\nB=2"}}).encode()}
        ),
        archive_of(contents | {"config/network.yaml": b"\xff\xfe"}),
        archive_of(contents | {"config/network.yaml": b" " * (1024 * 1024 + 1)}),
    ]
    for data in wrong:
        with pytest.raises(StartupError) as refused:
            unpacked(data, "x")
        assert refusal(refused) == "SN-C126"
    with pytest.raises(StartupError) as refused:
        make_home(Home(tmp_path), tmp_path / "absent.tgz", now=NOW)
    assert refusal(refused) == "SN-C126"


def test_a_package_survives_its_way(first: Path) -> None:
    package = unpacked((first / "join-validator-3.tgz").read_bytes(), "x")
    assert unpacked(packed(package), "x") == package
    assert "VALIDATOR_KEY_1" not in package.variables
    assert package_of(Home(first), package.invited, package.files["network.yaml"]) == package


@pytest.mark.parametrize(
    "hosts",
    [[], [""], ["a", "a"], ["a:7400"], ["http://a"], [f"h{n}" for n in range(16)]],
)
def test_a_list_of_hosts_that_makes_no_sense_is_refused(tmp_path: Path, hosts: list[str]) -> None:
    root = unpacked_distribution(tmp_path / "a")
    with pytest.raises(StartupError) as refused:
        NewDeployment(root=root, development=False, remote={}).on_hosts(hosts, None)
    assert refusal(refused) == "SN-C127"
    assert not (root / ".env").exists()


def test_there_is_one_validator_on_each_host(tmp_path: Path) -> None:
    root = unpacked_distribution(tmp_path / "a")
    with pytest.raises(StartupError) as refused:
        NewDeployment(root=root, development=False, remote={}).on_hosts(HOSTS, 5)
    assert refusal(refused) == "SN-C127"


def test_addresses_of_a_remote_root_layer_travel_with_the_package(tmp_path: Path) -> None:
    root = unpacked_distribution(tmp_path / "a")
    remote = {"ROOTLAYER_GRPC": "root.example:9001", "ROOTLAYER_HTTP": "root.example:8081"}
    NewDeployment(root=root, development=False, remote=remote).on_hosts(HOSTS, None)
    assert running_on(root) == {"registry", "matcher", "console", "validator-1"}
    package = unpacked((root / "join-validator-2.tgz").read_bytes(), "x")
    assert package.variables["ROOTLAYER_GRPC"] == "root.example:9001"


def test_a_network_on_one_host_is_as_before(tmp_path: Path) -> None:
    root = unpacked_distribution(tmp_path / "a")
    NewDeployment(root=root, development=False, remote={}).on_one_host(3)
    assert "HOST_SERVICES" not in Home(root).environment()
    assert {"validator-1", "validator-2", "validator-3"} < running_on(root)


def test_ports_of_another_host_are_the_inviters_to_choose(first: Path) -> None:
    ports = replace(HostPorts(), raft=17400)
    invited = invitation_to(open_session(first), "validator-4", ports.endpoints("h4"), now=NOW)
    assert invited.invitation.raft_endpoint == "h4:17400"
    assert invited.invitation.grpc_endpoint == "h4:9090"
