"""What became of intents during the last day, counted from the journal, and how long it took."""

import sqlite3
from typing import Any

from pinai_subnet.matcher.window import Phase
from pinai_subnet.protocol.canaries import CANARY_TYPE
from pinai_subnet.runtime.clock import Clock
from pinai_subnet.runtime.sqlite import SqliteDatabase

DAY_SECONDS = 86_400
_MAX_ROWS = 100_000
"""Of more than this only the newest are counted, so that an answer costs a bounded time."""
_KEPT_SECONDS = 5.0

Document = dict[str, Any]


class Statistics:
    """Answers at most once in a few seconds anew, however often it is asked. Canaries are not counted."""

    def __init__(self, *, database: SqliteDatabase, clock: Clock) -> None:
        """Read the journal's own tables."""
        self._database = database
        self._clock = clock
        self._kept: tuple[float, Document] | None = None

    async def last_day(self) -> Document:
        """Return the counts of the last 24 hours, and the median and 99th percentile of what was finalised."""
        moment = self._clock.monotonic()
        if self._kept is not None and moment - self._kept[0] < _KEPT_SECONDS:
            return self._kept[1]
        since_ms = int((self._clock.now() - DAY_SECONDS) * 1000)
        found = await self._database.read(lambda connection: count(connection, since_ms))
        self._kept = (moment, found)
        return found


def count(connection: sqlite3.Connection, since_ms: int) -> Document:
    """Return how many intents are open, and how those since a moment ended and how fast."""
    (open_,) = connection.execute(
        "SELECT count(*) FROM intents WHERE final = 0 AND intent_type != ?", (CANARY_TYPE,)
    ).fetchone()
    rows = connection.execute(
        "SELECT phase, finished_at_ms - seen_at_ms FROM intents"
        " WHERE final = 1 AND finished_at_ms >= ? AND intent_type != ?"
        " ORDER BY finished_at_ms DESC LIMIT ?",
        (since_ms, CANARY_TYPE, _MAX_ROWS),
    ).fetchall()
    took = sorted(ms for phase, ms in rows if phase == Phase.COMPLETED.value)
    return {
        "window_seconds": DAY_SECONDS,
        "open": open_,
        "finalised": len(took),
        "failed": len(rows) - len(took),
        "p50_seconds": _percentile(took, 0.5),
        "p99_seconds": _percentile(took, 0.99),
    }


def _percentile(ordered: list[int], part: float) -> float | None:
    """Return the value below which this part of the ordered milliseconds lies, in seconds; None of nothing."""
    if not ordered:
        return None
    return round(ordered[min(len(ordered) - 1, int(part * len(ordered)))] / 1000, 3)
