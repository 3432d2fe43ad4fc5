"""The ledger's time: what the clocks of a majority of the members have reached. Reads no clock itself."""

from pinai_subnet.protocol.quorum import Quorum
from pinai_subnet.validator.commands import Stamp
from pinai_subnet.validator.limits import LedgerLimits
from pinai_subnet.validator.tables import Tables


class Timekeeping:
    """Keeps each member's highest clock. Time never goes back, and no minority of the members moves it.

    A majority is what the log needs anyway, so time goes on whenever anything can be agreed on at all.
    """

    def __init__(self, *, tables: Tables, limits: LedgerLimits, quorum: Quorum) -> None:
        self._state = tables.state
        self._limits = limits
        self._majority = quorum.raft_majority

    def take(self, stamp: Stamp) -> int:
        """Take note of the proposer's clock and return when its command counts as made.

        That is the proposer's own time, as far as it can be believed: not before the ledger's time, and not further
        ahead of it than the limit. It dates facts; only the ledger's time ends anything.
        """
        clocks = self._state.clocks
        clocks[stamp.proposer] = max(clocks.get(stamp.proposer, 0), stamp.at_ms)
        if len(clocks) >= self._majority:
            reached = sorted(clocks.values(), reverse=True)[self._majority - 1]
            self._state.now_ms = max(self._state.now_ms, reached)
        now_ms = self._state.now_ms
        if now_ms == 0:
            # Too few members have spoken for the network to have a time: nothing can end yet either.
            return stamp.at_ms
        return max(now_ms, min(stamp.at_ms, now_ms + self._limits.max_clock_lead_ms))
