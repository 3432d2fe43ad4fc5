"""The configuration of one role with its variables filled in, for hosts that keep the filled-in files apart."""

import importlib
import os
from collections.abc import Mapping
from pathlib import Path

from pinai_subnet.bootstrap.arguments import Arguments
from pinai_subnet.runtime.settings import render

ROLES: Mapping[str, str] = {
    "registry": "pinai_subnet.bootstrap.registry",
    "matcher": "pinai_subnet.bootstrap.matcher",
    "validator": "pinai_subnet.bootstrap.validator",
    "simple-agent": "pinai_subnet.bootstrap.agent",
    "rootlayer": "pinai_subnet.bootstrap.rootlayer",
}
"""Role to the module that runs it. Only the chosen one is imported: a registry does not pay for a validator."""

FILES: Mapping[str, tuple[str, ...]] = {
    "registry": ("network.yaml", "registry.yaml", "auth_config.yaml"),
    "matcher": ("network.yaml", "matcher.yaml", "auth_config.yaml", "policy_config.yaml"),
    "validator": ("network.yaml", "validator.yaml", "auth_config.yaml", "policy_config.yaml"),
    "simple-agent": ("network.yaml", "agent.yaml"),
    "rootlayer": ("network.yaml", "rootlayer.yaml"),
}
"""Role to the files it reads."""


def render_role(role: str, arguments: Arguments, target: Path) -> None:
    """Check a role's configuration as its start would, then write its files to `target`, each with mode 0600.

    Secrets stay variables: the process finds them in its own environment. Raises `StartupError` with every problem,
    named by file and line of the original; then nothing is written.
    """
    importlib.import_module(ROLES[role]).load(arguments, os.environ)
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in FILES[role]:
        render(arguments.config_dir / name, target / name, environ=os.environ)
