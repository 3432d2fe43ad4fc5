"""Which agents may work on an intent type: registration, health, capabilities, cool-down. Pure.

The capability rule. A type listed in `capabilities_by_type` with at least one capability asks for one of them, or for
a capability named as the type itself; listed with none, it asks for nothing. A type that is not listed asks for nothing
where `unlisted_types_open`, else for a capability of its own name.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pinai_subnet.matcher.cooldown import CoolDown
from pinai_subnet.matcher.refusal import Refusal
from pinai_subnet.ports.roster import RosterAgent


@dataclass(frozen=True, slots=True, kw_only=True)
class EligibilityRules:
    """Who may bid."""

    allow_unregistered: bool
    capabilities_by_type: Mapping[str, frozenset[str]]
    unlisted_types_open: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is known of one agent at this moment."""

    agent_id: str
    entry: RosterAgent | None
    """Its registry entry, None if the registry does not list it."""
    connected: bool
    """It holds a stream here, which proves life better than a heartbeat elsewhere."""
    cooldown: CoolDown


def judge(
    subject: Subject,
    *,
    intent_type: str,
    rules: EligibilityRules,
    roster_known: bool,
    now_ms: int,
) -> Refusal | None:
    """Return why the agent may not work on this type, or None if it may."""
    if subject.cooldown.active(now_ms):
        left = (subject.cooldown.until_ms - now_ms) / 1000
        return Refusal(
            "SN-M010",
            f"{subject.agent_id} failed {subject.cooldown.failures} times in a row"
            f" and pauses for another {left:.0f} s",
        )
    entry = subject.entry
    if entry is None:
        return _unregistered(subject.agent_id, rules, roster_known=roster_known)
    if not entry.healthy and not subject.connected:
        return Refusal(
            "SN-M018", f"{subject.agent_id} has sent no heartbeat to the registry for too long"
        )
    required = requirement(intent_type, rules)
    if required and entry.capabilities.isdisjoint(required):
        wanted = ", ".join(sorted(required))
        return Refusal(
            "SN-M008",
            f"{subject.agent_id} has none of the capabilities for {intent_type}: {wanted}",
        )
    return None


def requirement(intent_type: str, rules: EligibilityRules) -> frozenset[str]:
    """Return the capabilities of which an agent needs one for this type; empty where the type asks for nothing."""
    listed = rules.capabilities_by_type.get(intent_type)
    if listed is not None:
        return listed | {intent_type} if listed else frozenset()
    return frozenset() if rules.unlisted_types_open else frozenset({intent_type})


def fit(entry: RosterAgent | None, intent_type: str, rules: EligibilityRules) -> float:
    """Return how well an agent's capabilities fit, for the auction: 1 names the type, 0.8 is a listed one, else 0.5."""
    if entry is None:
        return 0.5
    if intent_type in entry.capabilities:
        return 1.0
    if not entry.capabilities.isdisjoint(requirement(intent_type, rules)):
        return 0.8
    return 0.5


def _unregistered(agent_id: str, rules: EligibilityRules, *, roster_known: bool) -> Refusal | None:
    if rules.allow_unregistered:
        return None
    if not roster_known:
        return Refusal("SN-M017", "the registry has not answered yet, so no agent can be checked")
    return Refusal("SN-M009", f"{agent_id} is not registered in this network")
