"""What an upgrade to another data format asks the engine for, in which order; and back from wherever it ended."""

import subprocess
from pathlib import Path

import pytest
from tests.unit.deployment.engine import break_at, deploy, make_place

LABELS = {
    "old:1": {"version": "1.0", "data-format": "1", "oldest-data-format": "1"},
    "new:2": {"version": "2.0", "data-format": "2", "oldest-data-format": "1"},
    "low:0": {"version": "4.0", "data-format": "0", "oldest-data-format": "0"},
    "none:9": {"version": "9.0", "data-format": "", "oldest-data-format": ""},
    "far:3": {"version": "3.0", "data-format": "3", "oldest-data-format": "2"},
}
FAILING = """\
if [ -e "$CALLS.fail" ]; then
  left=$(($(cat "$CALLS.fail") - 1)); echo $left >"$CALLS.fail"; [ $left -ne 0 ] || exit 1
fi
"""
"""Has the engine fail at the call whose number is in a file."""
PROGRAMS = {
    "busybox": '[ "$1" = sync ] || exec "$@"',
    "chown": 'for path; do case $path in -* | *:*) ;; *) [ -e "$path" ] || exit 1 ;; esac; done',
}
"""Of the image: what they do there without a disk to wait for, and without being root."""
DOING = ("run --rm", " stop", " up ", "tag ")
"""Calls that change something, or ask subnetctl; others only look at the engine."""
SERVICES = ("matcher", "validator-1", "validator-2")
Ran = tuple[subprocess.CompletedProcess[str], list[str]]


def prepared(place: Path) -> Path:
    """Return a deployment of version 1 whose engine has images of two later ones; it copies and deletes for real."""
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
    # What runs as root is run here, in the directory that it would be given.
    answers += [
        '  *"--workdir /data --entrypoint sh"* | *"--workdir /deployment --entrypoint sh"*)',
        f'    case "$*" in *"/data --entrypoint"*) cd {place}/data ;; *) cd {place} ;; esac',
        '    while [ "$1" != -c ]; do shift; done; shift; script=$1; shift; shift',
        '    exec sh -c "$script" sh "$@" ;;',
        '  *" migrate "*--dry-run) ;;',
        '  *" migrate "*) [ ! -e "$CALLS.broken" ] || exit 78',
        f"    for file in {place}/data/[mv]*/*/content; do echo format 2 >$file; done ;;",
    ]
    engine = place.with_name("bin") / "docker"
    first = 'case "$*" in\n'
    engine.write_text(
        engine.read_text().replace(first, FAILING + first + "\n".join(answers) + "\n", 1)
    )
    for name, script in PROGRAMS.items():
        program = place.with_name("bin") / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    return place


@pytest.fixture
def place(place: Path) -> Path:
    """A deployment of version 1."""
    return prepared(place)


def content(place: Path, directory: str = ".") -> set[str]:
    found = (place / "data" / directory).glob("*/*/content")
    return {path.read_text().strip() for path in found if not path.parts[-3].startswith("before-")}


def leftovers(place: Path) -> set[str]:
    return {path.name.partition("-2")[0] for path in (place / "data").glob("before-*")}


def failing_at(place: Path, call: int, *words: str) -> bool:
    """Run an upgrade whose engine fails at this call; tell whether it ended well nevertheless."""
    fail = place.with_name("calls.fail")
    fail.write_text(str(call))
    done, _ = upgrade(place, *words)
    fail.unlink()
    return done.returncode == 0


def doing(calls: list[str]) -> list[int]:
    """Return the numbers of the calls that change something."""
    return [n for n, call in enumerate(calls, 1) if any(words in f"{call} " for words in DOING)]


