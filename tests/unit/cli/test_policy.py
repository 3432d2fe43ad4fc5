"""`subnetctl policy`: what may become a candidate, what may be promoted, and that a refusal changes nothing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.unit.cli.test_initialise import make

from pinai_subnet.cli import policy as commands
from pinai_subnet.cli.home import Home
from pinai_subnet.cli.main import main
from pinai_subnet.cli.policy_files import active_policy, install, installed_candidate
from pinai_subnet.cli.policy_report import Told, gathered, lines, require_proven, require_shadow
from pinai_subnet.protocol.errors import Conflict, NotFound

DIGEST, OTHER = "0xaa", "0xbb"
KINDS = ("agreed", "would_pass", "would_fail", "other_code", "failed", "skipped")


def told(
    number: int = 1, *, active: str = OTHER, shadow: str | None = DIGEST, **counts: int
) -> Told:
    found = dict.fromkeys(KINDS, 0) | (counts or {"agreed": 4})
    named = {"policy_id": "p", "version": "1"}
    document: dict[str, Any] = {
        "id": f"validator-{number}",
        "since_ms": 0,
        "active": {"digest": active, **named},
        "shadow": None if shadow is None else {"digest": shadow, **named},
        "problems": [],
        "judged": sum(found[kind] for kind in KINDS[:4]),
        "counts": found,
        "waiting": 0,
        "reasons": [{"active_code": "", "shadow_code": "SN-V055", "count": found["would_fail"]}],
        "differences": [
            {
                "at_ms": number,
                "kind": "would_fail",
                "report_id": "r",
                "assignment_id": "a",
                "intent_id": "i",
                "intent_type": "echo",
                "agent_id": "agent-1",
                "active": {"passed": True, "code": "", "reason": ""},
                "shadow": {"passed": False, "code": "SN-V055", "reason": "blocked"},
            }
        ],
    }
    return Told(validator_id=f"validator-{number}", document=document)


def changed(home: Home, tmp_path: Path, change: Callable[[str], str]) -> Path:
    file = tmp_path / "candidate.yaml"
    file.write_text(change((home.config / "policy_config.yaml").read_text()))
    return file


def stricter(text: str) -> str:
    return text.replace("blocked_agents: []", "blocked_agents: [agent-1]")


def snapshot(home: Home) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in home.config.iterdir()}


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        (lambda text: text + "\nnonsense: [", 78, "SN-C0"),
        (lambda text: text.replace("min_confidence: 0.7", "min_confidence: 7"), 78, "SN-C0"),
        (lambda text: text.replace("min_score: 0 ", "min_score: 1 "), 1, "SN-V122"),
        (lambda _: "validator: {default: {policy_id: alone}}", 1, "SN-V122"),
        (lambda text: text.replace("assignment: reject", "assignment: hold"), 1, "SN-V122"),
    ],
)
def test_a_candidate_that_is_broken_or_changes_more_than_policies_is_refused(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    change: Callable[[str], str],
    status: int,
    code: str,
) -> None:
    home = make(tmp_path)
    before = snapshot(home)
    file = changed(home, tmp_path, change)
    assert main(["policy", "shadow", str(file), "--home", str(home.root)]) == status
    assert code in capsys.readouterr().err
    assert snapshot(home) == before


def test_a_candidate_is_installed_with_the_mode_of_the_active_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = make(tmp_path)
    (home.config / "policy_config.yaml").chmod(0o644)
    file = changed(home, tmp_path, stricter)
    words = ["policy", "shadow", str(file), "--home", str(home.root)]
    before = snapshot(home)
    assert main([*words, "--dry-run"]) == 0
    assert snapshot(home) == before
    assert main(words) == 0
    assert "restart" in capsys.readouterr().out
    installed = home.config / "policy_shadow.yaml"
    assert installed.read_bytes() == file.read_bytes()
    assert installed.stat().st_mode & 0o777 == 0o644
    assert installed_candidate(home).digest != active_policy(home).digest


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        ([Told(validator_id="validator-1", error="SN-N401 away")], "does not tell"),
        ([told(shadow=None)], "has not read it"),
        ([told(shadow="0xcc")], "runs another candidate"),
        ([told(agreed=0)], "judged no report"),
        ([told(agreed=4, failed=1)], "failed to judge 1"),
        ([told(), told(2, active="0xdd")], "active policies differ"),
    ],
)
def test_an_unproven_candidate_is_not_promoted(answers: list[Told], why: str) -> None:
    with pytest.raises(Conflict, match=why):
        require_proven(answers, DIGEST)


def test_a_candidate_may_be_promoted_host_by_host() -> None:
    """Who judges by it already no longer runs it in shadow."""
    require_proven([told(), told(2)], DIGEST)
    require_proven([told(), told(2, active=DIGEST, shadow=None, agreed=0)], DIGEST)


def test_promotion_replaces_the_active_file_once_and_keeps_the_former_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    home = make(tmp_path)
    words = ["policy", "promote", "--home", str(home.root)]
    assert main(words) == 1
    assert "SN-V123" in capsys.readouterr().err
    active = active_policy(home)
    file = changed(home, tmp_path, stricter)
    assert main(["policy", "shadow", str(file), "--home", str(home.root)]) == 0
    candidate = installed_candidate(home)
    monkeypatch.setattr(commands, "ask_validators", lambda _: [told(shadow="0xcc")])
    before = snapshot(home)
    assert main(words) == 1
    assert "SN-V124" in capsys.readouterr().err
    assert snapshot(home) == before
    proven = told(active=active.digest, shadow=candidate.digest, agreed=3, would_fail=1)
    monkeypatch.setattr(commands, "ask_validators", lambda _: [proven])
    assert main([*words, "--dry-run"]) == 0
    assert snapshot(home) == before
    assert main(words) == 0
    assert "3 verdicts agreed, 1 differed" in capsys.readouterr().out
    assert active_policy(home).data == candidate.data
    assert (home.config / "policy_config.yaml.bak").read_bytes() == active.data
    assert not (home.config / "policy_shadow.yaml").exists()
    assert main(words) == 1


def test_a_candidate_that_cannot_be_written_is_a_coded_refusal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = make(tmp_path)
    file = changed(home, tmp_path, stricter)
    (home.config / "policy_shadow.yaml").mkdir()
    assert main(["policy", "shadow", str(file), "--home", str(home.root)]) == 1
    assert "SN-V125" in capsys.readouterr().err
    with pytest.raises(NotFound):
        installed_candidate(home)
    assert install(active_policy(make(tmp_path / "other")), active_policy(home)).is_file()


def test_reports_of_several_validators_are_one_example_and_silence_is_told() -> None:
    away = Told(validator_id="validator-3", error="SN-N401 away")
    facts = gathered([told(agreed=4, would_fail=1), told(2, agreed=4, would_fail=1), away])
    assert (facts["judged"], facts["agreed"], facts["differed"]) == (10, 8, 2)
    assert facts["reasons"] == [{"active_code": "", "shadow_code": "SN-V055", "count": 2}]
    (example,) = facts["differences"]
    assert example["validators"] == ["validator-1", "validator-2"]
    text = "\n".join(lines(facts))
    assert "passed -> SN-V055: 2" in text
    assert "validator-3: no answer: SN-N401 away" in text
    assert "blocked" in text


def test_without_any_shadow_run_there_is_nothing_to_compare() -> None:
    require_shadow([told(shadow=None), told(2)])
    require_shadow([Told(validator_id="validator-1", error="away")])
    with pytest.raises(NotFound, match="no validator"):
        require_shadow([told(shadow=None), told(2, shadow=None)])
