"""The benchmark's arithmetic: a wrong percentile would make every number a lie."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.bench.figures import Bound, Figure, Result, Spread, percentile

SAMPLES = st.lists(st.floats(min_value=0, max_value=1e6), min_size=1, max_size=200)


def test_percentiles_follow_the_nearest_rank_definition() -> None:
    samples = [15.0, 20.0, 35.0, 40.0, 50.0]
    assert [percentile(samples, p) for p in (5, 30, 40, 50, 100)] == [15, 20, 20, 35, 50]


def test_order_of_samples_does_not_matter() -> None:
    assert percentile([3.0, 1.0, 2.0], 50) == 2.0


def test_p99_of_a_hundred_is_the_ninety_ninth_and_of_a_few_the_highest() -> None:
    assert percentile([float(n) for n in range(1, 101)], 99) == 99.0
    assert percentile([1.0, 2.0, 9.0], 99) == 9.0


def test_a_rank_that_binary_fractions_overshoot_is_still_exact() -> None:
    assert percentile([float(n) for n in range(1, 1001)], 99.9) == 999.0


@given(samples=SAMPLES, percent=st.floats(min_value=0.1, max_value=100))
def test_a_percentile_is_a_sample_that_enough_samples_do_not_exceed(
    samples: list[float], percent: float
) -> None:
    found = percentile(samples, percent)
    assert found in samples
    assert sum(s <= found for s in samples) >= percent / 100 * len(samples) - 1e-6


@pytest.mark.parametrize(("samples", "percent"), [([], 50), ([1.0], 0), ([1.0], 100.5)])
def test_senseless_percentiles_are_refused(samples: list[float], percent: float) -> None:
    with pytest.raises(ValueError, match="percent"):
        percentile(samples, percent)


def test_a_spread_is_ordered() -> None:
    spread = Spread.of([0.4, 0.1, 0.2])
    assert (spread.count, spread.p50, spread.p99, spread.highest) == (3, 0.2, 0.4, 0.4)


def figure(
    value: float,
    *,
    more_is_better: bool = True,
    aim: float | None = None,
    bound: Bound | None = None,
) -> Figure:
    return Figure(
        section="s",
        name="n",
        value=value,
        unit="/s",
        more_is_better=more_is_better,
        aim=aim,
        bound=bound,
    )


def test_a_rate_below_its_aim_misses_it_by_a_factor() -> None:
    assert figure(150, aim=300).misses_by == 2.0
    assert figure(300, aim=300).misses_by is None
    assert figure(301, aim=300).misses_by is None
    assert figure(0, aim=300).misses_by == math.inf


def test_a_cost_above_its_aim_misses_it_by_a_factor() -> None:
    assert figure(5, aim=2, more_is_better=False).misses_by == 2.5
    assert figure(2, aim=2, more_is_better=False).misses_by is None
    assert figure(0, aim=2, more_is_better=False).misses_by is None


def test_without_aim_nothing_is_missed_and_without_bound_there_is_no_ratio() -> None:
    assert figure(1).misses_by is None
    assert figure(1).ratio is None
    assert figure(1, bound=Bound(name="nothing", value=0)).ratio is None


def test_the_ratio_is_the_value_over_its_bound() -> None:
    assert figure(50, bound=Bound(name="b", value=200)).ratio == 0.25


def test_the_document_says_whether_an_aim_is_met_and_what_bounds_the_figure() -> None:
    result = Result(machine={"cores": 2}, quick=True)
    result.figures.append(figure(150, aim=300, bound=Bound(name="b", value=600)))
    result.failures["latency"] = "no leader"
    document = result.document()
    assert document["quick"] is True
    assert document["failures"] == {"latency": "no leader"}
    assert document["figures"][0]["aim_met"] is False
    assert document["figures"][0]["ratio_to_bound"] == 0.25
    assert document["figures"][0]["bound_name"] == "b"


def test_a_figure_is_found_by_section_and_name() -> None:
    result = Result(machine={}, quick=False, figures=[figure(7)])
    assert result.find("s", "n") == 7
    assert result.find("s", "other") is None
