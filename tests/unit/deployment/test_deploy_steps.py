"""What `deploy.sh` asks the engine for, in which order, and what it leaves alone when something fails."""

from pathlib import Path

import pytest
from tests.unit.deployment.engine import break_at, deploy


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
        "compose step-down validator-2 --home /deployment",
        "validator rotate-key validator-2 --container --wait 600 --home /deployment",
        "compose next-key validator-2 --home /deployment",
        "compose next-key validator-2 --home /deployment",
        "compose take-key validator-2 --home /deployment",
        "stop validator-2",
        "compose carry-record /data/validator-2/signing-record.log 0xformer 0xnew",
        "compose environment --home /deployment",
        "up --detach --no-deps validator-2",
        "up --detach --no-deps matcher",
        "up --detach --no-deps validator-1",
        "compose finish-key validator-2 --home /deployment",
    ]
    seen = [ending for call in calls for ending in {*wanted} if call.endswith(ending)]
    assert seen == ["compose environment --home /deployment", *wanted]
    [carried] = [call for call in calls if "carry-record" in call]
    assert "--read-only --cap-drop ALL" in carried
    assert "--network none --tmpfs /tmp --user 1000:1000" in carried
    assert f"--volume {place}/data/validator-2:/data" in carried
    assert not (place / ".rotating").exists()


STEPS = ("take-key", "stop validator-2", "carry-record", "--no-deps validator-2", "finish-key")


@pytest.mark.parametrize("step", STEPS)
def test_a_rotation_that_broke_off_is_repeated_and_nothing_is_started_before(
    place: Path, step: str
) -> None:
    whole = break_at(place, step)
    assert deploy(place, "rotate-key", "validator-2")[0].returncode != 0
    (place.with_name("bin") / "docker").write_text(whole)
    for verb in ("restart", "upgrade image", "rotate-key validator-1"):
        done, _ = deploy(place, *verb.split())
        assert done.returncode == 78, verb
        assert "SN-H081 the new key of validator-2 is agreed on" in done.stderr
        assert "fix:   ./scripts/deploy.sh rotate-key validator-2" in done.stderr
    place.with_name("calls").unlink()
    done, calls = deploy(place, "up")
    assert done.returncode == 0, done.stderr
    assert "validator-2 is left alone until it has its new key" in done.stderr
    assert [call for call in calls if call.endswith("--remove-orphans matcher validator-1")]
    place.with_name("calls").unlink()
    done, calls = deploy(place, "rotate-key", "validator-2")
    assert done.returncode == 0, done.stderr
    assert not [call for call in calls if "--container" in call], "agreed on already"
    assert [call for call in calls if call.endswith("signing-record.log 0xformer 0xnew")]
    assert [call for call in calls if "compose finish-key validator-2" in call]
    assert not (place / ".rotating").exists()


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


def test_an_image_for_another_architecture_is_refused(place: Path) -> None:
    """Operators row 16."""
    engine = place.with_name("bin") / "docker"
    both = "*Architecture* | *Server.Arch*) echo here"
    each = "*Server.Arch*) echo amd64 ;;\n  *Architecture*) echo arm64"
    engine.write_text(engine.read_text().replace(both, each))
    done, calls = deploy(place, "check")
    assert done.returncode == 78
    assert "SN-H063 the image is for arm64, this engine runs amd64" in done.stderr
    assert "fix:   take the distribution for amd64" in done.stderr
    assert not [call for call in calls if call.startswith("run")]
