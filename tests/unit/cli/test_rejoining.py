"""A validator that begins without its log: what it signed and its archive stay, nothing is deleted."""

import json
from pathlib import Path

import pytest
from tests.start_kit import Place

from pinai_subnet.cli.main import main
from pinai_subnet.consensus.rejoin import forgot_votes, rejoining
from pinai_subnet.runtime.data_dir import DataDirectory

FAILED, CONFIGURATION = 1, 78


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "home")


def rejoin(place: Place, validator: str) -> int:
    return main(["validator", "rejoin-empty", validator, "--home", str(place.home.root)])


@pytest.mark.parametrize("where", ["validator-2", "validator-2/validator-2"])
def test_a_lost_directory_is_made_and_a_log_is_put_aside(
    place: Place, capsys: pytest.CaptureFixture[str], where: str
) -> None:
    """Directories of processes, and of containers."""
    if "/" in where:
        (place.home.root / "docker").mkdir()
        (place.home.root / "docker/docker-compose.yml").write_text("services: {}\n")
    directory = place.home.data / where
    assert rejoin(place, "validator-2") == 0
    assert rejoining(directory / "log")
    assert forgot_votes(directory / "log")
    stamp = json.loads((directory / "identity.json").read_text())
    assert stamp["node_id"] == "validator-2"
    with DataDirectory.open_former(directory):
        assert rejoin(place, "validator-2") == CONFIGURATION, "not while it runs"
    (directory / "log/0001.seg").write_text("entries")
    (directory / "signing-record.log").write_text("signed")
    (directory / "archive.sqlite").write_text("results")
    assert rejoin(place, "validator-2") == 0
    told = capsys.readouterr().out
    assert "validator-2 begins without a log; what it had is in" in told
    assert [path.read_text() for path in directory.rglob("0001.seg")] == ["entries"]
    assert not (directory / "log/0001.seg").exists()
    assert (directory / "signing-record.log").read_text() == "signed"
    assert (directory / "archive.sqlite").read_text() == "results"


def test_a_validator_of_another_host_is_refused(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    assert rejoin(place, "validator-9") == FAILED
    told = capsys.readouterr().err
    assert "SN-R084" in told
    assert "validator-9 has no key in this home" in told
    assert not place.home.data.exists() or not list(place.home.data.iterdir())


def test_the_only_validator_keeps_its_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody else has its ledger, and without its vote it could never start again."""
    alone = Place(tmp_path / "alone", validators=1)
    home = str(alone.home.root)
    words = ["validator", "rejoin-empty", "validator-1", "--home", home]
    assert main([*words, "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"validator": "validator-1", "others": 0}
    assert rejoin(alone, "validator-1") == FAILED
    assert "SN-R018" in capsys.readouterr().err
    assert not (alone.home.data / "validator-1").exists()
