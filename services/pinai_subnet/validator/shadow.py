"""A candidate policy that judges beside the active one: what it would have said, and where that differs.

Gives no verdict: nothing here reaches the ledger. It sees a report only after the active verdict was recorded, drops
what it has no room for, and counts its own failures.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pinai_subnet.protocol.canaries import CANARY_TYPE
from pinai_subnet.protocol.ids import ValidatorId
from pinai_subnet.runtime.clock import Clock
from pinai_subnet.runtime.logs import get_logger
from pinai_subnet.validator.commands import Verdict
from pinai_subnet.validator.metrics import SHADOW_RESULTS, ValidatorMetrics
from pinai_subnet.validator.policy import PolicyBook
from pinai_subnet.validator.rules import Case
from pinai_subnet.validator.status import policies_digest
from pinai_subnet.validator.verification import Judgement, judge

MAX_WAITING = 1000
MAX_WAITING_BYTES = 64 * 1024 * 1024
"""Of results: the ledger lets them go when an assignment ends, a waiting report holds them."""
KEPT = 200
_SHOWN_REASON = 300

Document = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """What a validator found in the shadow file: policies, or why there are none."""

    policies: PolicyBook | None
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Waiting:
    case: Case
    verdict: Verdict

    @property
    def size(self) -> int:
        return len(self.case.report.result_data)


class ShadowRun:
    """Everything a validator knows of its candidate policy. Without one it takes nothing and says so."""

    def __init__(
        self,
        *,
        candidate: Candidate | None,
        active: PolicyBook,
        validator_id: ValidatorId,
        clock: Clock,
        metrics: ValidatorMetrics,
    ) -> None:
        """Begin with nothing judged."""
        self._candidate = candidate or Candidate(policies=None)
        self._active = active
        self._validator_id = validator_id
        self._clock = clock
        self._metrics = metrics
        self._since_ms = int(clock.now() * 1000)
        self._waiting: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._counts: Counter[str] = Counter()
        self._codes: Counter[tuple[str, str]] = Counter()
        self._differences: deque[Document] = deque(maxlen=KEPT)
        self._last_failure = ""
        for problem in self._candidate.problems:
            get_logger().warning("shadow_policy_refused", reason=problem)

    def offer(self, case: Case, verdict: Verdict) -> None:
        """Take a report that has its active verdict; it is judged later, or skipped where too many wait.

        Canaries are not compared: their policy is fixed.
        """
        if self._candidate.policies is None or case.record.intent_type == CANARY_TYPE:
            return
        waiting = _Waiting(case=case, verdict=verdict)
        full = len(self._waiting) >= MAX_WAITING
        if full or self._waiting_bytes + waiting.size > MAX_WAITING_BYTES:
            self._count("skipped")
            return
        self._waiting.append(waiting)
        self._waiting_bytes += waiting.size

    async def work(self) -> bool:
        """Judge one waiting report; return whether more wait."""
        policies = self._candidate.policies
        if policies is None or not self._waiting:
            return False
        one = self._waiting.popleft()
        self._waiting_bytes -= one.size
        # Hashing a large result takes its time, and whatever a candidate does must not end this process.
        (found,) = await asyncio.gather(
            asyncio.to_thread(_judged, policies, one.case), return_exceptions=True
        )
        if isinstance(found, Judgement):
            self._compare(one, found)
        else:
            self._failed(one, found)
        return bool(self._waiting)

    def document(self) -> Document:
        """Return what this validator tells about its shadow run."""
        policies = self._candidate.policies
        return {
            "id": self._validator_id,
            "since_ms": self._since_ms,
            "active": _described(self._active),
            "shadow": None if policies is None else _described(policies),
            "problems": list(self._candidate.problems),
            "judged": sum(self._counts[one] for one in SHADOW_RESULTS[:4]),
            "counts": {result: self._counts[result] for result in SHADOW_RESULTS},
            "waiting": len(self._waiting),
            "last_failure": self._last_failure,
            "reasons": [
                {"active_code": active, "shadow_code": shadow, "count": count}
                for (active, shadow), count in self._codes.most_common()
            ],
            "differences": list(self._differences),
        }

    def _compare(self, one: _Waiting, found: Judgement) -> None:
        verdict, record = one.verdict, one.case.record
        if (found.passed, found.code) == (verdict.passed, verdict.code):
            self._count("agreed")
            return
        kind = "would_pass" if found.passed else "would_fail"
        if found.passed == verdict.passed:
            kind = "other_code"
        self._count(kind)
        self._codes[verdict.code, found.code] += 1
        self._differences.append(
            {
                "at_ms": int(self._clock.now() * 1000),
                "kind": kind,
                "report_id": one.case.report.report_id,
                "assignment_id": record.assignment.assignment_id,
                "intent_id": record.assignment.intent_id,
                "intent_type": record.intent_type,
                "agent_id": record.agent_id,
                "active": _said(verdict.passed, verdict.code, verdict.reason),
                "shadow": _said(found.passed, found.code, found.reason),
            }
        )

    def _failed(self, one: _Waiting, failure: BaseException) -> None:
        if not self._last_failure:
            # Once: the rest are counted, and the log belongs to the active path.
            get_logger().warning(
                "shadow_judging_failed",
                assignment_id=one.verdict.key.assignment_id,
                reason=repr(failure),
            )
        self._last_failure = repr(failure)[:_SHOWN_REASON]
        self._count("failed")

    def _count(self, result: str) -> None:
        self._counts[result] += 1
        self._metrics.shadow.add(result=result)


def _judged(policies: PolicyBook, case: Case) -> Judgement:
    return judge(replace(case, policy=policies.for_type(case.record.intent_type)))


def _said(passed: bool, code: str, reason: str) -> Mapping[str, Any]:
    return {"passed": passed, "code": code, "reason": reason[:_SHOWN_REASON]}


def _described(policies: PolicyBook) -> Mapping[str, str]:
    default = policies.default
    return {
        "digest": policies_digest(policies),
        "policy_id": default.policy_id,
        "version": default.version,
    }
