"""Another version of this project, really built: a changed clone, frozen and packed into an image of its own name."""

import re
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.containers.deployment_kit import run
from tests.containers.kit import ROOT, docker

BUILD_SECONDS = 500
MAJOR, MAJOR_VERSION = "pinai-subnet-major", "100.0.0"
"""A version whose data has format 2: three of the databases have one more migration."""
SOURCES = ("registry/store.py", "matcher/store.py", "validator/archive.py")
MIGRATION = """
MIGRATIONS = (*MIGRATIONS, "CREATE TABLE of_format_2 (number INTEGER); INSERT INTO of_format_2 VALUES (2);")
"""


def build_version(
    clone: Path, *, name: str, version: str, changes: Mapping[str, Callable[[str], str]]
) -> None:
    """Clone what is checked out here, change files of it, commit, build binaries and the image `name`:latest."""
    assert run("git", "clone", "--quiet", ROOT, clone).returncode == 0
    versions = {
        "pyproject.toml": lambda text: re.sub(
            r'(?m)^version = ".*"$', f'version = "{version}"', text, count=1
        )
    }
    for file, change in {**versions, **changes}.items():
        before = (clone / file).read_text()
        (clone / file).write_text(change(before))
        assert (clone / file).read_text() != before, f"{file} is not changed"
    author = ("-c", "user.name=test", "-c", "user.email=test@example.org")
    assert run("git", *author, "commit", "-qam", "Another version", cwd=clone).returncode == 0
    (clone / ".venv").symlink_to(ROOT / ".venv")
    packages = shutil.ignore_patterns("unpacked")
    shutil.copytree(ROOT / "build/apt", clone / "build/apt", symlinks=True, ignore=packages)
    begun = time.monotonic()
    for words in (["scripts/build"], ["deployment/scripts/build-images.sh", "--name", name]):
        done = subprocess.run(
            words, cwd=clone, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    print(f"build of {version}: {time.monotonic() - begun:.0f} s")


def build_major(place: Path) -> str:
    """Build the version whose data has another format; return its image."""
    package = "services/pinai_subnet"
    build_version(
        place / "source",
        name=MAJOR,
        version=MAJOR_VERSION,
        changes={f"{package}/runtime/data_dir.py": _with_format_2}
        | {f"{package}/{file}": lambda text: text + MIGRATION for file in SOURCES},
    )
    return f"{MAJOR}:latest"


def _with_format_2(text: str) -> str:
    return re.sub(r"(?m)^DATA_FORMAT = 1$", "DATA_FORMAT = 2", text)


def remove_images(name: str) -> None:
    """Remove every image of this name."""
    listed = docker("images", "--format", "{{.Repository}}:{{.Tag}}", name).stdout.split()
    docker("image", "rm", "--force", *listed, check=False)
