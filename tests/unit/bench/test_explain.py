"""The bench of stories asks real routes, tells every story whole and pages through all intents."""

from dataclasses import replace
from pathlib import Path

from tests.bench.explain import measure
from tests.bench.figures import Result
from tests.bench.plan import QUICK


def test_every_story_is_told_whole_and_every_page_is_full(tmp_path: Path) -> None:
    result = Result(machine={}, quick=True)
    said: list[str] = []
    measure(result, replace(QUICK, story_intents=250, stories=5), tmp_path, said.append)
    assert said == ["  5 stories", "  5 pages"]
    assert len(result.figures) == 5
    assert all(figure.value > 0 for figure in result.figures)
    assert [figure.aim for figure in result.figures] == [200, None, 200, None, None]
    assert len(result.details["explain"]["stories"]["samples"]) == 5
