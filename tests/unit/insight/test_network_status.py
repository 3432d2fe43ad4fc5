"""What the members' answers add up to: health, quorums, who sees whom, and the reasons with their fixes."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from pinai_subnet.cli.status_text import status_text
from pinai_subnet.insight.answers import Answer, Expected, Target
from pinai_subnet.insight.judging import judged
from pinai_subnet.insight.network_status import (
    BackupView,
    Difference,
    Health,
    HeldValue,
    NetworkStatus,
    differences,
)

NOW = 1_700_000_000.0
NAMES = ("validator-1", "validator-2", "validator-3")
EXPECTED = Expected(subnet_id="0x" + "0" * 63 + "7", required_signatures=2)
SUMMARY = {
    "version": "1.4.0",
    "intents": {
        "window_seconds": 86_400,
        "open": 12,
        "finalised": 3481,
        "failed": 4,
        "p50_seconds": 0.6,
        "p99_seconds": 1.9,
    },
    "canary": {
        "enabled": True,
        "ok": True,
        "reason": "",
        "last_ok_at_ms": int(NOW * 1000) - 12_000,
        "last_seconds": 0.74,
        "every_seconds": 60,
    },
}


def status_of(
    name: str, *, leader: str = "validator-2", away: Sequence[str] = ()
) -> dict[str, Any]:
    peers = [
        {
            "id": other,
            "connected": other not in away,
            "last_heard_seconds": 42.0 if other in away else 0.1,
            "lag": (1 if other == "validator-3" else 0) if name == leader else None,
        }
        for other in NAMES
        if other != name
    ]
    return {
        "id": name,
        "version": "1.4.0",
        "uptime_seconds": 10.0,
        "replication": {
            "role": "leader" if name == leader else "follower",
            "membership": "voter",
            "term": 3,
            "applied_index": 100,
            "commit_index": 100,
            "peers": peers,
        },
        "validators": [
            {"id": one, "recent": {"signed": 98 if one == "validator-3" else 100, "expected": 100}}
            for one in NAMES
        ],
        "config": {"threshold": "2/3"},
        "config_digest": "0xaa",
        "settlement_paused": None,
        "disk": {
            "free_bytes": 10**9,
            "free_ratio": 0.5,
            "full_in_seconds": 47 * 86_400,
            "warning": "",
        },
        "epochs": {"sealed": 7, "settlement_backlog": 0},
        "state": {"index": 100, "digest": "0xabcdef0123456789"},
    }


def validator(name: str, **changes: Any) -> Answer:
    return Answer(
        target=Target(name=name, role="validator", http="127.0.0.1:1"),
        reachable=True,
        ready=True,
        status=status_of(name, **changes),
        clock=(NOW, NOW),
    )


def gone(name: str, role: str = "validator") -> Answer:
    target = Target(name=name, role=role, http="127.0.0.1:1")
    return Answer(target=target, reachable=False, ready=False, reason="ConnectError")


def service(name: str, summary: Mapping[str, Any] | None = None) -> Answer:
    target = Target(name=name, role=name, http="127.0.0.1:1")
    return Answer(target=target, reachable=True, ready=True, summary=summary or {})


def whole(*changed: Answer) -> NetworkStatus:
    answers = {
        answer.target.name: answer
        for answer in (
            service("rootlayer"),
            service("registry"),
            *(validator(name) for name in NAMES),
            service("matcher", SUMMARY),
        )
    } | {answer.target.name: answer for answer in changed}
    return judged(list(answers.values()), EXPECTED, at=NOW)


def codes(seen: NetworkStatus) -> list[str]:
    return [problem.code for problem in seen.problems]


def test_a_network_in_which_all_is_well_is_ready_and_has_no_problems() -> None:
    seen = whole()
    assert (seen.health, seen.problems, seen.leader) == (Health.READY, (), "validator-2")
    assert (seen.raft_quorum.have, seen.raft_quorum.need, seen.raft_quorum.spare) == (3, 2, 1)
    third = seen.member("validator-3")
    assert third is not None
    assert (third.lag, third.signed, third.expected) == (1, 98, 100)
    assert third.sees == third.seen_by == ("validator-1", "validator-2")


def test_a_lost_validator_degrades_and_the_next_loss_is_announced_with_what_to_type() -> None:
    away = ["validator-3"]
    seen = whole(
        validator("validator-1", away=away),
        validator("validator-2", away=away),
        gone("validator-3"),
    )
    assert seen.health is Health.DEGRADED
    assert codes(seen) == ["SN-N401", "SN-N422"]
    lost, spare = seen.problems
    assert "validator-3 UNREACHABLE 42 s (validator-1 ✗, validator-2 ✗)" in lost.text
    assert "subnetctl validator replace validator-3" in lost.fix
    assert spare.text == "0 spare: the next loss stops electing and finalisation"


def test_without_a_majority_the_network_is_down_and_says_what_it_cannot_do() -> None:
    seen = whole(
        gone("validator-1"), gone("validator-3"), replace(validator("validator-2"), ready=False)
    )
    assert seen.health is Health.DOWN
    assert codes(seen)[:2] == ["SN-N420", "SN-N421"]


def test_two_that_call_themselves_leader_are_no_leader() -> None:
    seen = whole(validator("validator-1", leader="validator-1"))
    assert (seen.leader, seen.health) == (None, Health.DOWN)


def test_a_link_that_is_broken_in_one_direction_shows_on_both_ends() -> None:
    seen = whole(validator("validator-3", away=["validator-1"]))
    first, third = seen.member("validator-1"), seen.member("validator-3")
    assert first is not None
    assert third is not None
    assert (third.does_not_see, first.not_seen_by) == (("validator-1",), ("validator-3",))
    assert first.does_not_see == ()
    assert seen.peer_matrix()["validator-3"] == {"validator-1": False, "validator-2": True}
    assert "v1✗" in status_text(seen)


def test_a_canary_that_does_not_come_through_is_not_ready_whatever_else_answers() -> None:
    summary = {
        **SUMMARY,
        "canary": {"enabled": True, "ok": False, "reason": "no report within 20 s"},
    }
    seen = whole(service("matcher", summary))
    assert (seen.health, codes(seen)) == (Health.DOWN, ["SN-N425"])
    assert "no report within 20 s" in status_text(seen)


def test_a_canary_that_is_switched_off_proves_and_disproves_nothing() -> None:
    seen = whole(service("matcher", {**SUMMARY, "canary": {"enabled": False, "ok": False}}))
    assert seen.health is Health.READY


def test_without_the_matcher_the_network_is_down() -> None:
    seen = whole(gone("matcher", "matcher"))
    assert (seen.health, codes(seen)) == (Health.DOWN, ["SN-N426"])


def test_a_differing_configuration_a_wrong_clock_and_an_empty_account_degrade() -> None:
    """Operators rows 9, 21 and 32."""
    odd = dict(status_of("validator-3"))
    odd |= {"config": {"threshold": "3/3"}, "settlement_paused": "out of gas"}
    seen = whole(replace(validator("validator-3"), status=odd, clock=(NOW + 3, NOW)))
    assert seen.health is Health.DEGRADED
    assert codes(seen) == ["SN-N424", "SN-H051", "SN-S075"]
    text = status_text(seen)
    assert (
        "CONFIGURATION DIFFERS in threshold: validator-1, validator-2: 2/3; validator-3: 3/3"
        in text
    )
    assert "WAITS FOR FUNDS" in text


@pytest.mark.parametrize(
    "status",
    [
        {},
        {"replication": None, "validators": {}, "config": [], "disk": 3},
        {"replication": {"peers": [1, None, {"id": []}], "term": "x"}, "validators": [1]},
        {"epochs": {"settlement_backlog": True}, "state": [], "version": 5},
    ],
)
def test_a_member_that_tells_nonsense_breaks_nothing(status: dict[str, Any]) -> None:
    seen = whole(replace(validator("validator-1"), status=status))
    assert seen.leader == "validator-2"
    assert status_text(seen)


def test_the_document_is_json_and_keeps_what_programs_read() -> None:
    document = json.loads(json.dumps(whole().document()))
    assert document["healthy"] is True
    assert document["health"] == "ready"
    assert document["raft_quorum"] == {"have": 3, "need": 2, "spare": 1}
    assert document["differences"] == document["clocks"] == []
    assert whole().document() == document


def test_the_screen_has_one_line_per_member_and_the_figures() -> None:
    backup = BackupView(
        file="snap", index=9, verified_at_ms=int(NOW * 1000) - 7_200_000, how="drill"
    )
    seen = judged(
        [*(validator(name) for name in NAMES), service("matcher", SUMMARY)],
        replace(EXPECTED, backup=backup),
        at=NOW,
    )
    text = status_text(seen)
    assert text.startswith("NETWORK READY  subnet 0x00…0007  leader validator-2\n")
    assert (
        "intents: 12 open, 3481 finalised, 4 failed (0.1%) in 24 h  p50 0.60 s  p99 1.90 s" in text
    )
    assert "98/100" in text
    assert "47 d" in text
    assert "canary: finalised 12 s ago in 0.74 s" in text
    assert "backup: verified 2 h ago" in text
    assert "can elect a leader: yes (3 of 2 needed, 1 spare)" in text


def test_without_differences_nothing_is_said() -> None:
    assert differences({}) == ()
    assert differences({"v1": {"threshold": "2/3"}, "v2": {"threshold": "2/3"}}) == ()


def test_the_common_value_comes_first_and_a_missing_one_is_unknown() -> None:
    shared = {
        "v1": {"threshold": "1/1", "policies": "a"},
        "v2": {"threshold": "2/3", "policies": "a"},
        "v3": {"threshold": "2/3"},
    }
    assert differences(shared) == (
        Difference(
            field="threshold",
            values=(
                HeldValue(value="2/3", validators=("v2", "v3")),
                HeldValue(value="1/1", validators=("v1",)),
            ),
        ),
        Difference(
            field="policies",
            values=(
                HeldValue(value="a", validators=("v1", "v2")),
                HeldValue(value="unknown", validators=("v3",)),
            ),
        ),
    )
