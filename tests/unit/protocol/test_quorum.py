"""Quorum arithmetic: the contract's examples, and what makes a threshold impossible."""

import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pinai_subnet.protocol.errors import InvalidInput
from pinai_subnet.protocol.quorum import (
    check_threshold,
    quorum_of,
    raft_majority,
    required_signatures,
    signer_bitmap,
)

thresholds = st.tuples(st.integers(1, 20), st.integers(1, 20)).filter(
    lambda pair: Fraction(1, 2) < Fraction(*pair) <= 1
)


@pytest.mark.parametrize(
    ("members", "numerator", "denominator", "required"),
    [
        (1, 2, 3, 1),
        (2, 2, 3, 2),
        (3, 2, 3, 2),
        (4, 3, 4, 3),
        (5, 4, 5, 4),
        (7, 2, 3, 5),
        (3, 1, 1, 3),
    ],
)
def test_required_signatures_rounds_up(
    members: int, numerator: int, denominator: int, required: int
) -> None:
    """C16: one rule for the threshold everywhere."""
    assert required_signatures(members, numerator, denominator) == required


@pytest.mark.parametrize(("members", "majority"), [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3), (7, 4)])
def test_raft_majority_is_more_than_half(members: int, majority: int) -> None:
    assert raft_majority(members) == majority


def test_five_at_four_fifths_spare_two_for_raft_and_one_for_signatures() -> None:
    quorum = quorum_of(5, 4, 5)
    assert (quorum.raft_spares, quorum.signature_spares) == (2, 1)


@settings(max_examples=100)
@given(members=st.integers(1, 50), threshold=thresholds)
def test_two_disjoint_groups_never_both_reach_the_threshold(
    members: int, threshold: tuple[int, int]
) -> None:
    quorum = quorum_of(members, *threshold)
    assert quorum.required_signatures == math.ceil(members * Fraction(*threshold))
    assert members < 2 * quorum.required_signatures
    assert 1 <= quorum.required_signatures <= members


@pytest.mark.parametrize(
    ("members", "numerator", "denominator"),
    [(3, 4, 3), (3, 1, 2), (4, 2, 4), (3, 1, 3), (3, 0, 3), (3, 2, 0), (3, -2, -3), (0, 2, 3)],
)
def test_an_impossible_threshold_is_refused_with_both_quorums_explained(
    members: int, numerator: int, denominator: int
) -> None:
    """C16: a threshold that cannot work stops the start instead of finalising nothing or twice."""
    with pytest.raises(InvalidInput) as caught:
        check_threshold(members, numerator, denominator)
    assert caught.value.code == "SN-C120"
    assert f"{numerator}/{denominator}" in caught.value.message
    assert "Raft majority" in caught.value.message


@pytest.mark.parametrize(
    ("indexes", "members", "expected"),
    [([], 3, "00"), ([0], 3, "01"), ([0, 2], 3, "05"), ([8], 9, "0001"), ([7, 8], 16, "8001")],
)
def test_the_bitmap_counts_from_the_lowest_bit(
    indexes: list[int], members: int, expected: str
) -> None:
    assert signer_bitmap(indexes, members).hex() == expected


@pytest.mark.parametrize("index", [-1, 3])
def test_the_bitmap_refuses_a_signer_outside_the_set(index: int) -> None:
    with pytest.raises(ValueError, match="outside"):
        signer_bitmap([index], 3)
