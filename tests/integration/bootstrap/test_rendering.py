"""`ROLE --render DIR`: the role's files, complete and checked, without a variable left but secrets."""

import re
import stat
import sys
from pathlib import Path

import pytest

from pinai_subnet.__main__ import main
from pinai_subnet.bootstrap.rendering import FILES
from pinai_subnet.bootstrap.roles import ROLES
from pinai_subnet.cli.home import Home
from pinai_subnet.cli.initialise import initialise
from pinai_subnet.cli.local_network import members
from pinai_subnet.cli.ports import PortPlan


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "net")
    initialise(made, validators=3, agents=1, ports=PortPlan.documented(3), subnet_id=None)
    return made


def as_member(home: Home, role: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Become the first member of a role: its environment, its command line."""
    environment = home.environment()
    member = next(one for one in members(environment) if one.role == role)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    for name, source in member.secrets.items():
        monkeypatch.setenv(name, environment[source])
    monkeypatch.setattr(sys, "argv", [role])
    return [] if member.id is None else ["--id", member.id]


@pytest.mark.parametrize("role", ROLES)
def test_a_role_can_be_rendered_and_rendered_again_from_what_was_written(
    role: str, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = as_member(home, role, monkeypatch)
    first, second = tmp_path / "first", tmp_path / "second"
    assert main(["--config-dir", str(home.config), *identity, "--render", str(first)]) == 0
    assert {path.name for path in first.iterdir()} == set(FILES[role])
    assert main(["--config-dir", str(first), *identity, "--render", str(second)]) == 0
    for path in first.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert path.read_text() == (second / path.name).read_text()
        assert set(re.findall(r"\$\{(\w+)", path.read_text())) <= {
            "VALIDATOR_KEY", "MATCHER_PRIVATE_KEY", "AGENT_PRIVATE_KEY",
        }  # fmt: skip


def test_nothing_is_written_where_anything_is_wrong(
    home: Home,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    identity = as_member(home, "validator", monkeypatch)
    monkeypatch.delenv("SUBNET_ID")
    monkeypatch.delenv("MATCHER_ADDRESS")
    target = tmp_path / "out"
    assert main(["--config-dir", str(home.config), *identity, "--render", str(target)]) == 78
    told = capsys.readouterr().err
    assert "SUBNET_ID is not set" in told
    assert "MATCHER_ADDRESS is not set" in told
    assert re.search(rf"where: {home.config}/network\.yaml:\d+ ", told)
    assert not target.exists()