def steps(calls: list[str]) -> list[str]:
    """Return the names of the steps that were seen, in order."""
    known = {
        "stop matcher": "quiet",
        "backup save": "backup",
        " stop\n": "stop",
        "cp -a": "copy",
        " migrate /data/": "convert",
        "/validator-2 --dry-run": "examine",
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
    assert steps(calls) == [
        *("quiet", "backup", "stop", "examine", "copy"),
        *("stop", "convert", "start"),
    ]
    assert content(place, "before-upgrade") == {"format 1"}
    examining, converting = [call for call in calls if " migrate " in call]
    assert examining == f"{converting} --dry-run"
    assert converting.endswith(" ".join(f"/data/{service}" for service in SERVICES))
    assert "--read-only --cap-drop ALL" in converting
    assert "--network none --tmpfs /tmp --user 1000:1000" in converting
    assert " new:2.0-new:2 migrate" in converting, "the new version's"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["new:2"], "2.0 keeps its data in format 2, and the data here, in format 1"),
        (["low:0", "--stop"], "4.0 reads data format 0, the data here is in format 1"),
        (["none:9", "--stop"], "9.0 reads data format unknown, the data here is in format 1"),
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
    assert steps(calls) == ["stop", "convert"], "what was done is not done again"
    (place / "data/matcher/matcher/content").write_text("format 2")
    done, calls = upgrade(place, "--rollback")
    assert done.returncode == 0, done.stderr
    assert steps(calls) == ["stop", "copy", "start"]
    assert content(place) == {"format 1"}
    assert not list((place / "data").glob("before-*")), "nothing of it is worth keeping"
    broken.unlink()
    done, _ = upgrade(place, "new:2", "--stop")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("state", ["done", "failed", "running"])
def test_going_back_after_the_start_costs_a_word_and_keeps_what_came_after(
    place: Path, state: str
) -> None:
    upgrade(place, "new:2", "--stop")
    with (place / ".upgrade/journal").open("a") as journal:
        journal.write(f"state\t{state}\n")
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


@pytest.fixture
def one_of_several(place: Path) -> Path:
    """The same on one of several hosts, upgraded."""
    engine = place.with_name("bin") / "docker"
    several = "HOST_SERVICES=validator-2\\0ROOTLAYER_GRPC"
    engine.write_text(engine.read_text().replace("ROOTLAYER_GRPC", several))
    upgrade(place, "new:2", "--stop")
    return place


def test_on_one_of_several_hosts_a_validator_comes_back_without_its_log(
    one_of_several: Path,
) -> None:
    """The others went on: an old log put back would have forgotten what it acknowledged."""
    done, calls = upgrade(one_of_several, "--rollback", "--i-know")
    assert done.returncode == 0, done.stderr
    wanted = ("step-down", "rejoin-empty", "up --detach")
    done_calls = [call for call in calls if "--dry-run" not in call]
    seen = [words for call in done_calls for words in wanted if words in call]
    assert seen == ["step-down", "step-down", "rejoin-empty", "rejoin-empty", "up --detach"]
    assert "recover" not in steps(calls)
    assert leftovers(one_of_several) == {"before-rollback"}


def test_where_the_others_are_no_majority_nothing_goes_back_but_for_a_restore(
    one_of_several: Path,
) -> None:
    whole = break_at(one_of_several, "step-down")
    done, calls = upgrade(one_of_several, "--rollback", "--i-know")
    assert done.returncode == 1
    assert "SN-H073 validator-1 would begin without a log" in done.stderr
    assert "--rollback --i-know --stopped" in done.stderr
    assert steps(calls) == []
    assert content(one_of_several) == {"format 2"}
    done, calls = upgrade(one_of_several, "--rollback", "--i-know", "--stopped")
    assert done.returncode == 0, done.stderr
    assert steps(calls) == ["stop", "copy", "stop"], "nothing is started"
    assert "everything is stopped; on the first host ./scripts/deploy.sh restore" in done.stderr
    assert content(one_of_several) == {"format 1"}
    (one_of_several.with_name("bin") / "docker").write_text(whole)


def test_the_only_validator_of_several_hosts_to_be_goes_on_from_its_copy(
    one_of_several: Path,
) -> None:
    """Nobody has joined yet, so nobody else has the ledger."""
    engine = one_of_several.with_name("bin") / "docker"
    first = 'case "$*" in\n'
    alone = '  *"rejoin-empty"*--dry-run*) echo \'{"others": 0}\' ;;\n'
    engine.write_text(engine.read_text().replace(first, first + alone, 1))
    done, calls = upgrade(one_of_several, "--rollback", "--i-know")
    assert done.returncode == 0, done.stderr
    assert steps(calls) == ["stop", "copy", "recover", "start"]
    assert content(one_of_several) == {"format 1"}


