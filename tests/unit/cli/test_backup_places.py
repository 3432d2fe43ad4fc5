"""Where `subnetctl backup` finds data directories, and what it says of the files in `backups/`."""

import re
from pathlib import Path

import pytest

from pinai_subnet.cli.backup import list_backups
from pinai_subnet.cli.home import Home
from pinai_subnet.cli.initialise import initialise
from pinai_subnet.cli.ports import PortPlan
from pinai_subnet.cli.restoring import targets
from pinai_subnet.cli.session import open_session


@pytest.mark.parametrize(
    ("containers", "place"), [(False, "data/validator-2"), (True, "data/validator-2/validator-2")]
)
def test_processes_share_a_data_directory_and_containers_have_one_each(
    tmp_path: Path, containers: bool, place: str
) -> None:
    home = Home(tmp_path / "home")
    initialise(home, validators=3, agents=0, ports=PortPlan.documented(3), subnet_id=None)
    found = targets(open_session(home.root), containers=containers)
    assert [one.identity.id for one in found] == ["validator-1", "validator-2", "validator-3"]
    assert found[1].path == home.root / place


def test_a_damaged_backup_is_listed_as_that(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "backups").mkdir()
    list_backups(home=tmp_path)
    assert capsys.readouterr().out == "no backups\n"
    (tmp_path / "backups" / "snap-1.snb").write_bytes(b"not a backup")
    list_backups(home=tmp_path)
    assert re.search(r"snap-1\.snb  12 .* SN-R07\d ", capsys.readouterr().out)
