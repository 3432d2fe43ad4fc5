"""Recorded auctions held again: the same rules give the same winner, other rules say who would have won."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from tests.unit.matcher.test_counterfactual import INTENT, RULES, auctions

from pinai_subnet.cli.main import main
from pinai_subnet.matcher.auction import AuctionRules, Candidate, Strategy, rank
from pinai_subnet.matcher.replay import RecordedAuction, replay, wins

CHEAP = AuctionRules(strategy=Strategy.LOWEST_PRICE)


def candidate(agent: str, price: int, reputation: float) -> dict[str, Any]:
    return {
        "bid_id": f"0x{agent}",
        "agent_id": agent,
        "price": str(price),
        "received_at_ms": 5,
        "reputation": reputation,
        "capability": 1.0,
        "latency_seconds": None,
    }


def auction(winner: str | None = "cheap") -> dict[str, Any]:
    return {
        "intent_id": INTENT,
        "intent_type": "echo",
        "winner": winner,
        "candidates": [candidate("cheap", 10, 0.1), candidate("good", 12, 0.9)],
    }


@settings(max_examples=100, deadline=None)
@given(auctions(), RULES)
def test_the_same_rules_give_the_same_winner(held: list[Candidate], rules: AuctionRules) -> None:
    first = rank(held, rules, INTENT)[0]
    recorded = RecordedAuction.model_validate(
        {
            "intent_id": INTENT,
            "intent_type": "echo",
            "winner": first.agent_id if first.rank == 1 else None,
            "candidates": [
                {name: getattr(one, name) for name in Candidate.__dataclass_fields__}
                for one in held
            ],
        }
    )
    assert not replay(recorded, rules).changed


def test_other_weights_give_another_winner_and_are_counted() -> None:
    recorded = RecordedAuction.model_validate(auction())
    same = replay(recorded, CHEAP)
    other = replay(recorded, AuctionRules(strategy=Strategy.WEIGHTED, price=0.1, reputation=1.0))
    assert not same.changed
    assert (other.was, other.would_be) == ("cheap", "good")
    assert (other.price_was, other.price_would_be) == (10, 12)
    assert wins([same, other]) == {"cheap": (2, 1), "good": (0, 1)}


def test_the_command_prints_who_would_have_won(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recording, strategy = tmp_path / "r.json", tmp_path / "policy_config.yaml"
    recording.write_text(json.dumps({"form": 1, "auctions": [auction()]}))
    strategy.write_text(
        "matcher:\n  strategy:\n    type: weighted\n"
        "    weights: {price: 0.1, reputation: 1, capability: 0, latency: 0}\n"
    )
    assert main(["replay", str(recording), "--strategy", str(strategy)]) == 0
    text = capsys.readouterr().out
    assert "1 auctions held again: 1 with another winner" in text
    assert "cheap -> good" in text


@pytest.mark.parametrize(
    ("recording", "strategy", "code"),
    [
        (None, "", "SN-N434"),
        ("not json", "", "SN-N434"),
        ('{"form": 2, "auctions": []}', "", "SN-N434"),
        (json.dumps({"form": 1, "auctions": [auction() | {"candidates": []}]}), "", "SN-N434"),
        ('{"form": 1, "auctions": []}', "matcher: {strategy: {type: dice}}", "SN-C"),
        (
            '{"form": 1, "auctions": []}',
            "matcher: {strategy: {weights: {price: 0, reputation: 0, capability: 0, latency: 0}}}",
            "SN-M040",
        ),
    ],
)
def test_files_that_make_no_sense_are_refused_with_a_code(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    recording: str | None,
    strategy: str,
    code: str,
) -> None:
    held, rules = tmp_path / "r.json", tmp_path / "policy_config.yaml"
    if recording is not None:
        held.write_text(recording)
    rules.write_text(strategy)
    assert main(["replay", str(held), "--strategy", str(rules)]) != 0
    assert code in capsys.readouterr().err
