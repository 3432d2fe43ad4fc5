"""Proven readiness: sends an intent without cost through the whole network, again and again, and says how it went.

The canary is a real intent to everybody but RootLayer: a window opens, the matcher's own agent bids over gRPC, takes
the task and reports to a validator; the validators judge, seal and sign. It is done when its batch is final.
"""

import secrets
from dataclasses import dataclass
from typing import Any

from pinai_subnet.matcher.board import Board
from pinai_subnet.matcher.case import Case
from pinai_subnet.matcher.metrics import MatcherMetrics
from pinai_subnet.matcher.service import Matcher
from pinai_subnet.matcher.wakeup import Wakeup
from pinai_subnet.matcher.window import Phase
from pinai_subnet.protocol.canaries import CANARY_TYPE, NONCE_BYTES, canary_id
from pinai_subnet.protocol.digests import params_hash
from pinai_subnet.protocol.errors import NotReady, WrongState
from pinai_subnet.protocol.ids import ZERO_ADDRESS, Address, SubnetId
from pinai_subnet.protocol.intents import Intent, IntentStatus
from pinai_subnet.runtime.clock import Clock
from pinai_subnet.runtime.health import OK, Finding
from pinai_subnet.runtime.logs import get_logger
from pinai_subnet.runtime.stop import Stop

CODE = "SN-N425"
PAYLOAD = b"canary"
_LOOK_SECONDS = 0.05
_AGAIN_SECONDS = 5.0
"""How soon after a failure the next one is sent: recovery should be seen soon."""
_STAGES = {
    Phase.OPEN: "nobody bid",
    Phase.CLOSED: "the validators did not take the assignment",
    Phase.ASSIGNED: "the task was not taken",
    Phase.CONFIRMED: "no report reached the validators",
    Phase.REPORTED: "the report was not verified, sealed and signed by enough validators",
}

Document = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What became of one canary. `at_ms` is when that was known."""

    intent_id: str
    at_ms: int
    seconds: float
    failure: str
    """Why it did not come through; empty when it did."""


class Canary:
    """The loop that sends them, and what they prove. Nothing latches: the proof grows old by itself."""

    def __init__(
        self,
        *,
        matcher: Matcher,
        board: Board,
        subnet_id: SubnetId,
        requester: Address,
        clock: Clock,
        metrics: MatcherMetrics,
        every_seconds: float,
        timeout_seconds: float,
    ) -> None:
        """Send one every so often, and give each so long; with `every_seconds` 0 none is sent or missed."""
        self._matcher = matcher
        self._board = board
        self._subnet_id = subnet_id
        self._requester = requester
        self._clock = clock
        self._metrics = metrics
        self._every_seconds = every_seconds
        self._timeout_seconds = timeout_seconds
        self._wakeup = Wakeup(clock)
        self._ended = 0
        self._last: Sent | None = None
        self._good: Sent | None = None
        self._good_at = 0.0
        self._log = get_logger()

    @property
    def enabled(self) -> bool:
        """Whether canaries are sent at all."""
        return self._every_seconds > 0

    async def run(self, stop: Stop) -> None:
        """Send one at once and then again and again, sooner after a failure or when asked for, until stopped."""
        while not stop.is_set:
            sent = await self._send(stop)
            if await stop.wait(0):
                return
            self._note(sent)
            again = min(_AGAIN_SECONDS, self._every_seconds)
            await self._wakeup.wait(stop, again if sent.failure else self._every_seconds)

    async def prove(self) -> Document:
        """Wait for the next canary to end, sending one now if none is under way, and return `document`.

        Raises `NotReady` SN-N425 with the reason where it did not come through, `WrongState` SN-M027 where canaries are
        switched off.
        """
        if not self.enabled:
            raise WrongState(
                "SN-M027", "canaries are switched off (canary.every_seconds of matcher.yaml is 0)"
            )
        before = self._ended
        self._wakeup.nudge()
        while self._ended == before:
            await self._clock.sleep(_LOOK_SECONDS)
        finding = self.check()
        if not finding.ok:
            raise NotReady(CODE, finding.reason)
        return self.document()

    def check(self) -> Finding:
        """Say whether a canary has come through lately."""
        if not self.enabled:
            return OK
        if self._last is None:
            return Finding(False, "no canary has ended yet", CODE)
        if self._last.failure:
            return Finding(False, self._last.failure, CODE)
        old = self._clock.monotonic() - self._good_at
        if old > self._every_seconds + 2 * self._timeout_seconds:
            return Finding(False, f"the last canary came through {old:.0f} s ago", CODE)
        return OK

    def document(self) -> Document:
        """Return what a status screen shows."""
        finding, good, last = self.check(), self._good, self._last
        return {
            "enabled": self.enabled,
            "ok": self.enabled and finding.ok,
            "reason": finding.reason,
            "every_seconds": self._every_seconds,
            "last_intent_id": last.intent_id if last else None,
            "last_at_ms": last.at_ms if last else None,
            "last_ok_at_ms": good.at_ms if good else None,
            "last_seconds": round(good.seconds, 3) if good else None,
        }

    async def _send(self, stop: Stop) -> Sent:
        begun = self._clock.monotonic()
        intent = self._intent()
        taken = await self._matcher.take_intents([intent])
        case = self._board.find(intent.intent_id)
        if not taken or case is None:
            return self._sent(intent, begun, "the matcher has no room for one more intent")
        while self._clock.monotonic() - begun < self._timeout_seconds:
            if case.window.phase.final or await stop.wait(_LOOK_SECONDS):
                break
        return self._sent(intent, begun, _failure(case, self._timeout_seconds))

    def _intent(self) -> Intent:
        now = int(self._clock.now())
        return Intent(
            intent_id=canary_id(secrets.token_bytes(NONCE_BYTES)),
            subnet_id=self._subnet_id,
            requester=self._requester,
            settle_chain="",
            intent_type=CANARY_TYPE,
            intent_raw=PAYLOAD,
            metadata=b"",
            params_hash=params_hash(PAYLOAD, b""),
            tips_token=ZERO_ADDRESS,
            tips=0,
            budget_token=ZERO_ADDRESS,
            budget=0,
            deadline=now + 1 + int(self._timeout_seconds),
            intent_expiration=0,
            status=IntentStatus.PENDING,
            created_at=now,
            signature=b"",
        )

    def _sent(self, intent: Intent, begun: float, failure: str) -> Sent:
        return Sent(
            intent_id=intent.intent_id,
            at_ms=int(self._clock.now() * 1000),
            seconds=self._clock.monotonic() - begun,
            failure=failure,
        )

    def _note(self, sent: Sent) -> None:
        was_good = self._last is not None and not self._last.failure
        self._last = sent
        self._ended += 1
        self._metrics.canaries.add(result="failed" if sent.failure else "finalised")
        self._metrics.canary_ok.set(not sent.failure)
        if sent.failure:
            if was_good or self._ended == 1:
                self._log.warning(
                    "canary_failed", code=CODE, intent_id=sent.intent_id, reason=sent.failure
                )
            return
        self._good, self._good_at = sent, self._clock.monotonic()
        self._metrics.canary_seconds.observe(sent.seconds)
        if not was_good:
            self._log.info("canary_finalised", intent_id=sent.intent_id, seconds=sent.seconds)


def _failure(case: Case, timeout_seconds: float) -> str:
    """Return why a canary has not come through; empty where it has."""
    window = case.window
    if window.phase is Phase.COMPLETED:
        return ""
    if window.phase is Phase.ENDED:
        return f"{window.end_code} {window.end_reason}"
    return f"{_STAGES[window.phase]} within {timeout_seconds:.0f} s"
