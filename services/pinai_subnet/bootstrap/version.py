"""Which build this is: the package's version and, in a release, the commit it was built from."""

from importlib import metadata
from pathlib import Path

VERSION = metadata.version("pinai-subnet")
"""The installed version, e.g. `0.1.0`."""


def commit() -> str:
    """Return the commit that a release was built from, `development` for everything else."""
    stamp = Path(__file__).with_name("COMMIT")
    return stamp.read_text(encoding="ascii").strip() if stamp.is_file() else "development"


def version_text(program: str) -> str:
    """Return the line that `--version` prints; a release names its commit."""
    return f"{program} {VERSION} ({commit()})"
