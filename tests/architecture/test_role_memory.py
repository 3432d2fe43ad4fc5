"""A role's process carries what it uses: libraries of other roles and of the command line stay out of its memory."""

import json
import subprocess
import sys

from pinai_subnet.bootstrap.roles import ROLES

IMPORT = """
import importlib, json, sys
importlib.import_module(sys.argv[1])
print(json.dumps(sorted(name for name, module in sys.modules.items() if module is not None)))
"""


def loaded(role: str) -> set[str]:
    """Return the packages that a fresh process has loaded once it could start this role."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORT, ROLES[role]],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    return {name.partition(".")[0] for name in json.loads(done.stdout)}


def test_a_console_carries_neither_grpc_nor_a_database() -> None:
    """gRPC alone is 10 MB of a process; the console speaks HTTP only."""
    assert not {"grpc", "google", "msgspec", "sqlite3"} & loaded("console")
