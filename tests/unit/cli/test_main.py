"""One command costs what it needs itself: the others are not imported for it."""

import subprocess
import sys

import pytest
from typer.main import get_command

from pinai_subnet.cli.main import COMMANDS, GROUPS, application

ALL = (*COMMANDS, *GROUPS, "version")


def names(words: list[str]) -> set[str]:
    """The commands that the tool has for this command line."""
    return set(get_command(application(words)).commands)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ALL)
def test_a_command_that_is_named_is_there_alone(name: str) -> None:
    assert names([name, "--help"]) == {name, "version"}


@pytest.mark.parametrize("words", [[], ["--help"], ["intnt", "list"]])
def test_without_a_known_name_all_commands_are_there(words: list[str]) -> None:
    assert names(words) == set(ALL)


def test_reading_a_configuration_for_scripts_imports_no_process_and_no_server() -> None:
    code = (
        "import sys; from pinai_subnet.cli.main import application;"
        "application(['compose', 'environment']); print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "pinai_subnet.cli.compose" in loaded
    assert not loaded & {"fastapi", "grpc", "eth_account", "uvicorn", "pinai_subnet.consensus"}
