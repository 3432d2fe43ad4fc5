"""Which bids count, one check at a time."""

from dataclasses import replace
from typing import Any

import pytest
from tests.integration.matcher.harness import intent, key

from pinai_subnet.matcher.admission import AdmissionRules, Answer, Facts, admit
from pinai_subnet.matcher.refusal import Refusal
from pinai_subnet.matcher.window import Phase, Window
from pinai_subnet.protocol.bids import Bid
from pinai_subnet.protocol.ids import Address, AgentId, BidId, IntentId

RULES = AdmissionRules(max_bids_per_intent=2, bid_updates=True, tokens=frozenset())
WINDOW = Window(phase=Phase.OPEN, round=1, opened_at_ms=0, closes_at_ms=100)
INTENT = intent(budget=100, budget_token=Address("0x" + "22" * 20))


def bid(name: str = "a", price: int = 10, **changes: Any) -> Bid:
    values: dict[str, Any] = {
        "bid_id": BidId(f"0x{name}"),
        "intent_id": IntentId(INTENT.intent_id),
        "agent_id": AgentId(name),
        "agent_address": key(1).address,
        "price": price,
        "token": "PIN",
        "settle_chain": "",
        "submitted_at": 0,
        "received_at_ms": 0,
        "nonce": "",
        "metadata": {},
    }
    return Bid(**{**values, **changes})


def facts(*standing: Bid, **changes: Any) -> Facts:
    values: dict[str, Any] = {
        "intent": INTENT,
        "window": WINDOW,
        "standing": {b.agent_id: b for b in standing},
        "excluded": {},
        "signer": None,
        "bound": None,
        "ineligible": None,
        "now_ms": 50,
    }
    return Facts(**{**values, **changes})


def code(answer: Answer | Refusal) -> str:
    assert isinstance(answer, Refusal)
    assert answer.code in str(answer)
    return answer.code


def test_a_good_bid_is_accepted_without_signature_or_settle_chain() -> None:
    """Agent-interop rows 4 and 25."""
    assert admit(bid(), facts(), RULES) is Answer.ACCEPTED
    assert admit(bid(), facts(signer=key(1).address), RULES) is Answer.ACCEPTED


@pytest.mark.parametrize(
    ("given", "seen", "expected"),
    [
        (bid(), facts(now_ms=100), "SN-M002"),
        (bid(), facts(window=replace(WINDOW, phase=Phase.CLOSED)), "SN-M002"),
        (bid(), facts(signer=key(2).address), "SN-M006"),
        (bid(), facts(bound=Refusal("SN-M007", "no")), "SN-M007"),
        (bid(), facts(excluded={AgentId("a"): Refusal("SN-M011", "no")}), "SN-M011"),
        (bid(), facts(ineligible=Refusal("SN-M010", "no")), "SN-M010"),
        (bid(price=101), facts(), "SN-M003"),
        (bid(price=1 << 64), facts(), "SN-M004"),
        (bid(price=-1), facts(), "SN-M004"),
        (bid(token="0x" + "33" * 20), facts(), "SN-M013"),
        (bid("a"), facts(bid("b", bid_id=BidId("0xa"))), "SN-M014"),
        (bid("c"), facts(bid("a"), bid("b")), "SN-M012"),
    ],
)
def test_refusals_have_their_own_codes(given: Bid, seen: Facts, expected: str) -> None:
    """A10."""
    assert code(admit(given, seen, RULES)) == expected


def test_tokens_may_be_named_or_addressed() -> None:
    named = replace(RULES, tokens=frozenset({"PIN"}))
    assert admit(bid(token="PIN"), facts(), named) is Answer.ACCEPTED
    assert admit(bid(token=""), facts(), named) is Answer.ACCEPTED
    assert admit(bid(token="0x" + "22" * 20), facts(), named) is Answer.ACCEPTED
    assert code(admit(bid(token="USD"), facts(), named)) == "SN-M013"


def test_the_same_offer_again_is_a_duplicate_and_another_one_an_update() -> None:
    """Agent-interop row 9."""
    first = bid()
    again = bid(bid_id=BidId("0xzz"), nonce="other", submitted_at=9)
    assert admit(again, facts(first), RULES) is Answer.DUPLICATE
    assert admit(bid(price=9), facts(first), RULES) is Answer.UPDATED
    final = replace(RULES, bid_updates=False)
    assert admit(again, facts(first), final) is Answer.DUPLICATE
    assert code(admit(bid(price=9), facts(first), final)) == "SN-M015"


def test_a_full_intent_still_takes_changes_of_bids_it_has() -> None:
    assert admit(bid("a", 9), facts(bid("a"), bid("b")), RULES) is Answer.UPDATED
