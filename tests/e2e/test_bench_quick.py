"""The benchmark runs and its JSON has the promised shape. No number is judged."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.bench.etcd import installed

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


def quick(output: Path, *sections: str) -> dict[str, list[dict[str, Any]]]:
    """Run sections in their quick form; return the figures by section."""
    only = [word for section in sections for word in ("--only", section)]
    run = subprocess.run(
        [sys.executable, "-m", "tests.bench", "--quick", *only, "--output", str(output)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    document = json.loads((output / "result.json").read_text("utf-8"))
    assert document["failures"] == {}
    found: dict[str, list[dict[str, Any]]] = {}
    for figure in document["figures"]:
        assert figure["value"] > 0
        found.setdefault(figure["section"], []).append(figure)
    return found


@pytest.mark.e2e
def test_quick_consensus_is_measured_alone_and_beside_etcd_where_that_is_installed(
    tmp_path: Path,
) -> None:
    found = quick(tmp_path, "consensus")
    assert set(found) == {"consensus, 200 B", "consensus, 2048 B"}
    for figures in found.values():
        names = [figure["name"] for figure in figures]
        for load in (
            "leader, 1 outstanding",
            "leader, 16 outstanding",
            "follower, 16 outstanding",
            "leader, 256 outstanding",
            "leader, 4 outstanding, batches of 100",
        ):
            assert {f"{load}, over gRPC", f"{load}, inside the member"} <= set(names)
            assert (f"etcd: {load}" in names) == installed()
        assert all(figure["bound_name"] in {None, "etcd"} for figure in figures)
    aimed = {figure["name"] for figure in found["consensus, 200 B"] if figure["aim"]}
    assert len(aimed) == (4 if installed() else 0)


@pytest.mark.e2e
def test_quick_snapshot_and_catch_up_are_measured(tmp_path: Path) -> None:
    found = quick(tmp_path, "snapshot", "catch-up")
    names = {figure["name"] for figure in found["snapshot of 500 settled intents"]}
    assert {"save", "size", "verify", "verify and restore"} <= names
    assert len(found["catch-up of a new member"]) == 4


@pytest.mark.e2e
def test_a_few_intents_through_the_ledger_are_measured_and_not_judged(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "tests.bench.bounds", "--intents=400", f"--output={tmp_path}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    document = json.loads((tmp_path / "bounds.json").read_text("utf-8"))
    assert (document["judged"], document["grown"]) == (False, {})
    last = document["points"][-1]
    assert (last["intents"], last["assignments"], last["epochs"]) == (400, 400, 4)
    assert last["journal_mb"] > 0
    assert last["archive_mb"] > 0
    assert "100%" in run.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["bounds.json"]


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
