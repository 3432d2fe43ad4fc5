"""The benchmark's table: what people read must say what was measured."""

import io

from rich.console import Console
from tests.bench.figures import Bound, Figure, Result
from tests.bench.table import aim_text, number, ratio_text, render


def rate(**changes: object) -> Figure:
    values: dict[str, object] = {"section": "s", "name": "n", "value": 150.0, "unit": "/s"}
    return Figure(**(values | changes))  # type: ignore[arg-type]


def test_numbers_keep_about_three_digits() -> None:
    assert [number(v) for v in (12345.6, 234.5, 12.345, 1.5, 0.1234, 0)] == [
        "12,346",
        "234",
        "12.3",
        "1.5",
        "0.123",
        "0.000",
    ]


def test_a_rate_is_shown_as_part_of_its_ceiling_and_a_cost_as_multiple_of_its_floor() -> None:
    bound = Bound(name="echo", value=600)
    assert ratio_text(rate(bound=bound)) == "25.0% of echo (600)"
    assert ratio_text(rate(bound=bound, more_is_better=False)) == "25.0% of echo (600)"
    assert ratio_text(rate(value=900.0, bound=bound, more_is_better=False)) == "1.5 x echo (600)"
    assert not ratio_text(rate())


def test_an_aim_says_in_which_direction_and_by_how_much_it_is_missed() -> None:
    assert aim_text(rate(aim=300.0)) == ">= 300: missed 2.00 x"
    assert aim_text(rate(aim=100.0)) == ">= 100: met"
    assert aim_text(rate(aim=50.0, more_is_better=False)) == "<= 50: missed 3.00 x"
    assert not aim_text(rate())


def test_every_figure_and_every_failure_has_a_row() -> None:
    result = Result(machine={}, quick=False)
    result.figures += [rate(name="achieved"), rate(section="t", name="offered")]
    result.failures["intake"] = "no leader; logs are in somewhere"
    text = io.StringIO()
    Console(file=text, width=160).print(render(result))
    shown = text.getvalue()
    for words in ("achieved", "offered", "intake", "no leader; logs are in somewhere"):
        assert words in shown


def test_a_failure_with_brackets_is_shown_as_it_is() -> None:
    result = Result(machine={}, quick=False)
    result.failures["start"] = "refused [/red] and [bold]"
    text = io.StringIO()
    Console(file=text, width=160).print(render(result))
    assert "refused [/red] and [bold]" in text.getvalue()
