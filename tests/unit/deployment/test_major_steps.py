"""What an upgrade to another data format asks the engine for, in which order; and back from wherever it ended."""

import subprocess
from pathlib import Path

import pytest
from tests.unit.deployment.engine import deploy

LABELS = {
    "old:1": {"version": "1.0", "data-format": "1", "oldest-data-format": "1"},
    "new:2": {"version": "2.0", "data-format": "2", "oldest-data-format": "1"},
    "far:3": {"version": "3.0", "data-format": "3", "oldest-data-format": "2"},
}
SERVICES = ("matcher", "validator-1", "validator-2")
Ran = tuple[subprocess.CompletedProcess[str], list[str]]


@pytest.fixture
def place(place: Path) -> Path:
    """A deployment of version 1 whose engine has the images of two later ones; it copies and deletes for real."""
    (place / ".env").write_text("PINAI_IMAGE=old:1\n")
    (place / "config").mkdir()
    (place / "config/network.yaml").write_text("kind: network\n")
    (place / "docker/docker-compose.yml").write_text(
        "".join(f"- ../data/{service}:/app/data\n" for service in SERVICES)
    )
    for service in SERVICES:
        (place / "data" / service / service).mkdir(parents=True)
        (place / "data" / service / service / "content").write_text("format 1")
    answers = [
        f'  *"inspect --format"*{label}*"{image}"*) echo {value} ;;'
        for image, labels in LABELS.items()
        for label, value in labels.items()
        if label != "data-format"
    ]
    answers += [
        f'  *"inspect --format"*"subnet.data-format"*"{image}"*) echo {labels["data-format"]} ;;'
        for image, labels in LABELS.items()
    ]
    answers += [
        f'  *"inspect --format {{{{.Id}}}} {image}"*) echo sha256:{image} ;;' for image in LABELS
    ]
    # What runs in data/ as root is run here, in the directory that it would be given.
    answers += [
        '  *"--workdir /data --entrypoint sh"*)',
        f'    cd {place}/data; while [ "$1" != -c ]; do shift; done; shift; script=$1; shift; shift',
        '    exec sh -c "busybox() { :; }; $script" sh "$@" ;;',
        '  *" migrate "*--dry-run) ;;',
        '  *" migrate "*) [ ! -e "$CALLS.broken" ] || exit 78 ;;',
    ]
    engine = place.with_name("bin") / "docker"
    first = 'case "$*" in\n'
    engine.write_text(engine.read_text().replace(first, first + "\n".join(answers) + "\n", 1))
    return place


def content(place: Path, directory: str = ".") -> set[str]:
    found = (place / "data" / directory).glob("*/*/content")
    return {path.read_text() for path in found if not path.parts[-3].startswith("before-")}


def worked(place: Path) -> None:
    """The new version wrote into every directory."""
    for path in (place / "data").glob("*/*/content"):
        if not path.parts[-3].startswith("before-"):
            path.write_text("format 2")


def steps(calls: list[str]) -> list[str]:
    """Return the names of the steps that were seen, in order."""
    known = {
        "stop matcher": "quiet",
        "backup save": "backup",
        " stop\n": "stop",
        "cp -a": "copy",
        " migrate /data/": "convert",
        "--dry-run": "examine",
        "up --detach": "start",
        "recover --home": "recover",
        "compose prove": "prove",
    }
    found = [[name for words, name in known.items() if words in call + "\n"] for call in calls]
    seen = [names[-1] for names in found if names]
    return [one for place, one in enumerate(seen) if place == 0 or seen[place - 1] != one]


def upgrade(place: Path, *words: str) -> Ran:
    place.with_name("calls").unlink(missing_ok=True)
    return deploy(place, "upgrade", *words)