def test_a_host_without_a_matcher_is_upgraded_too(place: Path) -> None:
    engine = place.with_name("bin") / "docker"
    engine.write_text(
        engine.read_text().replace(
            '"config --services"*) echo matcher; echo validator-1;', '"config --services"*)'
        )
    )
    done, calls = upgrade(place, "new:2", "--stop")
    assert done.returncode == 0, done.stderr
    assert "quiet" not in steps(calls)


def test_what_was_started_by_hand_after_the_copies_were_made_is_not_forgotten(place: Path) -> None:
    """A validator that has signed since: it is asked for, its record stays, and the ledger goes on above."""
    place.with_name("calls.broken").touch()
    record = place / "data/validator-1/validator-1/signing-record.log"
    record.write_text("signed")
    done, _ = upgrade(place, "new:2", "--stop")
    assert "SN-H083" in done.stderr
    for verb in ("approve", "refresh", "move 10.0.0.9", "remove validator-9"):
        done, _ = deploy(place, *verb.split())
        assert done.returncode == 78, verb
        assert "SN-H070" in done.stderr
    record.write_text("signed, and signed again")
    whole = break_at(place, "busybox cmp -s")
    done, _ = upgrade(place, "--rollback")
    assert done.returncode == 1, "not knowing is no answer"
    (place.with_name("bin") / "docker").write_text(whole)
    done, _ = upgrade(place, "--rollback")
    assert done.returncode == 78
    assert "SN-H084" in done.stderr
    done, calls = upgrade(place, "--rollback", "--i-know")
    assert done.returncode == 0, done.stderr
    assert record.read_text() == "signed, and signed again"
    assert "recover" in steps(calls)


