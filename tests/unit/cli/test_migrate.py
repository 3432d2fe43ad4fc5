"""`subnetctl migrate`: what processes left is converted when an operator says so, all of it or, refused, none of it."""

import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest

from pinai_subnet.cli import migrate
from pinai_subnet.cli.main import main
from pinai_subnet.runtime import data_dir
from pinai_subnet.runtime.data_dir import STAMP, DataDirectory, Identity
from pinai_subnet.runtime.errors import StartupError
from pinai_subnet.runtime.sqlite_file import convert_database

CONFIGURATION = 78
MEMBERS = (
    ("registry", "registry/registry", "registry"),
    ("matcher", "matcher", "matcher-1"),
    ("validator", "validator-1/validator-1", "validator-1"),
    ("simple-agent", "agent-1/agent-1", "agent-1"),
    ("rootlayer", "rootlayer", "rootlayer"),
)
"""Role, directory, node: both ways in which directories of processes and of containers lie."""
ADDED = "CREATE TABLE of_format_2 (number INTEGER)"


def identity(role: str, node: str) -> Identity:
    return Identity(subnet_id="0x07", role=role, node_id=node)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The data of every role, as the present version leaves it."""
    place = tmp_path / "data"
    for role, directory, node in MEMBERS:
        with DataDirectory.open(place / directory, identity=identity(role, node)) as opened:
            name, migrations = migrate.DATABASES[role]
            convert_database(opened.file(name), migrations, str(opened.identity))
    return place


@pytest.fixture
def next_version(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on this is a version with another format and one more migration for every database."""
    monkeypatch.setattr(data_dir, "DATA_FORMAT", 2)
    monkeypatch.setattr(migrate, "DATA_FORMAT", 2)
    added = {role: (name, (*known, ADDED)) for role, (name, known) in migrate.DATABASES.items()}
    monkeypatch.setattr(migrate, "DATABASES", added)


def formats(data: Path) -> dict[str, tuple[int, bool]]:
    """Return of each directory its format, and whether its database was converted."""
    found = {}
    for role, directory, _ in MEMBERS:
        stamp = json.loads((data / directory / STAMP).read_text())
        with sqlite3.connect(data / directory / migrate.DATABASES[role][0]) as database:
            tables: Sequence[tuple[str]] = database.execute(
                "SELECT name FROM sqlite_master"
            ).fetchall()
        found[role] = (int(stamp["format"]), ("of_format_2",) in tables)
    return found


ALL_OLD = {role: (1, False) for role, _, _ in MEMBERS}
ALL_NEW = {role: (2, True) for role, _, _ in MEMBERS}


@pytest.mark.usefixtures("next_version")
def test_every_role_is_converted_and_once_only(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["migrate", str(data), "--dry-run", "--json"]) == 0
    planned = json.loads(capsys.readouterr().out)
    assert {one["from"] for one in planned["to_convert"]} == {1}
    assert "matcher matcher-1 of subnet 0x07" in {one["owner"] for one in planned["to_convert"]}
    assert len(planned["to_convert"]) == len(MEMBERS)
    assert formats(data) == ALL_OLD
    assert main(["migrate", str(data)]) == 0
    told = capsys.readouterr()
    assert "converted 5 of 5 directories to data format 2" in told.out
    assert "/matcher: data format 1 -> 2" in told.err
    assert formats(data) == ALL_NEW
    assert main(["migrate", str(data)]) == 0
    assert "converted 0 of 5 directories" in capsys.readouterr().out


@pytest.mark.usefixtures("next_version")
def test_nothing_starts_on_data_that_was_not_converted(data: Path) -> None:
    with pytest.raises(StartupError) as caught:
        DataDirectory.open(data / "matcher", identity=identity("matcher", "matcher-1"))
    (problem,) = caught.value.problems
    assert problem.code == "SN-H086"
    assert "has data format 1" in problem.message
    assert "deploy.sh upgrade IMAGE --stop" in problem.fix
    assert "subnetctl migrate" in problem.fix
    assert formats(data) == ALL_OLD
    main(["migrate", str(data)])
    DataDirectory.open(data / "matcher", identity=identity("matcher", "matcher-1")).close()


def test_the_former_version_refuses_what_was_converted(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row 27."""
    with monkeypatch.context() as patched:
        patched.setattr(data_dir, "DATA_FORMAT", 2)
        patched.setattr(migrate, "DATA_FORMAT", 2)
        assert main(["migrate", str(data)]) == 0
    with pytest.raises(StartupError, match="SN-H005"):
        DataDirectory.open(data / "matcher", identity=identity("matcher", "matcher-1"))
    assert main(["migrate", str(data)]) == CONFIGURATION, "it does not convert backwards either"


@pytest.mark.usefixtures("next_version")
def test_nothing_is_converted_while_one_of_them_is_used_or_damaged(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = data / "rootlayer"
    holder = DataDirectory.open_former(path)
    assert main(["migrate", str(data)]) == CONFIGURATION
    assert "SN-H010" in capsys.readouterr().err
    holder.close()
    whole = (path / STAMP).read_text()
    (path / STAMP).write_text("{")
    assert main(["migrate", str(data)]) == CONFIGURATION
    assert "SN-H006" in capsys.readouterr().err
    (path / STAMP).write_text(whole.replace('"format": 1', '"format": "new"'))
    assert main(["migrate", str(data)]) == CONFIGURATION
    assert "SN-H005" in capsys.readouterr().err
    (path / STAMP).write_text(whole)
    assert formats(data) == ALL_OLD


@pytest.mark.usefixtures("next_version")
def test_a_migration_that_fails_leaves_its_directory_as_it_was_and_can_be_repeated(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name, known = migrate.DATABASES["registry"]
    with monkeypatch.context() as patched:
        broken = {**migrate.DATABASES, "registry": (name, (*known[:-1], ADDED + "; nonsense"))}
        patched.setattr(migrate, "DATABASES", broken)
        assert main(["migrate", str(data)]) == CONFIGURATION
        assert "SN-H007" in capsys.readouterr().err
        assert formats(data)["registry"] == (1, False)
    assert main(["migrate", str(data)]) == 0
    assert formats(data) == ALL_NEW


@pytest.mark.usefixtures("next_version")
def test_copies_of_an_earlier_time_are_left_alone(data: Path) -> None:
    (data / "before-upgrade").mkdir()
    (data / "matcher").rename(data / "before-upgrade/matcher")
    stamp = data / "before-upgrade/matcher" / STAMP
    before = stamp.read_text()
    (data / "lost+found").mkdir(mode=0)
    assert main(["migrate", str(data)]) == 0
    assert stamp.read_text() == before


def test_a_place_without_data_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    assert main(["migrate", str(tmp_path / "empty")]) == CONFIGURATION
    told = capsys.readouterr().err
    assert "SN-H003" in told
    assert str(tmp_path / "empty") in told
