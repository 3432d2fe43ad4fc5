"""A new key for a validator in a container: what lies between its agreement and its container; what is refused."""

import os
import subprocess
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

DEPLOYMENT = Path(__file__).resolve().parents[3] / "deployment"


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


ENGINE = """#!/bin/sh
echo "$*" >>"$CALLS"
case "$*" in
  *"compose environment"*) ;;
  *"compose next-key"*) echo 0xformer 0xnew ;;
  *"compose order"*) echo matcher; echo validator-2; echo validator-1 ;;
  *"validator list"*) echo "$*"; cat; exit 3 ;;
  *Architecture* | *Server.Arch*) echo here ;;
  *Healthcheck*) echo "CMD true" ;;
  version*) echo 27.3.1 ;;
  "compose version"*) echo 2.29.0 ;;
  *"ps --all --format"*) echo matcher; echo validator-1; echo validator-2 ;;
  *"ps --quiet"*) echo container ;;
esac
"""
"""What stands in for the container engine: it notes what it is asked for."""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A deployment's directory, and an engine that runs nothing beside it."""
    made = tmp_path / "place"
    (made / "scripts/lib").mkdir(parents=True)
    for file in (DEPLOYMENT / "scripts").rglob("*.sh"):
        (made / file.relative_to(DEPLOYMENT)).write_bytes(file.read_bytes())
    (made / "scripts/deploy.sh").chmod(0o755)
    (made / ".env").touch(0o600)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/docker").write_text(ENGINE)
    (tmp_path / "bin/docker").chmod(0o755)
    return made


def deploy(place: Path, *words: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """Run deploy.sh; return how it ended and what it asked the engine for."""
    calls = place.with_name("calls")
    done = subprocess.run(
        ["scripts/deploy.sh", *words],
        cwd=place, input="payload", capture_output=True, text=True, check=False, timeout=60,
        env={"PATH": f"{place.with_name('bin')}:{os.environ['PATH']}", "CALLS": str(calls)},
    )  # fmt: skip
    return done, calls.read_text().splitlines()


def test_words_after_ctl_are_given_to_subnetctl_as_they_are(place: Path) -> None:
    """Options that deploy.sh has too, and standard input, are subnetctl's; so is the exit status."""
    done, _ = deploy(place, "ctl", "validator", "list", "--dry-run", "--help")
    assert done.returncode == 3, done.stderr
    assert "validator list --dry-run --help\npayload" in done.stdout
    assert f"{place}:/at/.network" in done.stdout


def test_a_container_takes_its_key_while_it_is_down_and_the_others_follow(place: Path) -> None:
    """Agreed first, then stopped, then record, then .env; it is back before anybody else is looked at."""
    done, calls = deploy(place, "rotate-key", "validator-2")
    assert done.returncode == 0, done.stderr
    wanted = [
        "validator rotate-key validator-2 --container --wait 600 --home /deployment",
        "compose next-key validator-2 --home /deployment",
        "compose step-down validator-2 --home /deployment",
        "stop validator-2",
        "compose carry-record /data/validator-2/signing-record.log 0xformer 0xnew",
        "compose take-key validator-2 --home /deployment",
        "compose environment --home /deployment",
        "up --detach --no-deps validator-2",
        "up --detach --no-deps matcher",
        "up --detach --no-deps validator-1",
        "compose finish-key validator-2 --home /deployment",
    ]
    seen = [ending for call in calls for ending in wanted if call.endswith(ending)]
    assert seen == ["compose environment --home /deployment", *wanted]
    [carried] = [call for call in calls if "carry-record" in call]
    assert "--network none --read-only --tmpfs /tmp --user 1000:1000 --cap-drop ALL" in carried
    assert f"--volume {place}/data/validator-2:/data" in carried
    assert not (place / ".rotating").exists()


STEPS = ("next-key", "step-down", "stop validator-2", "carry-record", "take-key", "finish-key")


def break_at(place: Path, words: str) -> str:
    """Have the engine fail at a call with these words; return the program of the one that does not."""
    engine = place.with_name("bin") / "docker"
    whole = engine.read_text()
    first = 'case "$*" in\n'
    engine.write_text(
        whole.replace(first, f'{first}  *"{words}"*) echo SN-H073 >&2; exit 1 ;;\n', 1)
    )
    return whole


@pytest.mark.parametrize("step", STEPS)
def test_a_rotation_that_broke_off_is_repeated_and_nothing_is_started_before(
    place: Path, step: str
) -> None:
    whole = break_at(place, step)
    assert deploy(place, "rotate-key", "validator-2")[0].returncode != 0
    (place.with_name("bin") / "docker").write_text(whole)
    for verb in ("up", "restart", "rotate-key validator-1"):
        done, _ = deploy(place, *verb.split())
        assert done.returncode == 78, verb
        assert "SN-H081 the new key of validator-2 is agreed on" in done.stderr
        assert "fix:   ./scripts/deploy.sh rotate-key validator-2" in done.stderr
    done, calls = deploy(place, "rotate-key", "validator-2")
    assert done.returncode == 0, done.stderr
    assert [call for call in calls if "compose finish-key validator-2" in call]
    assert not (place / ".rotating").exists()


def test_a_key_waits_until_the_container_runs_with_it(home: Home) -> None:
    write_env(home, {waiting_key("validator-2"): "aa" * 32})
    finish_key("validator-2", home=home.root)
    assert waiting_key("validator-2") not in home.environment()


def test_a_restart_asks_of_every_validator_that_is_ready_whether_it_can_be_spared(
    place: Path,
) -> None:
    done, calls = deploy(place, "restart")
    assert done.returncode == 0, done.stderr
    seen = [call.split()[-3:] for call in calls if "step-down" in call or "recreate" in call]
    assert [one[0] if one[1] == "--home" else one[-1] for one in seen] == [
        *("matcher", "validator-2", "validator-2", "validator-1", "validator-1"),
    ]
    place.with_name("calls").unlink()
    break_at(place, "step-down")
    done, calls = deploy(place, "restart", "validator-2")
    assert done.returncode == 1
    assert "SN-H073" in done.stderr
    assert not [call for call in calls if "recreate" in call]


@pytest.mark.parametrize(
    "verb", ["fix-perms", "ctl validator remove validator-3", "restart", "down", "refresh"]
)
def test_with_dry_run_nothing_is_done(place: Path, verb: str) -> None:
    done, calls = deploy(place, "--dry-run", *verb.split())
    assert done.returncode == 0, done.stderr
    assert "would" in done.stderr
    doing = ("--detach", "chown", "validator remove", "compose down", "validator refresh")
    assert not [call for call in calls if any(words in call for words in doing)]


@pytest.mark.parametrize("line", ["PINAI_IMAGE=own:1\r\n", 'export PINAI_IMAGE = "own:1" # mine\n'])
def test_the_image_is_found_however_env_writes_it(place: Path, line: str) -> None:
    """Operators row 13."""
    (place / ".env").write_bytes(line.encode())
    _, calls = deploy(place, "ctl", "validator", "list")
    assert any(call.endswith("/app/bin/subnetctl own:1 validator list") for call in calls)


def test_looking_at_a_rotation_changes_nothing(place: Path) -> None:
    done, calls = deploy(place, "--dry-run", "rotate-key", "validator-2")
    assert done.returncode == 0, done.stderr
    assert calls[-1].endswith("rotate-key validator-2 --container --dry-run --home /deployment")
    assert deploy(place, "rotate-key")[0].returncode == 2
