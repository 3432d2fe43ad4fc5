"""The configuration of one role with its variables filled in, for hosts that keep the filled-in files apart."""

import importlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from pinai_subnet.bootstrap.arguments import Arguments
from pinai_subnet.bootstrap.roles import ROLES
from pinai_subnet.runtime.errors import EXIT_OK, StartupError
from pinai_subnet.runtime.settings import render

FILES: Mapping[str, tuple[str, ...]] = {
    "registry": ("network.yaml", "registry.yaml", "auth_config.yaml"),
    "matcher": ("network.yaml", "matcher.yaml", "auth_config.yaml", "policy_config.yaml"),
    "validator": ("network.yaml", "validator.yaml", "auth_config.yaml", "policy_config.yaml"),
    "simple-agent": ("network.yaml", "agent.yaml"),
    "rootlayer": ("network.yaml", "rootlayer.yaml"),
    "console": ("network.yaml", "console.yaml"),
}
"""Role to the files it reads."""


def render_role(role: str, arguments: Arguments, target: Path) -> int:
    """Check a role's configuration as its start would, then write its files to `target`, each with mode 0600.

    Secrets stay variables: the process finds them in its own environment. Where anything is wrong, every problem is
    told, by file and line of the original, and nothing is written. Returns the exit status.
    """
    try:
        importlib.import_module(ROLES[role]).load(arguments, os.environ)
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in FILES[role]:
            render(arguments.config_dir / name, target / name, environ=os.environ)
    except StartupError as error:
        sys.stderr.write(error.report() + "\n")
        return error.exit_code
    return EXIT_OK
