"""Reputation, cool-down and eligibility, and the book of agents built on them."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.integration.matcher.harness import FakeRoster, key, roster_agent

from pinai_subnet.matcher.agents import AgentRules, Agents
from pinai_subnet.matcher.cooldown import CoolDown, CoolDownRules, failed, succeeded
from pinai_subnet.matcher.eligibility import (
    EligibilityRules,
    Subject,
    fit,
    judge,
    requirement,
)
from pinai_subnet.matcher.reputation import (
    History,
    ReputationRules,
    observe,
    observe_latency,
    score,
)
from pinai_subnet.protocol.ids import AgentId

REPUTATION = ReputationRules(half_life_seconds=100.0, prior=2.0)
COOLDOWN = CoolDownRules(after_failures=3, first_ms=100, longest_ms=350)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(1, 10**6)), max_size=30))
def test_reputation_stays_strictly_between_never_and_always(steps: list[tuple[bool, int]]) -> None:
    history, now = History(), 1
    for good, pause in steps:
        now += pause
        before = score(history, now_ms=now, rules=REPUTATION)
        history = observe(history, good=good, now_ms=now, rules=REPUTATION)
        after = score(history, now_ms=now, rules=REPUTATION)
        assert 0 < after < 1
        assert (after > before) if good else (after < before)


def test_a_stranger_is_in_the_middle_and_old_outcomes_fade() -> None:
    assert score(History(), now_ms=5, rules=REPUTATION) == 0.5
    bad = observe(History(), good=False, now_ms=1000, rules=REPUTATION)
    soon = score(bad, now_ms=1000, rules=REPUTATION)
    later = score(bad, now_ms=101_000, rules=REPUTATION)
    much_later = score(bad, now_ms=10**9, rules=REPUTATION)
    assert soon < later < much_later <= 0.5
    assert soon == pytest.approx(2 / 5)
    assert later == pytest.approx(2 / 4.5)


def test_latency_is_a_moving_average() -> None:
    history = observe_latency(History(), 10.0)
    assert observe_latency(history, 20.0).latency_seconds == pytest.approx(12.0)


def test_a_pause_starts_after_failures_in_a_row_and_grows_to_its_limit() -> None:
    state, pauses = CoolDown(), []
    for _ in range(6):
        state = failed(state, now_ms=1000, rules=COOLDOWN)
        pauses.append(max(0, state.until_ms - 1000))
    assert pauses == [0, 0, 100, 200, 350, 350]
    assert state.active(1349)
    assert not state.active(1350)
    assert not succeeded().active(1000)


def rules(**changes: Any) -> EligibilityRules:
    values: dict[str, Any] = {
        "allow_unregistered": True,
        "capabilities_by_type": {"render": frozenset({"gpu"}), "ping": frozenset()},
        "unlisted_types_open": True,
    }
    return EligibilityRules(**{**values, **changes})


def verdict(
    *caps: str, intent_type: str = "render", registered: bool = True, **changes: Any
) -> str | None:
    entry = roster_agent("a", *caps) if registered else None
    subject = Subject(agent_id="a", entry=entry, connected=False, cooldown=CoolDown())
    known = changes.pop("roster_known", True)
    refusal = judge(
        subject, intent_type=intent_type, rules=rules(**changes), roster_known=known, now_ms=0
    )
    return refusal.code if refusal else None


def test_the_capability_rule() -> None:
    """One listed capability or the type's name; listed with none asks nothing; unlisted is open or by name."""
    assert verdict("gpu") is None
    assert verdict("render") is None
    assert verdict("cpu") == "SN-M008"
    assert verdict("cpu", intent_type="ping") is None
    assert verdict("cpu", intent_type="other") is None
    assert verdict("cpu", intent_type="other", unlisted_types_open=False) == "SN-M008"
    assert verdict("other", intent_type="other", unlisted_types_open=False) is None
    assert requirement("ping", rules(unlisted_types_open=False)) == frozenset()


def test_unregistered_agents_depend_on_the_policy() -> None:
    assert verdict(registered=False) is None
    assert verdict(registered=False, allow_unregistered=False) == "SN-M009"
    unknown = verdict(registered=False, allow_unregistered=False, roster_known=False)
    assert unknown == "SN-M017"


