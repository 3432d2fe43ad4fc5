"""`subnetctl init`: what it writes, who may read it, and that it never overwrites."""

import stat
from pathlib import Path

import pytest

from pinai_subnet.cli.home import Home, is_secret, public_environment
from pinai_subnet.cli.initialise import initialise
from pinai_subnet.cli.local_network import members
from pinai_subnet.cli.ports import PortPlan
from pinai_subnet.cli.session import open_session
from pinai_subnet.runtime.errors import StartupError


def make(root: Path, validators: int = 3) -> Home:
    home = Home(root / "net")
    ports = PortPlan.documented(validators)
    initialise(home, validators=validators, agents=3, ports=ports, subnet_id=None)
    return home


def code(error: pytest.ExceptionInfo[StartupError]) -> str:
    return error.value.problems[0].code


def test_a_new_network_can_be_opened(tmp_path: Path) -> None:
    session = open_session(make(tmp_path).root)
    assert [v.id for v in session.network.parameters.validators] == [
        "validator-1",
        "validator-2",
        "validator-3",
    ]
    assert session.required_signatures == 2


@pytest.mark.parametrize("validators", [1, 5, 15])
def test_any_number_of_validators_is_generated(tmp_path: Path, validators: int) -> None:
    session = open_session(make(tmp_path, validators).root)
    parameters = session.network.parameters
    assert len({v.address for v in parameters.validators}) == validators
    endpoints = [
        e
        for v in parameters.validators
        for e in (v.grpc_endpoint, v.http_endpoint, v.raft_endpoint)
    ]
    assert len(set(endpoints)) == 3 * validators


@pytest.mark.parametrize("validators", [0, 16])
def test_an_impossible_number_of_validators_is_refused(tmp_path: Path, validators: int) -> None:
    with pytest.raises(StartupError) as caught:
        make(tmp_path, validators)
    assert code(caught) == "SN-C031"
    assert not (tmp_path / "net").exists()


def test_secrets_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    """Row 12 of the operators' bad input: .env is never made with an open mode."""
    home = make(tmp_path)
    assert stat.S_IMODE(home.env_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(home.data.stat().st_mode) == 0o700


def test_init_never_overwrites(tmp_path: Path) -> None:
    before = make(tmp_path).env_file.read_text()
    with pytest.raises(StartupError) as caught:
        make(tmp_path)
    assert code(caught) == "SN-C030"
    assert (tmp_path / "net/.env").read_text() == before


def test_an_uninitialised_directory_is_named_with_the_fix(tmp_path: Path) -> None:
    with pytest.raises(StartupError) as caught:
        open_session(tmp_path / "nowhere")
    assert code(caught) == "SN-C032"
    assert "subnetctl init" in caught.value.problems[0].fix


def test_no_secret_is_in_what_every_process_sees(tmp_path: Path) -> None:
    """K1, K7: a process is given its own key and nobody else's."""
    environment = make(tmp_path).environment()
    secrets = {name for name in environment if is_secret(name)}
    assert {
        "VALIDATOR_KEY_1",
        "MATCHER_PRIVATE_KEY",
        "AGENT_PRIVATE_KEY_3",
        "TEST_PRIVATE_KEY",
    } <= secrets
    assert not secrets & set(public_environment(environment))
    assert "VALIDATOR_PUBKEY_1" in public_environment(environment)


def test_every_member_gets_only_its_own_secret(tmp_path: Path) -> None:
    found = {member.name: dict(member.secrets) for member in members(make(tmp_path).environment())}
    assert found["validator-2"] == {"VALIDATOR_KEY": "VALIDATOR_KEY_2"}
    assert found["matcher"] == {"MATCHER_PRIVATE_KEY": "MATCHER_PRIVATE_KEY"}
    assert found["agent-3"] == {"AGENT_PRIVATE_KEY": "AGENT_PRIVATE_KEY_3"}
    assert found["registry"] == {}
    assert found["rootlayer"] == {}


def test_no_secret_is_on_a_command_line(tmp_path: Path) -> None:
    """K1."""
    home = make(tmp_path)
    environment = home.environment()
    secrets = [value for name, value in environment.items() if is_secret(name)]
    for member in members(environment):
        line = " ".join(member.command(home))
        assert not any(secret in line for secret in secrets)


def test_free_ports_are_distinct() -> None:
    endpoints = list(PortPlan.free(5).endpoints.values())
    assert len(set(endpoints)) == len(endpoints)


def test_documented_ports_are_those_of_the_contract() -> None:
    endpoints = PortPlan.documented(3).endpoints
    assert endpoints["REGISTRY_HTTP"] == "127.0.0.1:8101"
    assert endpoints["MATCHER_GRPC"] == "127.0.0.1:8093"
    assert endpoints["VALIDATOR_3_GRPC"] == "127.0.0.1:9092"
    assert endpoints["VALIDATOR_1_HTTP"] == "127.0.0.1:9095"
    assert endpoints["VALIDATOR_2_RAFT"] == "127.0.0.1:7401"
