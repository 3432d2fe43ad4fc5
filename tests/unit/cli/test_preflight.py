"""What is found before anything starts, member by member, and what differs between running validators."""

from pathlib import Path

import pytest
from tests.start_kit import Place

from pinai_subnet.cli.preflight import checked_session, settings_problems
from pinai_subnet.runtime.errors import StartupError


def codes(place: Place) -> list[str]:
    return sorted(problem.code for problem in settings_problems(place.home))


def test_a_new_home_has_no_problems(tmp_path: Path) -> None:
    place = Place(tmp_path / "home")
    assert codes(place) == []
    assert checked_session(place.home.root).network.parameters.validators


def test_a_problem_that_all_members_share_is_told_once(tmp_path: Path) -> None:
    place = Place(tmp_path / "home")
    place.set(SUBNET_ID="0x12")
    assert len(codes(place)) == 1


def test_problems_of_different_members_are_told_together(tmp_path: Path) -> None:
    place = Place(tmp_path / "home")
    place.set(VALIDATOR_KEY_1="x", VALIDATOR_KEY_2=None, AGENT_PRIVATE_KEY_1="y", THRESHOLD_NUM="9")
    place.edit("registry.yaml", "sweep_seconds:", "sweep_second:")
    expected = ["SN-C001", "SN-C004", "SN-C120", "SN-K002", "SN-K002"]
    assert codes(place) == expected
    with pytest.raises(StartupError) as caught:
        checked_session(place.home.root)
    assert sorted(problem.code for problem in caught.value.problems) == expected
