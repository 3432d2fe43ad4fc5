"""What moves at this matcher, live: the newest steps of all intents, and a wait for the next. In memory, bounded.

Numbers go on upwards over restarts, so that a listener may ask again with the last one it has. Open windows show how
many bids there are, never whose or how much.
"""

import asyncio
from collections import deque
from dataclasses import asdict, dataclass
from typing import Any

from pinai_subnet.matcher.case import Case
from pinai_subnet.protocol.errors import Exhausted

KEPT = 2000
MAX_WAITING = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One step of one intent. `agent_id` has the assignment, empty before there is one."""

    number: int
    at_ms: int
    intent_id: str
    intent_type: str
    phase: str
    round: int
    attempt: int
    bids: int
    agent_id: str
    code: str

    def document(self) -> dict[str, Any]:
        """Return its JSON form."""
        return asdict(self)


class Moves:
    """The newest steps."""

    def __init__(self, *, first: int) -> None:
        """Count from this number, which is above every earlier run's: the time in milliseconds will do."""
        self._number = first
        self._kept: deque[Move] = deque(maxlen=KEPT)
        self._changed = asyncio.Event()
        self._waiting = 0
        self._ended = False

    @property
    def newest(self) -> int:
        """The number of the newest step."""
        return self._number

    def add(self, case: Case, *, now_ms: int) -> None:
        """Tell that an intent has moved; canaries are told of elsewhere."""
        if case.canary:
            return
        self._number += 1
        current, window = case.current, case.window
        move = Move(
            number=self._number,
            at_ms=now_ms,
            intent_id=case.intent.intent_id,
            intent_type=case.intent.intent_type,
            phase=window.phase.value,
            round=window.round,
            attempt=window.attempt,
            bids=len(case.bids),
            agent_id=current.agent_id if current else "",
            code=window.end_code,
        )
        self._kept.append(move)
        self._changed.set()
        self._changed = asyncio.Event()

    def missed(self, after: int) -> bool:
        """Whether steps after this number are forgotten already."""
        return bool(self._kept) and after < self._kept[0].number - 1

    async def after(self, number: int, *, intent_id: str, seconds: float) -> list[Move]:
        """Return the steps after a number, waiting this long for one; `Exhausted` SN-M024 where too many wait."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        if self._waiting >= MAX_WAITING:
            raise Exhausted(
                "SN-M024", f"{self._waiting} listeners wait, the most this server holds"
            )
        self._waiting += 1
        try:
            while True:
                found = self._since(number, intent_id)
                left = deadline - loop.time()
                if found or left <= 0 or self._ended:
                    return found
                changed = self._changed
                try:
                    await asyncio.wait_for(changed.wait(), left)
                except TimeoutError:
                    return []
        finally:
            self._waiting -= 1

    def end(self) -> None:
        """Let everybody who waits go; for the end of the process."""
        self._ended = True
        self._changed.set()

    def _since(self, number: int, intent_id: str) -> list[Move]:
        found = []
        for move in reversed(self._kept):
            if move.number <= number:
                break
            if intent_id in ("", move.intent_id):
                found.append(move)
        return found[::-1]
