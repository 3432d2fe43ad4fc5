"""How a process of a role is started by another one of ours: the module of a source tree, or a release's executable."""

import sys
from pathlib import Path


def role_command(role: str) -> list[str]:
    """Return the command line that runs a role, e.g. `validator`, with the same build as this process."""
    if getattr(sys, "frozen", False):
        return [str(Path(sys.executable).with_name(role))]
    return [sys.executable, "-m", "pinai_subnet", role]
