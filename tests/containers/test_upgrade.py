"""From one build to the next on a living network, and back: under load, interrupted, and with one that is broken.

One deployment goes through all of it in the order of this file: to the next version, back, again, then to versions
that fail or are refused, then all at once. Order, time of each step and unavailability are printed.
"""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.containers.deployment_kit import (
    RELABELLED,
    Deployment,
    Load,
    built,
    edited,
    export,
    installed,
    operator_environment,
    unpacked,
)
from tests.containers.kit import docker, until
from tests.containers.other_build import build_version, remove_images

from pinai_subnet.bootstrap.version import VERSION

pytestmark = pytest.mark.containers

NEXT, NEXT_VERSION = "pinai-subnet-next", "99.0.0"
SERVICES = {
    *("rootlayer", "registry", "matcher", "validator-1", "validator-2", "validator-3"),
    *("agent-1", "agent-2", "agent-3", "console"),
}
BROKEN = """\
FROM {next}:latest
LABEL org.opencontainers.image.version=99.1.0
ENTRYPOINT ["/bin/sh", "-c", "[ \\"$1\\" != validator ] || exit 1; exec /app/entrypoint.sh \\"$@\\"", "sh"]
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Releases:
    """What there is to install: tarballs of this commit and of the next version."""

    present: Path
    next: Path
    unpacked: Path


@pytest.fixture(scope="module")
def releases(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Releases]:
    """A distribution of this commit, and one of a real second build with another version and a new variable."""
    place = tmp_path_factory.mktemp("releases")
    present = export(place, "--image", image)
    clone = tmp_path_factory.mktemp("next") / "source"
    new = "NEW_IN_NEXT=5                    # a variable of the next version\n"
    build_version(
        clone,
        name=NEXT,
        version=NEXT_VERSION,
        changes={"deployment/.env.example": lambda text: text + new},
    )
    following = export(place / "next", "--image", f"{NEXT}:latest", root=clone)
    shutil.rmtree(clone)
    yield Releases(present=present, next=following, unpacked=unpacked(present, place))
    remove_images(NEXT)


@pytest.fixture(scope="module")
def deployment(
    releases: Releases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """A network of this commit that runs."""
    running = installed(releases.unpacked, tmp_path_factory.mktemp("server") / "pinai-subnet")
    running.start()
    yield running
    running.remove()


def everything_runs(deployment: Deployment, version: str) -> None:
    assert deployment.versions() == dict.fromkeys(SERVICES, version)


def upgraded_under_load(deployment: Deployment, *words: object) -> subprocess.CompletedProcess[str]:
    """Upgrade while intents come in; every one of them is completed."""
    begun = time.monotonic()
    with Load(deployment=deployment) as load:
        done = deployment.deploy("upgrade", *words)
    seconds = time.monotonic() - begun
    assert done.returncode == 0, done.stdout + done.stderr
    print(done.stderr)
    results = load.results()
    print(f"{seconds:.0f} s, intents: {results}, handed in again {load.again} times")
    assert set(results) == {"COMPLETED"}
    return done


def test_a_plan_shows_everything_and_changes_nothing(
    deployment: Deployment, releases: Releases
) -> None:
    before = (deployment.place / ".env").read_bytes()
    files = sorted(path.name for path in deployment.place.iterdir())
    done = deployment.deploy("upgrade", releases.next, "--plan")
    assert done.returncode == 0, done.stderr
    print(done.stderr)
    assert f"{VERSION} (" in done.stderr
    assert f"-> {NEXT_VERSION} (" in done.stderr
    assert "data format 1 -> 1" in done.stderr
    assert ".env: 1 new (NEW_IN_NEXT)" in done.stderr
    order = re.search(r"order: (.*)", done.stderr)[1].split()  # type: ignore[index]
    assert set(order) == SERVICES
    assert order[-1].startswith("validator-")
    assert f"{order[-1]} leads and comes last" in done.stderr
    assert (deployment.place / ".env").read_bytes() == before
    assert sorted(path.name for path in deployment.place.iterdir()) == files
    everything_runs(deployment, VERSION)


def test_a_damaged_distribution_is_refused_before_anything(
    deployment: Deployment, releases: Releases, tmp_path: Path
) -> None:
    """Row 17."""
    copy = tmp_path / releases.next.name
    content = bytearray(releases.next.read_bytes())
    content[len(content) // 2] ^= 1
    copy.write_bytes(content)
    done = deployment.deploy("upgrade", copy)
    assert done.returncode == 78
    assert "SN-H064" in done.stderr
    assert "fix:" in done.stderr
    assert not (deployment.place / ".upgrade").exists()


def test_no_intent_fails_while_the_network_is_upgraded(
    deployment: Deployment, releases: Releases
) -> None:
    """One at a time, the leader last; variables that are new are added, everything else is kept."""
    intent = deployment.submit(b"before")
    deployment.finalised(intent)
    before = (deployment.place / ".env").read_text()
    done = upgraded_under_load(deployment, releases.next)
    everything_runs(deployment, NEXT_VERSION)
    steps = re.findall(rf"(\S+) runs {re.escape(NEXT_VERSION)}; away for [\d.]+ s", done.stderr)
    assert set(steps) == SERVICES
    # Under load another may lead by then than the plan says: whoever does when its turn comes hands over first.
    assert re.search(r"validator-\d handed leadership over to validator-\d", done.stderr)
    assert steps.index("matcher") > steps.index(
        sorted({"validator-1", "validator-2", "validator-3"} - {steps[-1]})[1]
    )
    measured = re.search(r"measured unavailability: .*agreement ([\d.]+) s", done.stderr)
    assert measured is not None
    assert float(measured[1]) < 2.0
    env = (deployment.place / ".env").read_text()
    lost = set(before.splitlines()) - set(env.splitlines())
    assert [line for line in lost if not line.startswith("PINAI_IMAGE=")] == []
    assert "\nNEW_IN_NEXT=5\n" in env
    assert f"\nPINAI_IMAGE={NEXT}:{NEXT_VERSION}-" in env
    assert (deployment.place / ".env").stat().st_mode & 0o777 == 0o600
    assert "NEW_IN_NEXT" not in (deployment.place / ".env.bak").read_text()
    assert NEXT_VERSION in (deployment.place / "manifest.json").read_text()
    assert deployment.status(intent) == "COMPLETED"
    assert list((deployment.place / "backups").glob("*.snb")), "a backup was taken first"


def test_an_older_version_is_refused(deployment: Deployment, releases: Releases) -> None:
    """Row 27."""
    done = deployment.deploy("upgrade", releases.present)
    assert done.returncode == 78
    assert f"SN-H071 {VERSION} is older than {NEXT_VERSION}" in done.stderr
    everything_runs(deployment, NEXT_VERSION)


def test_an_upgrade_can_be_taken_back(deployment: Deployment) -> None:
    """What the upgrade added to .env goes; what the operator changed since, a new key for example, stays."""
    with (deployment.place / ".env").open("a") as env:
        env.write("OF_THE_OPERATOR=1\n")
    done = upgraded_under_load(deployment, "--rollback")
    assert f"BACK at {VERSION}" in done.stderr
    everything_runs(deployment, VERSION)
    env_now = (deployment.place / ".env").read_text()
    assert "NEW_IN_NEXT" not in env_now
    assert "\nOF_THE_OPERATOR=1\n" in env_now
    assert f'"version": "{VERSION}"' in (deployment.place / "manifest.json").read_text()
    done = deployment.deploy("upgrade", "--rollback")
    assert done.returncode == 78
    assert "SN-H070" in done.stderr


def test_what_was_killed_in_the_middle_is_resumed(
    deployment: Deployment, releases: Releases
) -> None:
    """Row 38: two versions run side by side and work; other verbs are refused until it is finished."""
    journal = deployment.place / ".upgrade" / "journal"
    killed = subprocess.Popen(
        ["./scripts/deploy.sh", "upgrade", str(releases.next)],
        cwd=deployment.place, env=operator_environment(), stderr=subprocess.DEVNULL,
    )  # fmt: skip

    def second_is_taken() -> bool:
        return journal.exists() and journal.read_text().count("\ntaken\t") == 2

    until(second_is_taken, "the second validator is taken")
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()

    def refused() -> subprocess.CompletedProcess[str] | None:
        done = deployment.deploy("up")
        return None if done.returncode == 75 else done  # what the killed one had started ends first

    done = until(refused, "the lock is free")
    assert done.returncode == 78
    assert f"SN-H070 the upgrade from {VERSION} to {NEXT_VERSION} is not finished" in done.stderr
    assert "upgrade --resume" in done.stderr
    assert set(deployment.versions().values()) == {VERSION, NEXT_VERSION}
    deployment.finalised(deployment.submit(b"two versions side by side"))
    taken = [line for line in journal.read_text().splitlines() if line.startswith("upgraded")]

    done = upgraded_under_load(deployment, "--resume")
    for line in taken:
        assert f"{line.partition(chr(9))[2]} runs" not in done.stderr, "not taken a second time"
    everything_runs(deployment, NEXT_VERSION)
    assert deployment.deploy("status").returncode == 0


def test_a_version_that_does_not_start_goes_back_and_the_network_stays_ready(
    deployment: Deployment,
) -> None:
    """The first validator that does not get ready ends it; the others were never touched."""
    broken = built(BROKEN.format(next=NEXT), f"{NEXT}:broken")
    done = deployment.deploy("upgrade", broken, READY_SECONDS="40")
    assert done.returncode == 1, done.stderr
    print(done.stderr)
    assert re.search(r"SN-H072 validator-\d was not ready with 99.1.0 within 40 s", done.stderr)
    assert f"it runs {NEXT_VERSION} again and is ready" in done.stderr
    assert "upgrade --rollback" in done.stderr
    everything_runs(deployment, NEXT_VERSION)
    deployment.finalised(deployment.submit(b"after a failed upgrade"))
    done = deployment.deploy("upgrade", "--rollback")
    assert done.returncode == 0, done.stderr
    assert deployment.deploy("status").returncode == 0


def test_a_configuration_that_the_new_version_refuses_stops_it_before_anything_is_restarted(
    deployment: Deployment,
) -> None:
    image = built(RELABELLED.format(next=NEXT, version="99.2.0", data_format=1), f"{NEXT}:later")
    with edited(
        deployment.place / "config/matcher.yaml", {"bidding_window_seconds:": "bid_window_seconds:"}
    ):
        done = deployment.deploy("upgrade", image)
    assert done.returncode == 78
    assert "SN-C004" in done.stderr
    assert "nothing was restarted" in done.stderr
    everything_runs(deployment, NEXT_VERSION)


def test_a_validator_that_cannot_be_spared_is_not_taken(deployment: Deployment) -> None:
    """Row 30: with one validator away, nobody takes another."""
    docker("stop", deployment.container("validator-3"))
    done = deployment.deploy("upgrade", f"{NEXT}:later")
    assert done.returncode == 1, done.stderr
    assert "SN-H073" in done.stderr
    docker("start", deployment.container("validator-3"))
    done = deployment.deploy("upgrade", "--rollback")
    assert done.returncode == 0, done.stderr
    everything_runs(deployment, NEXT_VERSION)


def test_everything_at_once_with_a_backup_first(deployment: Deployment) -> None:
    """The same data format, so nothing is copied or converted; where it differs: `test_major_update`."""
    before = deployment.submit(b"before the stop")
    deployment.finalised(before)
    saved = set((deployment.place / "backups").iterdir())
    done = deployment.deploy("upgrade", f"{NEXT}:later", "--stop")
    assert done.returncode == 0, done.stderr
    print(done.stderr)
    assert re.search(r"stopped and ready again after [\d.]+ s", done.stderr)
    assert len(set((deployment.place / "backups").iterdir()) - saved) == 1
    everything_runs(deployment, "99.2.0")
    assert deployment.status(before) == "COMPLETED"
    deployment.finalised(deployment.submit(b"after the stop"))


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("config/matcher.yaml", {"bidding_window_seconds: ": "bidding_window_seconds:  "}),
        (".env", {"THRESHOLD_NUM=2\n": "THRESHOLD_NUM=2\nLOG_LEVEL=DEBUG\n"}),
    ],
)
def test_a_change_of_configuration_or_env_costs_a_restart_of_one_service(
    deployment: Deployment, file: str, change: dict[str, str]
) -> None:
    """The two small updates of the contract: data kept, the time away printed."""
    before = deployment.submit(b"before the change")
    deployment.finalised(before)
    index = deployment.ledger_index()
    with edited(deployment.place / file, change):
        done = deployment.deploy("restart", "matcher", "validator-2")
    assert done.returncode == 0, done.stderr
    away = re.findall(r"(\S+) away for ([\d.]+) s", done.stderr)
    print(f"{file}: {away}")
    assert [service for service, _ in away] == ["matcher", "validator-2"]
    assert deployment.ledger_index() >= index
    assert deployment.status(before) == "COMPLETED"
    deployment.finalised(deployment.submit(b"after the change"))
