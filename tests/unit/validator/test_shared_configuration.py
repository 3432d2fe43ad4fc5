"""What must be equal on all validators: every difference is seen, and named by the field it is in."""

from dataclasses import replace

import pytest
from tests.unit.validator.ledger_world import parameters

from pinai_subnet.protocol.network import NetworkParameters
from pinai_subnet.validator.policy import Policy, PolicyBook
from pinai_subnet.validator.status import config_digest, shared_configuration

OURS = parameters()


def changed_fields(other: NetworkParameters, policies: PolicyBook) -> set[str]:
    """The fields in which another validator differs from us; its digest differs exactly then."""
    mine = shared_configuration(OURS, PolicyBook(default=Policy()))
    theirs = shared_configuration(other, policies)
    found = {name for name in mine if mine[name] != theirs[name]}
    assert (config_digest(mine) != config_digest(theirs)) is bool(found)
    return found


def test_equal_files_have_equal_digests() -> None:
    assert changed_fields(parameters(), PolicyBook(default=Policy())) == set()


@pytest.mark.parametrize(
    ("other", "field"),
    [
        (replace(OURS, threshold_numerator=1, threshold_denominator=1), {"threshold"}),
        (replace(OURS, domain=replace(OURS.domain, chain_id=1)), {"chain"}),
        (replace(OURS, matchers=()), {"matchers"}),
        (replace(OURS, validators=OURS.validators[::-1]), {"validator_set", "validators"}),
        (
            replace(
                OURS,
                validators=(
                    replace(OURS.validators[0], raft_endpoint="127.0.0.1:1"),
                    *OURS.validators[1:],
                ),
            ),
            {"validators"},
        ),
    ],
    ids=["threshold", "chain", "matchers", "order", "endpoint"],
)
def test_a_different_network_file_is_seen(other: NetworkParameters, field: set[str]) -> None:
    """Row 21 of the operators' bad input."""
    assert changed_fields(other, PolicyBook(default=Policy())) == field


def test_a_different_policy_is_seen() -> None:
    """Row 21: verdicts are counted, so policies have to be equal."""
    other = PolicyBook(default=replace(Policy(), max_age_seconds=1))
    assert changed_fields(OURS, other) == {"policies"}
