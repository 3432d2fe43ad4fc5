"""Expire: the leader ends what is out of time, so that everything reaches an end (known defect L15)."""

from pinai_subnet.runtime.clock import Clock
from pinai_subnet.validator.commands import Expire
from pinai_subnet.validator.ledger import Ledger
from pinai_subnet.validator.records import AssignmentState, Stage
from pinai_subnet.validator.replica import Replica


class ExpireOverdue:
    """Proposes an expiry only when something is due: an idle network writes nothing."""

    def __init__(self, *, replica: Replica, clock: Clock) -> None:
        """Judge by this clock what is due; the ledger then decides by its own time."""
        self._replica = replica
        self._clock = clock

    async def work(self) -> bool:
        """Expire what is due; never asks to be called again at once."""
        if not self._replica.leading:
            return False
        now_ms = int(self._clock.now() * 1000)
        if self._replica.read(lambda ledger: _something_due(ledger, now_ms)):
            await self._replica.propose(lambda stamp: Expire(stamp=stamp))
        return False


def _something_due(ledger: Ledger, now_ms: int) -> bool:
    limits = ledger.limits
    if any(held.received_at_ms + limits.hold_ms < now_ms for held in ledger.held_reports()):
        return True

    def due(state: AssignmentState) -> bool:
        if state.stage is Stage.ASSIGNED:
            return state.deadline_ms + limits.report_grace_ms < now_ms
        return state.times[Stage.REPORTED] + limits.verdict_timeout_ms < now_ms

    return any(due(state) for state in ledger.waiting())
