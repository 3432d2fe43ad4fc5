"""How far the members' clocks are from this one's, seen from the times their log entries carry when they arrive here.

An entry arrives late, never early, so the largest difference of the last minutes is the nearest to the truth; it still
holds the fastest entry's way through the log. Decides nothing: the ledger's own time is a majority's.
"""

from collections import deque

from pinai_subnet.runtime.clock import Clock
from pinai_subnet.validator.commands import Stamp

_WINDOW_SECONDS = 180.0
_APART_SECONDS = 1.0
_SAMPLES = 180


class PeerClocks:
    """Fed by the engine's thread with every entry; any thread may read."""

    def __init__(self, *, clock: Clock) -> None:
        """Compare with this clock."""
        self._clock = clock
        self._samples: dict[str, deque[tuple[float, float]]] = {}

    def note(self, stamp: Stamp) -> None:
        """Take the time of an entry that has just been applied; at most one a second and member counts."""
        moment = self._clock.monotonic()
        samples = self._samples.get(stamp.proposer)
        if samples is None:
            samples = deque(maxlen=_SAMPLES)
            self._samples = {**self._samples, stamp.proposer: samples}
        offset = stamp.at_ms / 1000 - self._clock.now()
        if samples and moment - samples[-1][0] < _APART_SECONDS:
            # While a log is read again every entry is old: the newest of them counts.
            samples[-1] = (samples[-1][0], max(offset, samples[-1][1]))
            return
        samples.append((moment, offset))

    def offset_seconds(self, validator_id: str) -> float | None:
        """Return how far a member's clock is ahead of this one; None where nothing was heard of it lately."""
        oldest = self._clock.monotonic() - _WINDOW_SECONDS
        samples = list(self._samples.get(validator_id, ()))
        return max((offset for at, offset in samples if at >= oldest), default=None)
