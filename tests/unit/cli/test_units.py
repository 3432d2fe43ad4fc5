"""What services of a host are given: public variables for all, each key in a file of its own, nothing overwritten."""

import stat
from pathlib import Path

import pytest

from pinai_subnet.cli.home import Home, is_secret
from pinai_subnet.cli.initialise import CONFIG_FILES, initialise
from pinai_subnet.cli.main import main
from pinai_subnet.cli.ports import PortPlan
from pinai_subnet.runtime.dotenv import parse_dotenv


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "net")
    initialise(made, validators=3, agents=1, ports=PortPlan.documented(3), subnet_id=None)
    return made


def files(home: Home, to: Path) -> int:
    return main(["units", "files", "--home", str(home.root), "--to", str(to)])


def test_every_member_gets_its_own_key_and_all_the_same_public_variables(
    home: Home, tmp_path: Path
) -> None:
    to = tmp_path / "etc"
    assert files(home, to) == 0
    environment = home.environment()
    keys = {path.name: path.read_text().strip() for path in (to / "keys").iterdir()}
    assert keys == {
        "matcher.key": environment["MATCHER_PRIVATE_KEY"],
        "agent-1.key": environment["AGENT_PRIVATE_KEY_1"],
        "console.key": environment["CONSOLE_TOKEN"],
        **{f"validator-{n}.key": environment[f"VALIDATOR_KEY_{n}"] for n in (1, 2, 3)},
    }
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o400 for path in (to / "keys").iterdir())
    assert stat.S_IMODE((to / "keys").stat().st_mode) == 0o700
    public = parse_dotenv((to / "network.env").read_bytes(), name="network.env").values
    assert public == {name: text for name, text in environment.items() if not is_secret(name)}
    assert {path.name for path in (to / "config").iterdir()} == {"network.yaml", *CONFIG_FILES}


def test_what_an_operator_has_there_is_kept(home: Home, tmp_path: Path) -> None:
    to = tmp_path / "etc"
    assert files(home, to) == 0
    (to / "config/matcher.yaml").write_text("mine: true\n")
    key = (to / "keys/validator-1.key").read_text()
    env = home.env_file.read_text().replace(key.strip(), "11" * 32)
    home.env_file.write_text(env + 'MOTD="a \\"b\\" c"\n')
    assert files(home, to) == 0
    assert (to / "config/matcher.yaml").read_text() == "mine: true\n"
    assert (to / "keys/validator-1.key").read_text() == key
    assert 'MOTD="a \\"b\\" c"\n' in (to / "network.env").read_text()
