"""The binaries hold no source, say what they are, are the same when built again, and need no interpreter."""

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pinai_subnet.agent.tasks.json_transform import JsonTransform
from pinai_subnet.agent.tasks.script import Script, ScriptLimits, resolve_commands
from pinai_subnet.agent.work import Task

ROOT = Path(__file__).resolve().parents[2]
BIN = ROOT / "bin"
ROLES = ("registry", "matcher", "validator", "simple-agent", "rootlayer", "console")
PROGRAMS = (*ROLES, "subnetctl")
FREEZER = ROOT / "build/freeze/venv/bin/python"
INSPECT = """
import json, sys
from PyInstaller.archive.readers import CArchiveReader
archive = CArchiveReader(sys.argv[1]).open_embedded_archive("PYZ.pyz")
code = archive.extract(sys.argv[2])
columns = any(column is not None for place in code.co_positions() for column in place[2:])
lines = any(place[0] for place in code.co_positions())
print(json.dumps({"columns": columns, "documented": "__doc__" in code.co_names, "lines": lines}))
"""
SOURCE = re.compile(r".*\.(py|pyi|pyx|proto|c|h)")

pytestmark = pytest.mark.containers


def run(*words: str) -> subprocess.CompletedProcess[str]:
    """Run one of the binaries without anything of this environment."""
    command = [str(BIN / words[0]), *words[1:]]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False, env={"LANG": "C.UTF-8"}
    )


def task(payload: object) -> Task:
    """A task with this payload."""
    data = json.dumps(payload).encode()
    ids = dict.fromkeys(("task_id", "intent_id", "bid_id"), "0x" + "a1" * 32)
    return Task(**ids, intent_type="t", data=data, created_at=0, deadline=0)


def hashes(tree: Path) -> dict[str, str]:
    """Every file of a tree and what is in it; of a link, where it points."""
    return {
        path.relative_to(tree).as_posix(): (
            f"-> {path.readlink()}"
            if path.is_symlink()
            else hashlib.sha256(path.read_bytes()).hexdigest()
        )
        for path in sorted(tree.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_binary_says_version_and_commit(program: str) -> None:
    done = run(program, "--version")
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(
        rf"{program} \d+\.\d+\.\d+ \([0-9a-f]{{12}}(-changed)?\)", done.stdout.strip()
    )


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_binary_has_help(program: str) -> None:
    done = run(program, "--help")
    assert done.returncode == 0, done.stderr
    assert "--help" in done.stdout


def test_no_source_is_inside() -> None:
    found = [path for path in BIN.rglob("*") if SOURCE.fullmatch(path.name)]
    assert found == []
    line = b"from pinai_subnet.bootstrap.arguments import Arguments"
    assert line in (ROOT / "services/pinai_subnet/__main__.py").read_bytes()
    assert [path for path in BIN.rglob("*") if path.is_file() and line in path.read_bytes()] == []


def test_no_path_of_the_building_machine_is_inside() -> None:
    here = str(ROOT).encode()
    assert [path for path in BIN.rglob("*") if path.is_file() and here in path.read_bytes()] == []


@pytest.mark.parametrize(
    ("module", "documented"), [("structlog.stdlib", False), ("pinai_subnet.runtime.health", True)]
)
def test_code_carries_lines_but_no_columns_and_no_docstrings_of_libraries(
    module: str, documented: bool
) -> None:
    """They would be in the memory of every role; help and API descriptions come from our own docstrings only."""
    done = subprocess.run(
        [FREEZER, "-c", INSPECT, BIN / "pinai-subnet", module],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"columns": False, "documented": documented, "lines": True}


def test_all_programs_share_one_tree() -> None:
    files = {path.resolve() for path in map(BIN.joinpath, PROGRAMS)}
    assert len(files) == 1


def test_a_wrong_configuration_is_told_as_from_source(tmp_path: Path) -> None:
    done = run("registry", "--config-dir", str(tmp_path))
    assert done.returncode == 78
    assert "SN-C008" in done.stderr


@pytest.fixture
def frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the tasks start their programs as they do inside a release."""
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(sys, "executable", str(BIN / "pinai-subnet"))


@pytest.fixture
async def transform(frozen: None) -> AsyncIterator[JsonTransform]:
    handler = JsonTransform(seconds=20.0)
    yield handler
    await handler.close()


async def test_json_is_transformed_by_the_frozen_program(transform: JsonTransform) -> None:
    result = await transform.execute(task({"data": [3, 1, 2], "expression": "max(@)"}))
    assert result.data == b"3"


async def test_commands_run_confined_by_the_frozen_launcher(frozen: None, tmp_path: Path) -> None:
    script = Script(commands=resolve_commands(["grep"]), limits=ScriptLimits(), scratch=tmp_path)
    result = await script.execute(task({"command": ["grep", "-c", "a"], "stdin": "a\nb\na\n"}))
    assert result.data == b"2\n"


def test_the_same_inputs_give_the_same_bytes(tmp_path: Path) -> None:
    """Whatever may vary is in these files: names, contents, links and the order inside archives."""
    again = tmp_path / "again"
    done = subprocess.run(
        [str(ROOT / "scripts" / "build"), str(again)],
        cwd=ROOT, capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert hashes(again) == hashes(BIN)
