"""The pages and pictures about metrics are true: generated and fresh, and no query names a metric that nobody has."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deployment" / "observability"
NAME = re.compile(r"\b(?:subnet|process|python)_[a-z_]+\b")
SUFFIX = re.compile(r"_(?:bucket|count|sum)$")
LABELS = re.compile(r"\{([^{}]*)\}|\b(?:by|without|on|group_left|group_right) ?\(([^()]*)\)")
TARGET_LABELS = {"job", "instance", "le"}


def listed() -> dict[str, tuple[str, set[str]]]:
    """Every metric of METRICS.md with its type and its labels."""
    rows = re.findall(
        r"^\| `(\w+)` \| (\w+) \| ([^|]*) \|", (FOLDER / "METRICS.md").read_text(), re.M
    )
    return {name: (kind, set(re.findall(r"\w+", labels))) for name, kind, labels in rows}


def queries() -> Iterator[tuple[str, str]]:
    for path in sorted(FOLDER.glob("grafana/dashboards/*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel["targets"]:
                yield f"{path.name}: {panel['title']}", target["expr"]
    for rule in yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"][0]["rules"]:
        yield rule["alert"], rule["expr"]


@pytest.mark.parametrize("script", ["write-metrics-page", "write-dashboards"])
def test_generated_files_are_fresh(script: str) -> None:
    """Otherwise: make docs."""
    subprocess.run([sys.executable, ROOT / "scripts" / script, "--check"], check=True, timeout=60)


@pytest.mark.parametrize(("where", "query"), list(queries()), ids=lambda value: str(value)[:60])
def test_a_query_asks_for_metrics_and_labels_that_exist(where: str, query: str) -> None:
    metrics = listed()
    known: set[str] = set()
    for name in set(NAME.findall(re.sub(r"\{[^{}]*\}", "", query))):
        bare = name if name in metrics else SUFFIX.sub("", name)
        assert bare in metrics, f"{where}: {name}"
        assert bare == name or metrics[bare][0] == "histogram", f"{where}: {name}"
        known |= metrics[bare][1]
    for braces, parentheses in LABELS.findall(query):
        used = re.findall(r"(\w+) *(?:=~|!~|!=|=)", braces) + re.findall(r"\w+", parentheses)
        assert set(used) <= known | TARGET_LABELS, f"{where}: {used}"


def test_the_check_of_queries_can_fail() -> None:
    with pytest.raises(AssertionError):
        test_a_query_asks_for_metrics_and_labels_that_exist("x", "rate(subnet_nobody_total[1m])")
    with pytest.raises(AssertionError):
        test_a_query_asks_for_metrics_and_labels_that_exist(
            "x", 'subnet_process_build_info{agent="a"}'
        )


def test_dashboards_use_the_provisioned_datasource() -> None:
    [source] = yaml.safe_load(
        (FOLDER / "grafana/provisioning/datasources/prometheus.yml").read_text()
    )["datasources"]
    for path in FOLDER.glob("grafana/dashboards/*.json"):
        for panel in json.loads(path.read_text())["panels"]:
            assert panel["datasource"]["uid"] == source["uid"]
