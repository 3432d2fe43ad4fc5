"""The benchmark runs and its JSON has the promised shape. No number is judged."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
KEYS = {
    "section",
    "name",
    "value",
    "unit",
    "more_is_better",
    "aim",
    "aim_met",
    "bound",
    "bound_name",
    "ratio_to_bound",
    "note",
}


@pytest.mark.e2e
def test_quick_ceilings_are_measured_printed_and_written(tmp_path: Path) -> None:
    run = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.bench",
            "--quick",
            "--only",
            "ceilings",
            "--output",
            str(tmp_path),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    document = json.loads((tmp_path / "result.json").read_text("utf-8"))
    assert document["version"] == 1
    assert document["quick"] is True
    assert document["failures"] == {}
    assert document["machine"]["cores"] >= 1
    figures = document["figures"]
    assert all(set(figure) == KEYS for figure in figures)
    assert all(figure["value"] > 0 for figure in figures)
    names = {figure["name"] for figure in figures}
    assert {f"grpc.aio echo, {n} outstanding" for n in (1, 16, 64)} <= names
    assert {"coincurve recover", "coincurve sign", "keccak256 of 256 bytes"} <= names
    for name in names:
        assert name in run.stdout
    # Nothing but the result is left of a run that succeeded.
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]


@pytest.mark.e2e
def test_an_unknown_section_is_refused_before_anything_starts(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "tests.bench", "--only", "speed", "--output", str(tmp_path / "x")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 2
    assert "ceilings" in run.stderr
    assert not (tmp_path / "x").exists()
