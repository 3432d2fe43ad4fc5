"""The alert rules fire when they should and are quiet when they should, each has its page, and nothing else has."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.integration.observability.alerts import PROOFS, Proof, Series

FOLDER = Path(__file__).resolve().parents[3] / "deployment" / "observability"
RULES: list[dict[str, Any]] = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"][0][
    "rules"
]
needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="no promtool: `make observability-deps` installs it"
)


def rule(name: str) -> dict[str, Any]:
    return next(one for one in RULES if one["alert"] == name)


def case(name: str, proof: Proof, series: Series, *, fires: bool) -> dict[str, Any]:
    expected: dict[str, Any] = {"eval_time": f"{proof.minutes}m", "alertname": name}
    expected["exp_alerts"] = []
    if fires:
        labels = {**proof.labels, **rule(name)["labels"]}
        expected["exp_alerts"] = [{"exp_labels": labels}]
    return {
        "interval": "1m",
        "name": f"{name} {'fires' if fires else 'is quiet'}",
        "input_series": [{"series": key, "values": value} for key, value in series.items()],
        "alert_rule_test": [expected],
    }


def bare(folder: Path) -> Path:
    """The rules without their annotations: promtool compares those too, and they are words."""
    rules = [{key: value for key, value in one.items() if key != "annotations"} for one in RULES]
    path = folder / "alerts.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "pinai-subnet", "rules": rules}]}))
    return path


def promtool(*words: str | Path) -> None:
    done = subprocess.run(
        ["promtool", *words], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_every_alert_fires_when_it_should_and_only_then(tmp_path: Path) -> None:
    cases = [
        case(name, proof, series, fires=fires)
        for name, proof in PROOFS.items()
        for series, fires in ((proof.fires, True), (proof.quiet, False))
    ]
    document = {"rule_files": [str(bare(tmp_path))], "evaluation_interval": "15s", "tests": cases}
    path = tmp_path / "proofs.yml"
    path.write_text(yaml.safe_dump(document))
    promtool("test", "rules", path)


@needs_promtool
def test_prometheus_takes_the_shipped_files() -> None:
    promtool("check", "config", FOLDER / "prometheus.yml")


def test_every_alert_has_a_proof() -> None:
    assert sorted(one["alert"] for one in RULES) == sorted(PROOFS)


def test_every_alert_has_its_page_and_every_page_its_alert() -> None:
    pages = {path.stem for path in (FOLDER / "runbooks").glob("*.md")}
    assert pages == {one["alert"] for one in RULES}
    for one in RULES:
        assert one["annotations"]["runbook"] == f"runbooks/{one['alert']}.md"
        assert one["labels"]["severity"] in ("critical", "warning")


@pytest.mark.parametrize(
    "path", sorted((FOLDER / "runbooks").glob("*.md")), ids=lambda path: path.stem
)
def test_a_page_says_what_it_means_what_it_costs_how_to_look_and_what_to_do(path: Path) -> None:
    text = path.read_text()
    assert text.startswith(f"# {path.stem}\n")
    parts = ("**Meaning.**", "**Impact.**", "**Diagnosis.**\n\n```sh\n", "**Fix.**")
    places = [text.find(part) for part in parts]
    assert -1 not in places
    assert places == sorted(places)
    for linked in re.findall(r"\]\((\w+\.md)\)", text):
        assert (path.parent / linked).is_file(), linked
