"""The ledger's time: what the clocks of a majority of the members have reached. Reads no clock itself."""

from pinai_subnet.validator.commands import Stamp
from pinai_subnet.validator.limits import LedgerLimits
from pinai_subnet.validator.sets import Sets
from pinai_subnet.validator.tables import Tables


class Timekeeping:
    """Keeps each member's highest clock. Time never goes back, and no minority of the members moves it.

    A majority is what the log needs anyway, so time goes on whenever anything can be agreed on at all.
    """

    def __init__(self, *, tables: Tables, limits: LedgerLimits, sets: Sets) -> None:
        self._state = tables.state
        self._limits = limits
        self._sets = sets

    def take(self, stamp: Stamp) -> int:
        """Take note of the proposer's clock and return when its command counts as made.

        That is the proposer's own time, as far as it can be believed: not before the ledger's time, and not further
        ahead of it than the limit. It dates facts; only the ledger's time ends anything.
        """
        clocks = self._state.clocks
        clocks[stamp.proposer] = max(clocks.get(stamp.proposer, 0), stamp.at_ms)
        epoch = self._sets.next_epoch
        members = self._sets.parameters(epoch).validators
        majority = self._sets.quorum(epoch).raft_majority
        known = [clocks[member.id] for member in members if member.id in clocks]
        if len(known) >= majority:
            reached = sorted(known, reverse=True)[majority - 1]
            self._state.now_ms = max(self._state.now_ms, reached)
        now_ms = self._state.now_ms
        if now_ms == 0:
            # Too few members have spoken for the network to have a time: nothing can end yet either.
            return stamp.at_ms
        return max(now_ms, min(stamp.at_ms, now_ms + self._limits.max_clock_lead_ms))
