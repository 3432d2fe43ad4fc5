"""SECURITY.md points at tests that exist, and every threat in it has at least one."""

import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "SECURITY.md").read_text()
ROWS = [
    line
    for section in PAGE.split("## Threats")[1].split("## What is not protected")[0].split("###")[1:]
    for line in section.splitlines()
    if line.startswith("|") and not line.startswith(("| threat", "|---"))
]
NAMED = re.compile(r"`([\w/]+\.py)(?:::(\w+))?`")


@cache
def source(path: str) -> str:
    return (ROOT / "tests" / path).read_text()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip()[:40])
def test_every_threat_names_tests_that_exist(row: str) -> None:
    _, threat, stopped_by, shown_by, _ = row.split("|")
    assert threat.strip()
    assert stopped_by.strip()
    named = NAMED.findall(shown_by)
    assert named, f"no test for: {threat}"
    for path, test in named:
        assert (ROOT / "tests" / path).is_file(), path
        if test:
            assert re.search(rf"def {test}\(", source(path)), f"{path} has no {test}"
        else:
            assert "def test_" in source(path), f"{path} has no tests"


def test_the_page_has_threats_of_every_kind_and_its_other_paths_exist() -> None:
    assert len(ROWS) >= 30
    for path in re.findall(r"`((?:services|tests)/[\w/.-]+)`", PAGE):
        assert (ROOT / path).exists(), path
