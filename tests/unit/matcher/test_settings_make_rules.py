"""What the matcher's files say arrives in the rules: words, switches and lists. Numbers: integration/bootstrap."""

from typing import Any

import pytest

from pinai_subnet.matcher.auction import Newcomers, Strategy, Ties
from pinai_subnet.matcher.rules import MatchingRules
from pinai_subnet.matcher.settings import (
    MatcherPolicy,
    MatcherSettings,
    agent_rules,
    matching_rules,
)


def rules(*, settings: Any = None, policy: Any = None) -> MatchingRules:
    """The rules of a matcher whose files say this and nothing else."""
    return matching_rules(
        MatcherSettings.model_validate(settings or {}), MatcherPolicy.model_validate(policy or {})
    )


def test_a_type_may_have_a_window_of_its_own() -> None:
    """windows.bidding_window_seconds_by_type."""
    given = rules(settings={"windows": {"bidding_window_seconds_by_type": {"render": 7}}})
    assert given.windows_of("render").duration_ms == 7000
    assert given.windows_of("echo") == given.windows == rules().windows


@pytest.mark.parametrize("value", [True, False])
def test_early_close_can_be_switched(value: bool) -> None:
    """windows.early_close."""
    assert rules(settings={"windows": {"early_close": value}}).early_close is value


@pytest.mark.parametrize(("word", "registered"), [("connected", False), ("registered", True)])
def test_who_is_awaited_can_be_chosen(word: str, registered: bool) -> None:
    """windows.early_close_waits_for."""
    given = rules(settings={"windows": {"early_close_waits_for": word}})
    assert given.early_close_waits_for_registered is registered


@pytest.mark.parametrize("value", [True, False])
def test_bids_may_be_final(value: bool) -> None:
    """bids.bid_updates."""
    assert rules(settings={"bids": {"bid_updates": value}}).admission.bid_updates is value


def test_tokens_can_be_limited() -> None:
    """bids.accepted_tokens."""
    assert rules().admission.tokens == frozenset()
    given = rules(settings={"bids": {"accepted_tokens": ["PIN", "USD"]}})
    assert given.admission.tokens == {"PIN", "USD"}


@pytest.mark.parametrize("strategy", list(Strategy))
def test_the_strategy_can_be_chosen(strategy: Strategy) -> None:
    """matcher.strategy.type."""
    given = rules(policy={"strategy": {"type": strategy.value}})
    assert given.auction.strategy is strategy


@pytest.mark.parametrize("ties", list(Ties))
def test_who_wins_among_equals_can_be_chosen(ties: Ties) -> None:
    """matcher.strategy.ties."""
    assert rules(policy={"strategy": {"ties": ties.value}}).auction.ties is ties


@pytest.mark.parametrize("newcomers", list(Newcomers))
def test_what_agents_without_history_are_worth_can_be_chosen(newcomers: Newcomers) -> None:
    """matcher.strategy.newcomers."""
    given = rules(policy={"strategy": {"newcomers": newcomers.value}})
    assert given.auction.newcomers is newcomers


def test_eligibility_is_what_the_policy_says() -> None:
    """matcher.eligibility.*"""
    shipped = agent_rules(MatcherSettings(), MatcherPolicy(), signatures_checked=True).eligibility
    assert shipped.allow_unregistered
    assert shipped.unlisted_types_open
    policy = {
        "eligibility": {
            "allow_unregistered": False,
            "unlisted_types": "by_name",
            "capabilities_by_type": {"render": ["gpu", "cuda"]},
        }
    }
    given = agent_rules(
        MatcherSettings(), MatcherPolicy.model_validate(policy), signatures_checked=True
    ).eligibility
    assert not given.allow_unregistered
    assert not given.unlisted_types_open
    assert given.capabilities_by_type == {"render": frozenset({"gpu", "cuda"})}