def test_capabilities_fit_exactly_by_listing_or_not_at_all() -> None:
    exact, listed, other = (roster_agent("a", c) for c in ("render", "gpu", "cpu"))
    assert [fit(e, "render", rules()) for e in (exact, listed, other, None)] == [1, 0.8, 0.5, 0.5]


def test_a_silent_agent_counts_when_it_is_connected_and_a_pausing_one_never() -> None:
    entry = roster_agent("a", "gpu")
    stale = type(entry)(
        agent_id=entry.agent_id,
        capabilities=entry.capabilities,
        endpoint="",
        healthy=False,
        last_seen=0,
        address=None,
    )

    def ask(connected: bool, until_ms: int = 0) -> str | None:
        pausing = CoolDown(failures=3, until_ms=until_ms)
        subject = Subject(agent_id="a", entry=stale, connected=connected, cooldown=pausing)
        refusal = judge(subject, intent_type="render", rules=rules(), roster_known=True, now_ms=10)
        return refusal.code if refusal else None

    assert ask(connected=False) == "SN-M018"
    assert ask(connected=True) is None
    assert ask(connected=True, until_ms=11) == "SN-M010"


def book(roster: FakeRoster | None = None, **changes: Any) -> Agents:
    values: dict[str, Any] = {
        "eligibility": rules(),
        "reputation": REPUTATION,
        "cooldown": COOLDOWN,
        "max_agents": 3,
        "signatures_checked": True,
    }
    return Agents(
        roster=roster or FakeRoster(),
        rules=AgentRules(**{**values, **changes}),
        busy=lambda agent_id: agent_id == "busy",
        connected=lambda _: False,
        changed=lambda _: None,
    )


A, B = key(1).address, key(2).address
NAME = AgentId("agent-1")


def test_proof_beats_a_claim_and_a_claim_never_beats_proof() -> None:
    """A9: whoever signed for a name first keeps it."""
    agents = book()
    agents.bind(NAME, A, None, now_ms=1)
    assert agents.may_bind(NAME, B, B) is None
    agents.bind(NAME, B, B, now_ms=2)
    refusal = agents.may_bind(NAME, A, A)
    assert refusal is not None
    assert refusal.code == "SN-M007"
    unsigned = agents.may_bind(NAME, B, None)
    assert unsigned is not None
    assert unsigned.code == "SN-M104"
    assert agents.speaks_for(NAME, B) is None
    assert [r.code for r in (agents.speaks_for(NAME, A), agents.speaks_for(NAME, None)) if r] == [
        "SN-M103",
        "SN-M104",
    ]


def test_a_claimed_name_with_open_tasks_stays_whose_it_is() -> None:
    agents = book()
    busy = AgentId("busy")
    agents.bind(busy, A, None, now_ms=1)
    assert agents.may_bind(busy, A, None) is None
    refusal = agents.may_bind(busy, B, None)
    assert refusal is not None
    assert refusal.code == "SN-M007"
    assert agents.speaks_for(busy, None) is None
    assert agents.speaks_for(busy, B) is not None


def test_the_registry_names_the_owner_before_the_first_call() -> None:
    roster = FakeRoster()
    roster.add(NAME, "echo", address=A)
    agents = book(roster)
    assert agents.address_of(NAME) == A
    refusal = agents.may_bind(NAME, B, B)
    assert refusal is not None
    assert refusal.code == "SN-M007"
    assert agents.may_bind(NAME, A, A) is None


def test_without_verification_everybody_may_claim() -> None:
    agents = book(signatures_checked=False)
    agents.bind(NAME, A, None, now_ms=1)
    assert agents.may_bind(NAME, B, None) is None
    assert agents.speaks_for(NAME, None) is None


def test_the_book_forgets_the_longest_unseen_first() -> None:
    """M1."""
    agents = book()
    for number in range(5):
        agents.meet(AgentId(f"agent-{number}"), now_ms=number)
    assert [state.agent_id for state in agents] == ["agent-2", "agent-3", "agent-4"]
