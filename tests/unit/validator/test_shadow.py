"""A candidate policy beside the active one: what is compared, what is dropped, and that it harms nobody."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from tests.unit.validator.test_verification import AGENT, NOW, case, record

from pinai_subnet.bootstrap.arguments import Arguments
from pinai_subnet.bootstrap.validator_files import candidate_of
from pinai_subnet.protocol.canaries import CANARY_TYPE
from pinai_subnet.protocol.ids import ValidatorId
from pinai_subnet.protocol.reports import ReportKey
from pinai_subnet.runtime.clock import SystemClock
from pinai_subnet.runtime.metrics import Metrics
from pinai_subnet.validator import shadow as module
from pinai_subnet.validator.commands import Verdict
from pinai_subnet.validator.metrics import ValidatorMetrics
from pinai_subnet.validator.policy import Policy, PolicyBook
from pinai_subnet.validator.rules import Case
from pinai_subnet.validator.shadow import Candidate, ShadowRun
from pinai_subnet.validator.verification import judge

STRICT = PolicyBook(default=Policy(policy_id="strict", required_evidence=("proof_exec",)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken(PolicyBook):
    """Policies that cannot be asked."""

    def for_type(self, intent_type: str) -> Policy:
        raise ZeroDivisionError("no policy")


def run_of(policies: PolicyBook | None, *, active: PolicyBook | None = None) -> ShadowRun:
    return ShadowRun(
        candidate=Candidate(policies=policies),
        active=active or PolicyBook(),
        validator_id=ValidatorId("validator-1"),
        clock=SystemClock(),
        metrics=ValidatorMetrics(Metrics("validator")),
    )


def verdict_of(judged: Case) -> Verdict:
    found = judge(judged)
    return Verdict(
        key=ReportKey(assignment_id=judged.record.assignment.assignment_id, agent_address=AGENT),
        report_digest=bytes(32),
        passed=found.passed,
        code=found.code,
        reason=found.reason,
        rules=found.rules,
        policy_id=judged.policy.policy_id,
        signature=b"",
    )


def offer(run: ShadowRun, judged: Case) -> None:
    run.offer(judged, verdict_of(judged))


async def finish(run: ShadowRun) -> None:
    while await run.work():
        pass


async def test_verdicts_are_compared_by_outcome_and_code() -> None:
    lax = PolicyBook(default=Policy(before_assignment_seconds=9999, max_age_seconds=9999))
    run = run_of(lax)
    offer(run, case())
    offer(run, case(timestamp=NOW - 401))
    offer(run, case(timestamp=NOW - 401, result_data=b""))
    await finish(run)
    told = run.document()
    assert told["judged"] == 3
    counts = {name: count for name, count in told["counts"].items() if count}
    assert counts == {"agreed": 1, "would_pass": 1, "other_code": 1}
    assert {(one["active_code"], one["shadow_code"]) for one in told["reasons"]} == {
        ("SN-V061", ""),
        ("SN-V061", "SN-V063"),
    }
    assert told["differences"][0]["active"]["code"] == "SN-V061"
    assert told["active"]["digest"] != told["shadow"]["digest"]


async def test_a_candidate_that_would_refuse_says_why() -> None:
    run = run_of(STRICT)
    offer(run, case())
    await finish(run)
    (one,) = run.document()["differences"]
    assert (one["kind"], one["report_id"], one["agent_id"]) == ("would_fail", "3f0c", "agent-1")
    assert one["active"] == {"passed": True, "code": "", "reason": ""}
    assert one["shadow"]["code"] == "SN-V068"


async def test_a_candidate_that_breaks_is_counted_and_the_next_report_is_judged() -> None:
    run = run_of(Broken())
    offer(run, case())
    offer(run, case())
    await finish(run)
    told = run.document()
    assert told["counts"]["failed"] == 2
    assert told["judged"] == 0
    assert "no policy" in told["last_failure"]


async def test_canaries_are_not_compared_and_without_a_candidate_nothing_is_taken() -> None:
    canary = replace(case(), record=replace(record(), intent_type=CANARY_TYPE))
    for run, judged in ((run_of(STRICT), canary), (run_of(None), case())):
        offer(run, judged)
        assert not await run.work()
        assert run.document()["judged"] == run.document()["waiting"] == 0


async def test_more_reports_than_can_wait_are_skipped_and_counted() -> None:
    run, one = run_of(STRICT), case()
    verdict = verdict_of(one)
    for _ in range(module.MAX_WAITING + 3):
        run.offer(one, verdict)
    assert run.document()["waiting"] == module.MAX_WAITING
    assert run.document()["counts"]["skipped"] == 3
    assert await run.work()
    run.offer(one, verdict)
    assert run.document()["counts"]["skipped"] == 3


async def test_results_that_wait_are_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WAITING_BYTES", 100)
    run = run_of(STRICT)
    for _ in range(3):
        offer(run, case(result_data=bytes(50)))
    assert (run.document()["waiting"], run.document()["counts"]["skipped"]) == (2, 1)
    await finish(run)
    offer(run, case(result_data=bytes(100)))
    assert run.document()["waiting"] == 1


async def test_the_newest_differences_are_kept_and_no_more() -> None:
    run = run_of(STRICT)
    for number in range(module.KEPT + 5):
        offer(run, case(report_id=f"r{number}"))
    await finish(run)
    told = run.document()
    assert told["counts"]["would_fail"] == module.KEPT + 5
    kept = [one["report_id"] for one in told["differences"]]
    assert len(kept) == module.KEPT
    assert (kept[0], kept[-1]) == ("r5", f"r{module.KEPT + 4}")


def test_a_validator_reads_the_shadow_file_and_a_wrong_one_only_has_problems(
    tmp_path: Path,
) -> None:
    arguments = Arguments(config_dir=tmp_path, id=None)
    assert candidate_of(arguments, {}) is None
    file = tmp_path / "policy_shadow.yaml"
    file.write_text("validator:\n  default:\n    policy_id: next\n    min_confidence: ${LOW}\n")
    found = candidate_of(arguments, {"LOW": "0.5"})
    assert found is not None
    assert found.policies == PolicyBook(default=Policy(policy_id="next", min_confidence=0.5))
    for text in (
        "validator: [",
        "validator: {default: {no_such_key: 1}}",
        "validator:\n  default:\n    min_confidence: ${A}\n",
    ):
        file.write_text(text)
        found = candidate_of(arguments, {})
        assert found is not None
        assert found.policies is None
        assert found.problems
        assert all(one.startswith("SN-C0") for one in found.problems)
