"""The story of an intent: the one of an operator's nightmare, the one that went well, and the ones with holes."""

import json
from typing import Any

import pytest

from pinai_subnet.insight.gathering import Gathered, Sources, gather
from pinai_subnet.insight.intent_story import Missing, document
from pinai_subnet.insight.readers import JsonApi
from pinai_subnet.insight.story_lines import lines
from pinai_subnet.insight.story_telling import tell
from pinai_subnet.protocol.errors import InvalidInput, NotFound

INTENT = "0x" + "8c" * 32
START = 1_700_000_000_000
VALIDATORS = ("validator-1", "validator-2", "validator-3")


def part(points: float, value: float = 0.5) -> dict[str, float]:
    return {"value": value, "points": points}


def offer(agent: str, rank: int | None, asked: int, **points: float) -> dict[str, Any]:
    return {
        "bid_id": f"0xb{agent}",
        "agent_id": agent,
        "agent_address": f"0xa{agent}",
        "price": str(asked),
        "token": "PIN",
        "received_at_ms": START + 100 + asked,
        "status": "winner" if rank == 1 else "runner_up",
        "rank": rank,
        "score": round(sum(points.values()), 6),
        "score_parts": {name: part(value) for name, value in points.items()},
        "needed": None,
    }


def assignment(agent: str, number: int, **changes: Any) -> dict[str, Any]:
    return {
        "assignment_id": f"0x{number:064x}",
        "attempt": number,
        "agent_id": agent,
        "state": "failed",
        "created_at_ms": START + 2005,
        "recorded_at_ms": START + 2011,
        "delivered_at_ms": [START + 2012],
        "acknowledged_at_ms": START + 2013,
        "ended_at_ms": START + 2965,
        "root_layer": "posted",
        "code": None,
        "reason": None,
        **changes,
    }


def matching(**changes: Any) -> dict[str, Any]:
    loser = offer("weather-5", 2, 30, price=0.36, reputation=0.28, latency=0.13)
    loser["needed"] = {
        "price": "24",
        "reputation": None,
        "capability": None,
        "latency_seconds": None,
    }
    return {
        "phase": "ended",
        "requester": "0xfc5A",
        "intent_type": "weather",
        "budget": "100",
        "budget_token": "0x0",
        "payload_bytes": 7,
        "seen_at_ms": START + 4,
        "deadline_at_ms": START + 60_000,
        "finished_at_ms": START + 3200,
        "end_code": "SN-M302",
        "end_reason": "1 assignments failed, the most allowed",
        "eligible": ["weather-2", "weather-3", "weather-5"],
        "ineligible": {"gpu-1": {"code": "SN-M008", "reason": "gpu-1 has none of weather"}},
        "excluded": {"weather-2": {"code": "SN-M011", "reason": "failed before"}},
        "declined": {"weather-3": {"round": 1, "at_ms": START + 300, "reason": "capacity 4/4"}},
        "windows": [
            {
                "round": 1,
                "opened_at_ms": START + 4,
                "closed_at_ms": START + 2004,
                "early": False,
                "bids": 2,
            }
        ],
        "sealed": False,
        "offers": [offer("weather-2", 1, 20, price=0.40, reputation=0.28, latency=0.13), loser],
        "refused_bids": [
            {"agent_id": "late", "at_ms": START + 2100, "code": "SN-M002", "reason": "closed"}
        ],
        "assignments": [
            assignment("weather-2", 1, code="SN-M204", reason="the validators rejected it")
        ],
        **changes,
    }


def judged(**changes: Any) -> dict[str, Any]:
    verdicts = [
        {
            "validator_id": name,
            "passed": False,
            "code": "SN-V052",
            "reason": "expected 0x91… got 0x77…",
            "rules": ["output_hash"],
            "policy_id": "default",
            "at_ms": START + 2964,
        }
        for name in VALIDATORS[:2]
    ]
    return {
        "assignment_id": f"0x{1:064x}",
        "attempt": 1,
        "agent_id": "weather-2",
        "stage": "REJECTED",
        "code": "SN-V052",
        "reason": "rejected",
        "epoch": None,
        "times_ms": {"ASSIGNED": START + 2011, "REPORTED": START + 2960, "REJECTED": START + 2965},
        "received_by": "validator-1",
        "report": {
            "report_id": "0xr",
            "status": "SUCCESS",
            "result_bytes": 3,
            "result_hash": "0x77",
            "error": None,
        },
        "verdicts": verdicts,
        **changes,
    }


