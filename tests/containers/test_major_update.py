"""To a version that keeps its data in another format, and back: stop, backup, copies, conversion, start.

The version is really built: it has one more migration for three of the databases, and data format 2. One deployment
goes through all of it in the order of this file: refused, killed half way and taken back, a conversion that fails and
is resumed, back with what is lost said first, a version that does not start, and the way back closed.
"""

import json
import os
import re
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.containers.deployment_kit import (
    Deployment,
    built,
    export,
    installed,
    operator_environment,
    unpacked,
)
from tests.containers.kit import docker, get, until
from tests.containers.other_build import MAJOR, MAJOR_VERSION

from pinai_subnet.bootstrap.version import VERSION

pytestmark = pytest.mark.containers

LABEL = "pinai-subnet.work"
CONVERTED = {"registry": "registry", "matcher": "matcher", "validator-1": "archive"}
"""Service to its database that has one more migration."""
WITHOUT_VALIDATORS = """\
FROM {major}:latest
LABEL org.opencontainers.image.version=100.1.0
ENTRYPOINT ["/bin/sh", "-c", "[ \\"$1\\" != validator ] || exit 1; exec /app/entrypoint.sh \\"$@\\"", "sh"]
"""


@pytest.fixture(scope="module")
def deployment(
    image: str, major: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """A network of this commit that runs."""
    place = tmp_path_factory.mktemp("releases")
    present = unpacked(export(place, "--image", image), place)
    running = installed(present, tmp_path_factory.mktemp("server") / "pinai-subnet")
    running.start()
    yield running
    running.remove()


def formats(deployment: Deployment) -> set[int]:
    """Return the formats that the stamps of all data directories name."""
    data = deployment.place / "data"
    stamps = [
        path
        for pattern in ("*/identity.json", "*/*/identity.json")
        for path in data.glob(pattern)
        if not path.relative_to(data).parts[0].startswith("before-")
    ]
    assert len(stamps) == 9
    return {int(json.loads(path.read_text())["format"]) for path in stamps}


def has_migration(data: Path, service: str) -> bool:
    """Tell whether a service's database has what only the new version makes; it is only read."""
    file = data / service / service / f"{CONVERTED[service]}.sqlite"
    with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as database:
        tables = {row[0] for row in database.execute("SELECT name FROM sqlite_master")}
    return "of_format_2" in tables


def runs(deployment: Deployment, version: str, data_format: int) -> None:
    """See that every container runs this version, on data of this format, and that it works."""
    assert set(deployment.versions().values()) == {version}
    assert formats(deployment) == {data_format}
    for service in CONVERTED:
        assert has_migration(deployment.place / "data", service) is (data_format == 2)
    assert deployment.deploy("status").returncode == 0
    deployment.finalised(deployment.submit(b"%s at %d" % (version.encode(), data_format)))


def last_epoch(deployment: Deployment) -> int:
    """Return the highest epoch that RootLayer was given."""
    url, last = f"{deployment.url('rootlayer')}/api/v1/batches?limit=100&after_epoch=", 0
    while page := get(f"{url}{last}")["batches"]:  # type: ignore[index]
        last = max(int(batch["epoch"]) for batch in page)
    return last


def upgrade(
    deployment: Deployment, *words: object, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run deploy.sh upgrade and show what it said."""
    begun = time.monotonic()
    done = deployment.deploy("upgrade", *words, **variables)
    print(f"upgrade {' '.join(map(str, words))}: {time.monotonic() - begun:.1f} s\n{done.stderr}")
    return done


def test_it_takes_a_stop_and_says_so(deployment: Deployment, major: str) -> None:
    """Row 27: with code, exit status and fix; nothing is touched, and the plan says what would be."""
    done = upgrade(deployment, major)
    assert done.returncode == 78
    assert f"SN-H071 {MAJOR_VERSION} keeps its data in format 2" in done.stderr
    assert f"./scripts/deploy.sh upgrade {major} --stop" in done.stderr
    done = upgrade(deployment, major, "--stop", "--plan")
    assert done.returncode == 0
    assert "data format 1 -> 2: converted while everything is stopped" in done.stderr
    assert re.search(
        r"the data, \d+ MB, is copied first, to data/before-upgrade; \d+ MB are free", done.stderr
    )
    assert "backup, stop, copies, conversion, start" in done.stderr
    assert not (deployment.place / ".upgrade").exists()
    runs(deployment, VERSION, 1)


def test_killed_while_data_is_converted_it_goes_back_and_nothing_is_lost(
    deployment: Deployment, major: str
) -> None:
    """Row 38."""
    intent = deployment.submit(b"before the first attempt")
    deployment.finalised(intent)
    index = deployment.ledger_index()
    journal = deployment.place / ".upgrade" / "journal"
    killed = subprocess.Popen(
        ["./scripts/deploy.sh", "upgrade", major, "--stop"],
        cwd=deployment.place, env=operator_environment(), stderr=subprocess.DEVNULL,
    )  # fmt: skip
    until(
        lambda: journal.exists() and "\nconverting\t" in journal.read_text(),
        "it is converted",
        seconds=120,
    )
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()

    for container in docker(
        "ps", "--quiet", "--filter", f"label={LABEL}={deployment.place}"
    ).stdout.split():
        docker("kill", container, check=False)  # the conversion itself, cut in half

    def refused() -> subprocess.CompletedProcess[str] | None:
        done = deployment.deploy("up")
        return None if done.returncode == 75 else done  # what the killed one had started ends first

    done = until(refused, "the lock is free")
    assert done.returncode == 78
    assert "SN-H070" in done.stderr
    done = upgrade(deployment, "--rollback")
    assert done.returncode == 0
    assert f"BACK at {VERSION}; data, keys and configuration are kept" in done.stderr
    runs(deployment, VERSION, 1)
    assert deployment.ledger_index() > index
    assert deployment.status(intent) == "COMPLETED"
    assert not list((deployment.place / "data").glob("before-*"))


def test_damaged_data_is_found_before_anything_is_copied_and_is_resumed_once_the_cause_is_gone(
    deployment: Deployment, major: str
) -> None:
    """Then the update is done: data kept, downtime printed, a backup and copies of before are there."""
    intent = deployment.submit(b"before the update")
    deployment.finalised(intent)
    index = deployment.ledger_index()
    backups = set((deployment.place / "backups").iterdir())
    stamp = deployment.place / "data/agent-3/agent-3/identity.json"
    whole = stamp.read_text()
    stamp.write_text("{")
    done = upgrade(deployment, major, "--stop")
    assert done.returncode == 1
    assert "SN-H006" in done.stderr
    assert (
        f"SN-H083 {MAJOR_VERSION} cannot convert the data; nothing of it was changed" in done.stderr
    )
    assert not (deployment.place / "data/before-upgrade").exists(), "a copy would be as damaged"
    assert not set(deployment.versions().values()) - {VERSION}
    stamp.write_text(whole)
    done = upgrade(deployment, "--resume")
    assert done.returncode == 0
    assert "converted" in done.stderr
    assert re.search(r"stopped and ready again after [\d.]+ s", done.stderr)
    runs(deployment, MAJOR_VERSION, 2)
    assert len(set((deployment.place / "backups").iterdir()) - backups) == 1
    assert deployment.ledger_index() > index
    assert deployment.status(intent) == "COMPLETED"
    for service in CONVERTED:
        assert not has_migration(deployment.place / "data/before-upgrade", service)


def test_going_back_says_first_what_it_costs_and_signs_no_epoch_twice(
    deployment: Deployment,
) -> None:
    done = upgrade(deployment, "--rollback")
    assert done.returncode == 78
    assert "SN-H084 validators have run since 20" in done.stderr
    assert "--rollback --i-know" in done.stderr
    runs(deployment, MAJOR_VERSION, 2)
    after = deployment.submit(b"known to the new version only")
    deployment.finalised(after)
    used = last_epoch(deployment)
    done = upgrade(deployment, "--rollback", "--i-know")
    assert done.returncode == 0
    assert f"BACK at {VERSION} with the data of 20" in done.stderr
    data = deployment.place / "data"
    [aside] = data.glob("before-rollback-*")
    assert has_migration(aside, "registry"), "what came after is kept aside"
    assert not (data / "before-upgrade").exists()
    assert deployment.status(after) == ""
    runs(deployment, VERSION, 1)
    assert last_epoch(deployment) > used, "no number is used again"


def test_a_version_that_does_not_start_is_taken_back(deployment: Deployment, major: str) -> None:
    broken = built(WITHOUT_VALIDATORS.format(major=MAJOR), f"{MAJOR}:broken")
    intent = deployment.submit(b"before the broken one")
    deployment.finalised(intent)
    done = upgrade(deployment, broken, "--stop", READY_SECONDS="20")
    assert done.returncode == 1
    assert "SN-H072" in done.stderr
    assert "upgrade --rollback --i-know" in done.stderr
    assert upgrade(deployment, "--rollback").returncode == 78
    used = last_epoch(deployment)
    done = upgrade(deployment, "--rollback", "--i-know")
    assert done.returncode == 0
    runs(deployment, VERSION, 1)
    assert last_epoch(deployment) > used
    assert deployment.status(intent) == "COMPLETED"


def test_once_the_copies_are_given_up_there_is_no_way_back(
    deployment: Deployment, major: str
) -> None:
    assert upgrade(deployment, major, "--stop").returncode == 0
    done = upgrade(deployment, "--finish")
    assert done.returncode == 0
    assert "deleted data/before-upgrade" in done.stderr
    assert not (deployment.place / "data/before-upgrade").exists()
    done = upgrade(deployment, "--rollback", "--i-know")
    assert done.returncode == 78
    assert "SN-H085" in done.stderr
    runs(deployment, MAJOR_VERSION, 2)
