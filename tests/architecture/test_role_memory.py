"""A role's process carries what it uses: libraries of other roles and of the command line stay out of its memory."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pinai_subnet.bootstrap.roles import ROLES
from pinai_subnet.runtime.errors import EXIT_CONFIG

START = """
import json, sys
from pinai_subnet.__main__ import main
status = main([*sys.argv[1:]])
print(json.dumps([name for name, module in sys.modules.items() if module is not None]))
sys.exit(status)
"""


def loaded(role: str, nothing: Path) -> set[str]:
    """Return what a fresh process has loaded once it would read the role's configuration, which is not there."""
    done = subprocess.run(
        [sys.executable, "-c", START, role, "--config-dir", str(nothing)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == EXIT_CONFIG, done.stderr
    names = json.loads(done.stdout.splitlines()[-1])
    assert ROLES[role] in names
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize("role", ROLES)
def test_a_role_carries_nothing_that_paints_terminals(role: str, tmp_path: Path) -> None:
    """3 MB of every role, only to colour tracebacks; the command line keeps it."""
    assert not {"rich", "pygments", "typer"} & loaded(role, tmp_path)


def test_a_console_carries_neither_grpc_nor_a_database(tmp_path: Path) -> None:
    """gRPC alone is 10 MB of a process; the console speaks HTTP only."""
    assert not {"grpc", "google", "msgspec", "sqlite3"} & loaded("console", tmp_path)
