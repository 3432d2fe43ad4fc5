"""A bounded run of every surface: random bytes, and well-formed examples with a few changes."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.fuzz.surfaces import SURFACES, Surface, refuses_or_takes

BOUNDED = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.mark.parametrize("surface", SURFACES, ids=lambda one: one.name)
@BOUNDED
@given(data=st.binary(max_size=400))
def test_random_bytes_are_refused_with_a_code_or_taken(surface: Surface, data: bytes) -> None:
    refuses_or_takes(surface, data)


@pytest.mark.parametrize("surface", SURFACES, ids=lambda one: one.name)
@BOUNDED
@given(drawn=st.data())
def test_changed_examples_are_refused_with_a_code_or_taken(
    surface: Surface, drawn: st.DataObject
) -> None:
    data = bytearray(drawn.draw(st.sampled_from(surface.seeds())))
    for _ in range(drawn.draw(st.integers(1, 4))):
        at = drawn.draw(st.integers(0, max(0, len(data) - 1)))
        match drawn.draw(st.sampled_from(("flip", "cut", "insert", "repeat"))):
            case "flip" if data:
                data[at] ^= drawn.draw(st.integers(1, 255))
            case "cut":
                del data[at : at + drawn.draw(st.integers(1, 64))]
            case "insert":
                data[at:at] = drawn.draw(st.binary(min_size=1, max_size=16))
            case _:
                data[at:at] = data[at : at + 32]
    refuses_or_takes(surface, bytes(data))


@pytest.mark.parametrize("surface", SURFACES, ids=lambda one: one.name)
def test_well_formed_examples_reach_the_depth_of_their_surface(surface: Surface) -> None:
    """A fuzzer that starts from nothing valid finds nothing: some example of each surface is taken."""
    taken = [refuses_or_takes(surface, seed) for seed in surface.seeds()]
    assert any(taken)
