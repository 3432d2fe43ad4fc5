"""What `deploy.sh check` says of a container engine that is missing something; a script stands in for the engine."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

DEPLOYMENT = Path(__file__).resolve().parents[3] / "deployment"
CONFIGURATION = 78
ENGINE = """#!/bin/sh
case "$*" in
  info*) {info} ;;
  "version --format"*) echo {engine} ;;
  "compose version"*) {compose} ;;
  *) exit 1 ;;
esac
"""
FINE = {"info": "exit 0", "engine": "27.3.1", "compose": "echo 2.29.0"}


@pytest.mark.parametrize(
    ("changed", "words", "fix"),
    [
        (
            {"info": "echo cannot connect >&2; exit 1"},
            "the container engine does not answer",
            "sudo systemctl start docker",
        ),
        (
            {"info": "echo permission denied >&2; exit 1"},
            "may not use the container engine",
            "sudo usermod -aG docker",
        ),
        (
            {"engine": "19.3.0"},
            "Docker 19.3.0 is too old; expected 20.10",
            "sudo apt-get install --only-upgrade docker-ce",
        ),
        (
            {"compose": "echo 2.3.0"},
            "Compose is 2.3.0; expected 2.20",
            "install the Compose plugin",
        ),
        ({"compose": "exit 1"}, "Compose is none; expected 2.20", "install the Compose plugin"),
    ],
)
def test_an_engine_that_cannot_be_used_is_told_with_the_exact_command(
    tmp_path: Path, changed: dict[str, str], words: str, fix: str
) -> None:
    """Operators row 18: code, exit status and fix, before anything else is looked at."""
    deployment, programs = tmp_path / "deployment", tmp_path / "bin"
    shutil.copytree(DEPLOYMENT, deployment, ignore=shutil.ignore_patterns("freeze", "*.md"))
    programs.mkdir()
    docker = programs / "docker"
    docker.write_text(ENGINE.format(**{**FINE, **changed}), encoding="utf-8")
    docker.chmod(0o755)
    done = subprocess.run(
        ["./scripts/deploy.sh", "check"],
        cwd=deployment,
        env={"PATH": f"{programs}:{os.environ['PATH']}", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == CONFIGURATION, done.stderr
    assert "SN-H060" in done.stderr
    assert words in done.stderr
    assert fix in done.stderr
