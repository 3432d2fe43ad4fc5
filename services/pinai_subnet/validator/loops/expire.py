"""Expire: every validator shows its clock when time matters, so that everything reaches an end (known defect L15).

The ledger ends things by a time that a majority of clocks has reached. A member that owes nothing else proposes an
`Expire` for that alone: once when its own clock passes a moment at which something is due, and once a minute otherwise,
so that everybody can tell whose clock is off.
"""

from pinai_subnet.runtime.clock import Clock
from pinai_subnet.validator.commands import Expire
from pinai_subnet.validator.ledger import Ledger
from pinai_subnet.validator.records import AssignmentState, Stage
from pinai_subnet.validator.replica import Replica

IDLE_TICK_MS = 60_000
_FOLLOWER_PATIENCE_MS = 5_000


class ExpireOverdue:
    """Proposes at most one expiry per turn, and none while neither anything is due nor the ledger's time old."""

    def __init__(self, *, replica: Replica, clock: Clock) -> None:
        """Judge by this clock what is due; the ledger then decides by its own time."""
        self._replica = replica
        self._clock = clock

    async def work(self) -> bool:
        """Expire what is due; never asks to be called again at once."""
        if not self._replica.status().has_quorum:
            return False
        now_ms = int(self._clock.now() * 1000)
        if self._replica.read(lambda ledger: self._owed(ledger, now_ms)):
            await self._replica.propose(lambda stamp: Expire(stamp=stamp))
        return False

    def _owed(self, ledger: Ledger, now_ms: int) -> bool:
        if ledger.proposer(self._replica.validator_id) is None:
            # Its clock does not count: it has not joined yet, or is removed.
            return False
        shown_ms = ledger.clock(self._replica.validator_id)
        if now_ms - shown_ms > IDLE_TICK_MS:
            return True
        due_ms = _next_due(ledger)
        if due_ms is None:
            return False
        if shown_ms <= due_ms < now_ms:
            return True
        # The time was reached by other commands: the leader ends it, and others if the leader does not.
        patience_ms = 0 if self._replica.leading else _FOLLOWER_PATIENCE_MS
        return due_ms + patience_ms < ledger.now_ms


def _next_due(ledger: Ledger) -> int | None:
    """Return the moment after which the next thing ends by time."""
    limits = ledger.limits

    def due(state: AssignmentState) -> int:
        if state.stage is Stage.ASSIGNED:
            return state.deadline_ms + limits.report_grace_ms
        return state.times[Stage.REPORTED] + limits.verdict_timeout_ms

    return min(
        (
            *(held.received_at_ms + limits.hold_ms for held in ledger.held_reports()),
            *map(due, ledger.waiting()),
        ),
        default=None,
    )
