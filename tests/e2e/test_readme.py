"""What the README shows is done: its commands run as written, and the paths it names are served."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.network_kit import LocalTestNetwork

from pinai_subnet.cli.local_network import LocalNetwork
from pinai_subnet.cli.session import open_session

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = [
    README,
    (ROOT / "services" / "ARCHITECTURE.md").read_text(encoding="utf-8"),
    *(path.read_text(encoding="utf-8") for path in sorted((ROOT / "config").glob("*.yaml"))),
]
COPIED = ("Makefile", "pyproject.toml", "requirements.lock", "scripts", "config", "services")
BY_CI = {"make demo", "make check", "make test"}
"""Run by `.ci/run`, each as a step of its own."""
BY_OTHERS = {"make bench": "test_bench_quick.py", "make bounds": "test_bench_quick.py"}
COMMAND_SECONDS = 180


def commands() -> list[str]:
    """Every line of every fenced block, without its comment, in the order of the document."""
    blocks = re.findall(r"^```\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    lines = (line.partition(" # ")[0].strip() for block in blocks for line in block.splitlines())
    return [line for line in lines if line]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A checkout with its tool chain set up and a network made in it, on ports that nobody else has."""
    place = tmp_path_factory.mktemp("checkout")
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, place / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, place / name)
    for prerequisite in ("requirements.lock", "pyproject.toml", "scripts/bootstrap"):
        os.utime(place / prerequisite, (0, 0))  # older than .venv/.ready: nothing is set up again
    (place / ".venv").symlink_to(ROOT / ".venv")
    done = run(place, ".venv/bin/subnetctl init --free-ports")
    assert done.returncode == 0, done.stderr
    try:
        yield place
    finally:
        local = LocalNetwork(home=open_session(place / ".network").home, say=lambda _: None)
        local.stop(list(local.running().values()), hard=True)


def run(place: Path, command: str) -> subprocess.CompletedProcess[str]:
    """Run one line of a shell block; the line has no shell syntax."""
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        command.split(),
        cwd=place,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=COMMAND_SECONDS,
    )


def test_every_command_of_the_readme_is_run_somewhere() -> None:
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert set(ci) >= BY_CI
    assert all((Path(__file__).parent / file).exists() for file in BY_OTHERS.values())
    shown = commands()
    assert set(shown) >= BY_CI | set(BY_OTHERS) | {"make up", "make status", "make down"}
    others = set(shown) - BY_CI - set(BY_OTHERS)
    assert all(command.startswith(("make ", ".venv/bin/subnetctl ")) for command in others)
    assert not any(character in command for command in others for character in "|&;<>$*")


def test_the_commands_of_the_readme_work_in_its_order(checkout: Path, tmp_path: Path) -> None:
    """A network is made, asked, used and stopped; every command ends with status 0."""
    wanted = [c for c in commands() if c not in BY_CI and c not in BY_OTHERS]
    wanted.remove("make down")
    intent_id = ""
    for command in [*wanted, "make down"]:
        words = command.replace(" ID", f" {intent_id}").replace(" DIR", f" {tmp_path / 'five'}")
        if " FILE" in words:
            (backup,) = (checkout / ".network" / "backups").glob("*.snb")
            words = words.replace(" FILE", f" {backup}")
        done = run(checkout, words)
        assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        if found := re.search(r"0x[0-9a-f]{64}", done.stdout + done.stderr):
            intent_id = intent_id or (found.group(0) if "submit" in command else "")
    assert intent_id
    fresh, committed = (p / "services/pinai_subnet/wire/pb" for p in (checkout, ROOT))
    for path in committed.rglob("*.py*"):
        if path.suffix in {".py", ".pyi"}:
            assert (fresh / path.relative_to(committed)).read_bytes() == path.read_bytes(), path


def named_paths() -> set[str]:
    """URL paths in backticks, and those in comments of the configuration."""
    found: set[str] = set()
    for text in DOCUMENTS:
        found |= set(re.findall(r"`(/[a-z0-9_/.-]+)`", text))
        for line in text.splitlines():
            comment = line.partition("#")[2]
            found |= set(re.findall(r"(?<=[ ,;])(/[a-z][a-z0-9_/.-]*[a-z0-9])", comment))
    return {path for path in found if not path.startswith(("/usr", "/bin"))}


def test_every_named_path_is_served(shared_network: LocalTestNetwork) -> None:
    """By every member with an HTTP port; `/docs` only where it is switched on."""
    members = [name for name, member in shared_network.members.items() if member.http]
    paths = named_paths()
    assert {"/healthz", "/readyz", "/health", "/metrics", "/openapi.json", "/docs"} <= paths
    for name in members:
        described = shared_network.get(name, "/openapi.json")["paths"]
        for path in paths - {"/docs", "/api/v1"}:
            status = shared_network.request("GET", name, path).status_code
            assert status in (httpx.codes.OK, httpx.codes.SERVICE_UNAVAILABLE), (name, path)
        if name != "registry":
            assert any(path.startswith("/api/v1/") for path in described), name


def test_every_named_metric_is_measured(shared_network: LocalTestNetwork) -> None:
    named = {
        metric for text in DOCUMENTS for metric in re.findall(r"\bsubnet_[a-z]+_[a-z_]+\b", text)
    } - {"subnet_id"}
    measured = "".join(
        shared_network.request("GET", name, "/metrics").text
        for name, member in shared_network.members.items()
        if member.http
    )
    assert [metric for metric in named if metric not in measured] == []
