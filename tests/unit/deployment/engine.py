"""`deploy.sh` beside an engine that runs nothing and notes what it is asked for. Not a test."""

import os
import subprocess
from pathlib import Path

DEPLOYMENT = Path(__file__).resolve().parents[3] / "deployment"
ENGINE = """#!/bin/sh
echo "$*" >>"$CALLS"
case "$*" in
  *"label=pinai-subnet.work="*) ;;
  *"compose environment"*) printf 'ROOTLAYER_GRPC=a:1\\0ROOTLAYER_HTTP=a:2\\0' ;;
  *"compose next-key"*) echo 0xformer 0xnew ;;
  *"compose order"*) echo matcher; echo validator-2; echo validator-1 ;;
  *"config --services"*) echo matcher; echo validator-1; echo validator-2 ;;
  *"validator list"*) echo "$*"; cat; exit 3 ;;
  *Architecture* | *Server.Arch*) echo here ;;
  *Healthcheck*) echo "CMD true" ;;
  version*) echo 27.3.1 ;;
  "compose version"*) echo 2.29.0 ;;
  *"ps --all --format"*) echo matcher; echo validator-1; echo validator-2 ;;
  *"ps --quiet"*) echo container ;;
esac
"""
"""What stands in for the container engine: it notes what it is asked for."""


def make_place(tmp_path: Path) -> Path:
    """Return a deployment's directory, with such an engine beside it."""
    made = tmp_path / "place"
    (made / "scripts/lib").mkdir(parents=True)
    for file in (DEPLOYMENT / "scripts").rglob("*.sh"):
        (made / file.relative_to(DEPLOYMENT)).write_bytes(file.read_bytes())
    (made / "scripts/deploy.sh").chmod(0o755)
    (made / ".env").touch(0o600)
    (made / "docker").mkdir()
    (made / "docker/docker-compose.yml").write_text("services: {}\n")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/docker").write_text(ENGINE)
    (tmp_path / "bin/docker").chmod(0o755)
    return made


def deploy(place: Path, *words: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """Run deploy.sh; return how it ended and what it asked the engine for."""
    calls = place.with_name("calls")
    done = subprocess.run(
        ["scripts/deploy.sh", *words],
        cwd=place, input="payload", capture_output=True, text=True, check=False, timeout=60,
        env={"PATH": f"{place.with_name('bin')}:{os.environ['PATH']}", "CALLS": str(calls)},
    )  # fmt: skip
    return done, calls.read_text().splitlines()


def break_at(place: Path, words: str) -> str:
    """Have the engine fail at a call with these words; return the program of the one that does not."""
    engine = place.with_name("bin") / "docker"
    whole = engine.read_text()
    first = 'case "$*" in\n'
    engine.write_text(
        whole.replace(first, f'{first}  *"{words}"*) echo SN-H073 >&2; exit 1 ;;\n', 1)
    )
    return whole
