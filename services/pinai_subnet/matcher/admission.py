"""Which bids count: every check on arrival, each with its own refusal. Pure; eligibility and binding come in as facts.

A bid needs no signature and no settle chain (agent-interop rows 4 and 25): the request's signer proves who bids.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from pinai_subnet.matcher.refusal import Refusal
from pinai_subnet.matcher.window import Window
from pinai_subnet.protocol.bids import Bid
from pinai_subnet.protocol.ids import Address, AgentId
from pinai_subnet.protocol.intents import Intent

_UINT64 = 1 << 64


class Answer(StrEnum):
    """What becomes of an arriving bid."""

    ACCEPTED = "accepted"
    UPDATED = "updated"
    """It replaces the agent's earlier bid."""
    DUPLICATE = "duplicate"
    """The same offer stands already; the earlier arrival keeps its place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionRules:
    """Limits on bids."""

    max_bids_per_intent: int
    bid_updates: bool
    tokens: frozenset[str]
    """Currency names that stand for the intent's budget token; empty accepts any name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the matcher knows when the bid arrives."""

    intent: Intent
    window: Window
    standing: Mapping[AgentId, Bid]
    excluded: Mapping[AgentId, Refusal]
    signer: Address | None
    """Who signed the request; None for an unsigned one."""
    bound: Refusal | None
    """Why the agent id does not belong to the bid's address; None if it may."""
    ineligible: Refusal | None
    now_ms: int


def admit(bid: Bid, facts: Facts, rules: AdmissionRules) -> Answer | Refusal:
    """Judge one bid for a known intent."""
    return (
        _closed(facts)
        or _identity(bid, facts)
        or _offer(bid, facts, rules)
        or _place(bid, facts, rules)
    )


UNKNOWN_INTENT = Refusal("SN-M001", "Intent not found")
WINDOW_CLOSED = Refusal("SN-M002", "Bidding window closed")


def _closed(facts: Facts) -> Refusal | None:
    return None if facts.window.takes_bids(facts.now_ms) else WINDOW_CLOSED


def _identity(bid: Bid, facts: Facts) -> Refusal | None:
    if facts.signer is not None and facts.signer != bid.agent_address:
        return Refusal(
            "SN-M006",
            f"the bid names {bid.agent_address} but the request is signed by {facts.signer}",
        )
    return facts.bound or facts.excluded.get(bid.agent_id) or facts.ineligible


def _offer(bid: Bid, facts: Facts, rules: AdmissionRules) -> Refusal | None:
    intent = facts.intent
    if not 0 <= bid.price < _UINT64:
        return Refusal("SN-M004", f"price {bid.price} is not an unsigned 64-bit number")
    if bid.price > intent.budget:
        return Refusal("SN-M003", f"price {bid.price} is above the budget {intent.budget}")
    token = bid.token
    if token.lower().startswith("0x"):
        if token.lower() != intent.budget_token.lower():
            return Refusal(
                "SN-M013", f"token {token[:50]} is not the budget token {intent.budget_token}"
            )
    elif token and rules.tokens and token not in rules.tokens:
        return Refusal(
            "SN-M013", f"token {token[:50]!r} is not one of {', '.join(sorted(rules.tokens))}"
        )
    return None


def _place(bid: Bid, facts: Facts, rules: AdmissionRules) -> Answer | Refusal:
    earlier = facts.standing.get(bid.agent_id)
    if any(b.bid_id == bid.bid_id and b.agent_id != bid.agent_id for b in facts.standing.values()):
        return Refusal("SN-M014", f"bid id {bid.bid_id} is another agent's")
    if earlier is None:
        if len(facts.standing) >= rules.max_bids_per_intent:
            return Refusal(
                "SN-M012", f"the intent has {len(facts.standing)} bids, the most it takes"
            )
        return Answer.ACCEPTED
    if same_offer(earlier, bid):
        return Answer.DUPLICATE
    if not rules.bid_updates:
        return Refusal("SN-M015", f"{bid.agent_id} has bid already and bids are final here")
    return Answer.UPDATED


def same_offer(first: Bid, second: Bid) -> bool:
    """Say whether two bids of one agent offer the same; ids, nonces and times do not count."""
    return (first.price, first.token, first.settle_chain, first.agent_address) == (
        second.price,
        second.token,
        second.settle_chain,
        second.agent_address,
    )
