"""How the small programs beside the tasks are started: as scripts of a source tree, or as executables of a release."""

import sys
from pathlib import Path

_HERE = Path(__file__).parent


def program(name: str, *flags: str) -> list[str]:
    """Return the command line of `launcher` or `transformer`; `flags` are the interpreter's, where there is one.

    A release has no interpreter: there each program is an executable `task-<name>` beside the one that runs.
    """
    if getattr(sys, "frozen", False):
        return [str(Path(sys.executable).with_name(f"task-{name}"))]
    return [sys.executable, *flags, str(_HERE / f"{name}.py")]
