"""`ROLE --render DIR`: the role runs from files that are complete and checked, without a variable but secrets."""

import importlib
import re
import signal
import stat
import sys
import time
from pathlib import Path

import pytest

from pinai_subnet.__main__ import main
from pinai_subnet.bootstrap.arguments import Arguments
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


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Arguments]:
    """What every role would have been started with."""
    seen: list[Arguments] = []

    def start(arguments: Arguments) -> int:
        seen.append(arguments)
        return 0

    for module in ROLES.values():
        monkeypatch.setattr(importlib.import_module(module), "main", start)
    return seen


@pytest.mark.parametrize("role", ROLES)
def test_a_role_can_be_rendered_and_rendered_again_from_what_was_written(
    role: str,
    home: Home,
    started: list[Arguments],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    identity = as_member(home, role, monkeypatch)
    first, second = tmp_path / "first", tmp_path / "second"
    assert main(["--config-dir", str(home.config), *identity, "--render", str(first)]) == 0
    assert {path.name for path in first.iterdir()} == set(FILES[role])
    assert main(["--config-dir", str(first), *identity, "--render", str(second)]) == 0
    assert [one.config_dir for one in started] == [first, second]
    assert {one.id for one in started} == {identity[1] if identity else None}
    for path in first.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert path.read_text() == (second / path.name).read_text()
        assert set(re.findall(r"\$\{(\w+)", path.read_text())) <= {
            "VALIDATOR_KEY", "MATCHER_PRIVATE_KEY", "AGENT_PRIVATE_KEY", "CONSOLE_TOKEN",
        }  # fmt: skip


def test_nothing_is_written_where_anything_is_wrong(
    home: Home,
    started: list[Arguments],
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
    assert started == []


def test_a_wrong_configuration_is_held_as_long_as_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["registry"])
    terminate, interrupt = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    begun = time.monotonic()
    try:
        assert (
            main(["--config-dir", str(tmp_path), "--render", str(tmp_path), "--hold", "0.2"]) == 78
        )
    finally:
        signal.signal(signal.SIGTERM, terminate)
        signal.signal(signal.SIGINT, interrupt)
    assert time.monotonic() - begun >= 0.2
    assert "registry is not started; looking again in 0.2 s" in capsys.readouterr().err