def test_everything_is_stopped_and_copied_before_anything_is_converted(place: Path) -> None:
    done, calls = upgrade(place, "new:2", "--stop")
    assert done.returncode == 0, done.stderr
    assert steps(calls) == ["quiet", "backup", "stop", "examine", "copy", "convert", "start"]
    assert content(place, "before-upgrade") == {"format 1"}
    examining, converting = [call for call in calls if " migrate " in call]
    assert examining == f"{converting} --dry-run"
    assert converting.endswith(" ".join(f"/data/{service}" for service in SERVICES))
    assert "--network none --read-only" in converting
    assert "--user 1000:1000 --cap-drop ALL" in converting
    assert " new:2.0-new:2 migrate" in converting, "the new version's"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["new:2"], "2.0 keeps its data in format 2, and the data here, in format 1"),
        (["far:3", "--stop"], "3.0 converts data from format 2 on, the data here is in format 1"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything(
    place: Path, words: list[str], told: str
) -> None:
    """Row 27."""
    done, calls = upgrade(place, *words)
    assert done.returncode == 78
    assert f"SN-H071 {told}" in done.stderr
    assert "fix:" in done.stderr
    assert steps(calls) == []
    assert not (place / ".upgrade").exists()


def test_without_room_for_the_copies_nothing_is_begun(place: Path) -> None:
    small = place.with_name("bin") / "df"
    small.write_text("#!/bin/sh\necho; echo none 9 9 100 9 /\n")
    small.chmod(0o755)
    done, calls = upgrade(place, "new:2", "--stop")
    assert done.returncode == 78
    assert "SN-V106 only 100 MB are free" in done.stderr
    assert steps(calls) == []
    assert not (place / ".upgrade").exists()


def test_a_conversion_that_fails_can_be_resumed_or_taken_back(place: Path) -> None:
    broken = place.with_name("calls.broken")
    broken.touch()
    done, calls = upgrade(place, "new:2", "--stop")
    assert done.returncode == 1
    assert "SN-H083" in done.stderr
    assert steps(calls)[-1] == "convert", "nothing was started"
    done, calls = upgrade(place, "--resume")
    assert done.returncode == 1
    assert steps(calls) == ["convert"], "what was done is not done again"
    worked(place)  # a part of it, for all that is known
    done, calls = upgrade(place, "--rollback")
    assert done.returncode == 0, done.stderr
    assert steps(calls) == ["stop", "copy", "start"]
    assert content(place) == {"format 1"}
    assert not list((place / "data").glob("before-*")), "nothing of it is worth keeping"
    broken.unlink()
    done, _ = upgrade(place, "new:2", "--stop")
    assert done.returncode == 0, done.stderr


def test_going_back_later_costs_a_word_and_keeps_what_came_after(place: Path) -> None:
    upgrade(place, "new:2", "--stop")
    worked(place)
    for validator in ("validator-1", "validator-2"):
        (place / "data" / validator / validator / "signing-record.log").write_text("newer")
    done, calls = upgrade(place, "--rollback")
    assert done.returncode == 78
    assert "SN-H084" in done.stderr
    assert steps(calls) == []
    done, calls = upgrade(place, "--rollback", "--i-know")
    assert done.returncode == 0, done.stderr
    assert steps(calls) == ["stop", "copy", "recover", "start"]
    assert content(place) == {"format 1"}
    record = place / "data/validator-2/validator-2/signing-record.log"
    assert record.read_text() == "newer", "what was signed since then stays known"
    [aside] = (place / "data").glob("before-rollback-*")
    assert content(place, aside.name) == {"format 2"}
    assert not (place / "data/before-upgrade").exists()


def test_on_one_of_several_hosts_a_validator_comes_back_without_its_log(place: Path) -> None:
    """The others went on: an old log put back would have forgotten what it acknowledged."""
    engine = place.with_name("bin") / "docker"
    engine.write_text(
        engine.read_text().replace("ROOTLAYER_GRPC", "HOST_SERVICES=validator-2\\0ROOTLAYER_GRPC")
    )
    upgrade(place, "new:2", "--stop")
    done, calls = upgrade(place, "--rollback", "--i-know")
    assert done.returncode == 0, done.stderr
    assert [call.split()[-3] for call in calls if "rejoin-empty" in call] == list(SERVICES[1:])
    assert "recover" not in steps(calls)


def test_a_rollback_that_broke_off_is_repeated(place: Path) -> None:
    upgrade(place, "new:2", "--stop")
    worked(place)
    engine = place.with_name("bin") / "docker"
    whole = engine.read_text()
    engine.write_text(
        whole.replace('case "$*" in\n', 'case "$*" in\n  *"recover --home"*) exit 1 ;;\n', 1)
    )
    done, _ = upgrade(place, "--rollback", "--i-know")
    assert done.returncode != 0
    assert content(place, "before-upgrade") == {"format 1"}, "the copies stay until it has ended"
    engine.write_text(whole)
    done, calls = upgrade(place, "--rollback")
    assert done.returncode == 0, done.stderr
    assert "recover" in steps(calls)
    assert content(place) == {"format 1"}
    [aside] = (place / "data").glob("before-rollback-*")
    assert content(place, aside.name) == {"format 2"}


@pytest.mark.parametrize(
    "closing", [["upgrade", "--finish"], ["reset", "--yes", "--down", "--i-know"]]
)
def test_the_way_back_is_closed_by_what_it_does_not_fit(place: Path, closing: list[str]) -> None:
    upgrade(place, "new:2", "--stop")
    done, _ = deploy(place, *closing)
    assert done.returncode == 0, done.stderr
    assert "delete" in done.stderr
    assert not (place / "data/before-upgrade").exists()
    done, calls = upgrade(place, "--rollback", "--i-know")
    assert done.returncode == 78
    assert "SN-H085" in done.stderr
    assert steps(calls) == []


def test_a_validator_without_its_data_comes_back_where_it_can_be_spared(place: Path) -> None:
    done, calls = deploy(place, "rejoin", "validator-2")
    assert done.returncode == 0, done.stderr
    wanted = ("step-down", "stop validator-2", "rejoin-empty", "--no-deps validator-2")
    assert [words for call in calls for words in wanted if words in call] == list(wanted)
    engine = place.with_name("bin") / "docker"
    engine.write_text(
        engine.read_text().replace('case "$*" in\n', 'case "$*" in\n  *step-down*) exit 1 ;;\n', 1)
    )
    place.with_name("calls").unlink()
    done, calls = deploy(place, "rejoin", "validator-2")
    assert done.returncode == 1
    assert not [call for call in calls if "rejoin-empty" in call]
    assert deploy(place, "rejoin")[0].returncode == 2