def gathered(**changes: Any) -> Gathered:
    values: dict[str, Any] = {
        "intent_id": INTENT,
        "intent": {
            "status": "INTENT_STATUS_FAILED",
            "requester": "0xfc5A",
            "intentType": "weather",
            "budget": "100",
            "budgetToken": "0x0",
            "deadline": str(START // 1000 + 60),
        },
        "history": [
            {"oldStatus": "UNSPECIFIED", "newStatus": "PENDING", "reason": "", "atMs": START}
        ],
        "matching": matching(),
        "attempts": [judged()],
        "epochs": {},
        "validators": VALIDATORS,
        "missing": (),
        **changes,
    }
    return Gathered(**values)


def test_a_rejected_report_names_the_code_the_guilty_and_what_to_do() -> None:
    story = tell(gathered())
    end = story.ending
    assert (end.status, end.stage, end.at_fault) == ("FAILED", "VALIDATION", "agent weather-2")
    assert end.why is not None
    assert end.why.code == "SN-V052"
    assert end.try_next == (f"subnetctl intent retry {INTENT} --exclude weather-2",)
    assert end.seconds == 3.2
    text = "\n".join(lines(story))
    for words in (
        "FAILED at VALIDATION after 3.200 s   reason SN-V052",
        "(at fault: agent weather-2)",
        "submitted   by 0xfc5A, budget 100, type weather, deadline +60 s",
        "eligible 3 of 4 agents",
        "gpu-1 SN-M008",
        "price 20, score 0.810 (price 0.400 reputation 0.280 latency 0.130), rank 1  ← winner",
        "lost by 0.040 (price)",
        'no bid from weather-3   declined: "capacity 4/4"',
        "weather-5 would have won with a price of at most 24",
        "verdict of validator-1   REJECT SN-V052 expected 0x91… got 0x77…",
        "no verdict from validator-3 on attempt 1",
        "bid of late refused   SN-M002 closed",
        f"try:  subnetctl intent retry {INTENT} --exclude weather-2",
    ):
        assert words in text, words


def test_the_json_form_is_plain_and_names_every_part() -> None:
    told = json.loads(json.dumps(document(tell(gathered()))))
    assert told["form"] == 1
    assert told["ending"]["why"]["code"] == "SN-V052"
    assert told["offers"][1]["parts"][0] == {
        "name": "price",
        "value": 0.5,
        "points": 0.36,
        "behind": 0.04,
    }
    assert [stage["name"] for stage in told["stages"]] == [
        "bidding",
        "assignment",
        "execution",
        "validation",
    ]
    assert told["stages"][0]["seconds"] == 2.005
    assert told["no_bid"] == [
        {"agent_id": "weather-3", "declined": "capacity 4/4", "at_ms": START + 300}
    ]


def test_a_settled_intent_tells_its_signatures_and_who_is_missing() -> None:
    epoch = {
        "epoch": 7,
        "batch_digest": "0x" + "ab" * 32,
        "items": [{"assignment_id": f"0x{1:064x}"}],
        "sealed_by": "validator-2",
        "sealed_at_ms": START + 3000,
        "final_at_ms": START + 3010,
        "settled_at_ms": START + 3050,
        "required_signatures": 2,
        "signatures": [
            {"validator_id": name, "address": f"0x{name}", "at_ms": START + 3005}
            for name in VALIDATORS[:2]
        ],
        "results": [{"ok": True, "message": "", "receipt_id": "0xfeed"}],
    }
    done = judged(stage="SETTLED", code="", reason="", epoch=7)
    for verdict in done["verdicts"]:
        verdict |= {"passed": True, "code": "", "reason": ""}
    story = tell(
        gathered(
            intent={"status": "INTENT_STATUS_COMPLETED", "deadline": "0"},
            matching=matching(
                phase="completed",
                end_code=None,
                assignments=[assignment("weather-2", 1, state="settled")],
            ),
            attempts=[done],
            epochs={7: epoch},
        )
    )
    assert (story.ending.status, story.ending.why, story.ending.try_next) == ("COMPLETED", None, ())
    assert story.attempts[0].batch is not None
    assert story.attempts[0].batch.missing == ("validator-3",)
    text = "\n".join(lines(story))
    assert "no signature from validator-3 (2 given, 2 needed)" in text
    assert "settled   receipt 0xfeed" in text
    assert "signing 0.010 · settlement 0.040" in text


def test_nobody_bidding_is_told_with_the_way_to_find_out() -> None:
    story = tell(
        gathered(
            intent={"status": "INTENT_STATUS_EXPIRED"},
            matching=matching(
                offers=[],
                assignments=[],
                declined={},
                eligible=["agent-1"],
                end_code="SN-M301",
                end_reason="nobody made an acceptable bid before the deadline",
            ),
            attempts=[],
        )
    )
    assert (story.ending.stage, story.ending.status) == ("MATCHING", "EXPIRED")
    assert story.ending.docs == "subnetctl explain SN-M301"
    assert story.ending.try_next[0].startswith("subnetctl intent dry-run")
    assert [one.agent_id for one in story.no_bid] == ["agent-1"]
    assert "no bid from agent-1   said nothing" in "\n".join(lines(story))


def test_an_open_window_shows_no_bids_and_blames_nobody() -> None:
    open_one = matching(
        phase="open", sealed=True, offers=[], assignments=[], end_code=None, finished_at_ms=None
    )
    story = tell(
        gathered(intent={"status": "INTENT_STATUS_PENDING"}, matching=open_one, attempts=[])
    )
    assert (story.ending.status, story.ending.at_fault, story.no_bid) == ("OPEN", None, ())
    assert story.ending.try_next == (f"subnetctl intent watch {INTENT}",)


@pytest.mark.parametrize("hole", ["intent", "matching", "attempts"])
def test_a_story_with_a_hole_is_told_and_says_who_is_missing(hole: str) -> None:
    empty: Any = () if hole == "attempts" else None
    missing = (Missing(source="matcher", reason="SN-N401 no answer"),)
    story = tell(gathered(**{hole: empty, "missing": missing}))
    assert story.ending.status == "FAILED"
    assert "no answer from matcher (SN-N401 no answer)" in "\n".join(lines(story))
    assert json.dumps(document(story))


def test_asking_with_nobody_there_names_everybody_and_a_malformed_id_is_said_at_once() -> None:
    nowhere = Sources(
        rootlayer=JsonApi(name="rootlayer", base="127.0.0.1:1"),
        matcher=JsonApi(name="matcher", base="127.0.0.1:1"),
        validators=[JsonApi(name="validator-1", base="127.0.0.1:1")],
    )
    with pytest.raises(NotFound, match=r"SN-N405.*matcher, rootlayer, validator-1"):
        gather(nowhere, INTENT)
    with pytest.raises(InvalidInput):
        gather(nowhere, "0x12")