def test_looking_at_a_rollback_changes_nothing(one_of_several: Path) -> None:
    done, calls = upgrade(one_of_several, "--rollback", "--i-know", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "would go back: 2.0 -> 1.0" in done.stderr
    assert steps(calls) == []
    assert not [call for call in calls if "step-down" in call]
    assert "rolling-back" not in (one_of_several / ".upgrade/journal").read_text()


def test_an_upgrade_of_one_after_the_other_does_not_stop_on_its_way_back(place: Path) -> None:
    upgrade(place, "new:2", "--stop")
    with (place / ".upgrade/journal").open("a") as journal:
        journal.write("mode\trolling\n")
    done, _ = upgrade(place, "--rollback", "--stopped")
    assert done.returncode == 78
    assert "without --stopped" in done.stderr


def test_a_rollback_that_broke_off_is_repeated(place: Path) -> None:
    upgrade(place, "new:2", "--stop")
    whole = break_at(place, "recover --home")
    done, _ = upgrade(place, "--rollback", "--i-know")
    assert done.returncode != 0
    assert content(place, "before-upgrade") == {"format 1"}, "the copies stay until it has ended"
    (place.with_name("bin") / "docker").write_text(whole)
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
    break_at(place, "step-down")
    place.with_name("calls").unlink()
    done, calls = deploy(place, "rejoin", "validator-2")
    assert done.returncode == 1
    assert not [call for call in calls if "rejoin-empty" in call]
    assert deploy(place, "rejoin")[0].returncode == 2


def test_wherever_an_upgrade_breaks_off_it_goes_on_or_back(tmp_path: Path) -> None:
    """Every call that does something fails once; then it is resumed, or taken back, and all data is of one format."""
    numbers, n = [0], 0
    while numbers:
        n += 1
        for way in (["--resume"], ["--rollback", "--i-know"]):
            place = prepared(make_place(tmp_path / f"{n}{way[0]}"))
            if n == 1:
                numbers = doing(upgrade(place, "new:2", "--stop")[1])
                continue
            if (
                failing_at(place, numbers[0], "new:2", "--stop")
                or not (place / ".upgrade").exists()
            ):
                continue
            done, _ = upgrade(place, *way)
            if "SN-H070" in done.stderr:  # refused by the new version before anything was stopped
                assert content(place) == {"format 1"}, numbers[0]
                continue
            assert done.returncode == 0, (numbers[0], done.stderr)
            if way == ["--resume"]:
                assert content(place) == {"format 2"}, numbers[0]
                assert content(place, "before-upgrade") == {"format 1"}
            else:
                assert content(place) == {"format 1"}, numbers[0]
                assert leftovers(place) <= {"before-rollback"}, numbers[0]
        numbers = numbers[n > 1 :]


def test_wherever_a_rollback_breaks_off_it_can_be_repeated(tmp_path: Path) -> None:
    """Nothing that was signed is forgotten on the way, and nothing is left but what came after."""
    numbers, n = [0], 0
    while numbers:
        n += 1
        place = prepared(make_place(tmp_path / str(n)))
        upgrade(place, "new:2", "--stop")
        records = [place / f"data/{one}/{one}/signing-record.log" for one in SERVICES[1:]]
        for record in records:
            record.write_text("newer")
        if n == 1:
            numbers = doing(upgrade(place, "--rollback", "--i-know")[1])
            continue
        failing_at(place, numbers[0], "--rollback", "--i-know")
        done, _ = upgrade(place, "--rollback", "--i-know")
        if "SN-H070" not in done.stderr:  # the call that failed was not the last word
            assert done.returncode == 0, (numbers[0], done.stderr)
        assert content(place) == {"format 1"}, numbers[0]
        assert {record.read_text() for record in records} == {"newer"}, numbers[0]
        assert leftovers(place) == {"before-rollback"}, numbers[0]
        numbers = numbers[1:]


def test_a_record_that_cannot_be_kept_stops_the_rollback(place: Path) -> None:
    """The other validators' are not enough: an epoch that only this one signed would be signed again."""
    upgrade(place, "new:2", "--stop")
    records = {one: place / f"data/{one}/{one}/signing-record.log" for one in SERVICES[1:]}
    for record in records.values():
        record.write_text("newer")
    copy = place.with_name("bin") / "cp"
    copy.write_text(
        '#!/bin/sh\ncase "$*" in *validator-1/signing-record.next) exit 1 ;; esac\nexec /bin/cp "$@"\n'
    )
    copy.chmod(0o755)
    done, calls = upgrade(place, "--rollback", "--i-know")
    assert done.returncode != 0
    assert "recover" not in steps(calls)
    copy.unlink()
    done, calls = upgrade(place, "--rollback")
    assert done.returncode == 0, done.stderr
    assert {record.read_text() for record in records.values()} == {"newer"}


@pytest.mark.parametrize("broken", ["up --detach", "recover --home"])
def test_a_rollback_that_cannot_end_gives_way_to_a_restore(place: Path, broken: str) -> None:
    upgrade(place, "new:2", "--stop")
    backup = place / "backup.snb"
    backup.touch()
    whole = break_at(place, broken)
    assert upgrade(place, "--rollback", "--i-know")[0].returncode != 0
    (place.with_name("bin") / "docker").write_text(whole)
    done, _ = deploy(place, "up")
    assert "SN-H070" in done.stderr
    done, calls = deploy(place, "restore", str(backup), "--i-know")
    # The start that follows is refused here, where nothing belongs to the user of containers.
    assert done.returncode == 0 or "SN-H003" in done.stderr, done.stderr
    assert "the rollback to 1.0 ends here" in done.stderr
    assert [call for call in calls if "backup restore /file" in call]
    assert not (place / "data/before-upgrade").exists()


def test_what_an_interrupted_one_left_running_is_ended_first(place: Path) -> None:
    engine = place.with_name("bin") / "docker"
    label = f"label=pinai-subnet.work={place}"
    engine.write_text(
        engine.read_text().replace(
            '*"label=pinai-subnet.work="*) ;;', f'*"{label}"*) echo left-1 left-2 ;;', 1
        )
    )
    _, calls = upgrade(place, "new:2", "--stop")
    assert calls[1:3] == ["kill left-1 left-2", "wait left-1 left-2"]
    assert "stop" in steps(calls[3:])
