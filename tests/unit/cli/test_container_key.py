"""A new key for a validator in a container: what lies between its agreement and its container; what is refused."""

from pathlib import Path

import pytest
from tests.free_ports import free_plan

from pinai_subnet.adapters.signer.local import LocalSigner
from pinai_subnet.adapters.signing_record.file import FileSigningRecord
from pinai_subnet.cli.container_key import carry_record, finish_key, next_key
from pinai_subnet.cli.home import Home
from pinai_subnet.cli.initialise import initialise
from pinai_subnet.cli.keys import new_private_key
from pinai_subnet.cli.session import open_session
from pinai_subnet.cli.set_files import write_env
from pinai_subnet.cli.set_steps import SetSteps, waiting_key
from pinai_subnet.runtime.errors import StartupError


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A network of three validators in containers, that does not run."""
    made = Home(tmp_path / "home")
    initialise(made, validators=3, agents=0, ports=free_plan(3), subnet_id=None)
    (made.root / "docker").mkdir()
    (made.root / "docker/docker-compose.yml").write_text("services: {}\n")
    return made


def test_both_addresses_are_told_while_a_key_waits(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    key = new_private_key()
    write_env(home, {waiting_key("validator-2"): key.hex()})
    former = LocalSigner(bytes.fromhex(home.environment()["VALIDATOR_KEY_2"])).address
    next_key("validator-2", home=home.root)
    assert capsys.readouterr().out == f"{former} {LocalSigner(key).address}\n"


def test_without_a_key_that_waits_the_first_step_is_named(home: Home) -> None:
    with pytest.raises(StartupError, match="SN-K022"):
        next_key("validator-2", home=home.root)


def test_the_record_goes_to_the_new_key_and_doing_it_again_changes_nothing(tmp_path: Path) -> None:
    former, address = (LocalSigner(new_private_key()).address for _ in range(2))
    record = tmp_path / "signing-record.log"
    carry_record(record, former, address)
    assert not record.exists(), "a validator that has signed nothing has nothing to carry"
    FileSigningRecord(record, address=former).close()
    carry_record(record, former, address)
    carried = record.read_bytes()
    carry_record(record, former, address)
    assert record.read_bytes() == carried
    FileSigningRecord(record, address=address).close()


def test_a_container_is_given_a_key_by_deploy_only(home: Home) -> None:
    steps = SetSteps(
        session=open_session(home.root), say=lambda _: None, dry_run=False, wait_seconds=0
    )
    with pytest.raises(StartupError) as refused:
        steps.rotate("validator-2", None)
    assert "SN-C128" in str(refused.value)
    assert "deploy.sh rotate-key validator-2" in refused.value.report()


def test_a_key_waits_until_the_container_runs_with_it(home: Home) -> None:
    write_env(home, {waiting_key("validator-2"): "aa" * 32})
    finish_key("validator-2", home=home.root)
    assert waiting_key("validator-2") not in home.environment()
