"""The state machine of one intent at the matcher: open, closed, assigned, reported, completed, re-opened, ended.

Pure: every step takes the time and returns the next state or raises `WrongState` SN-M030. It does not know who bids,
who wins or who signs.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from pinai_subnet.protocol.errors import WrongState


class Phase(StrEnum):
    """Where an intent stands."""

    OPEN = "open"
    """Bids are taken."""
    CLOSED = "closed"
    """No bids are taken; a winner is chosen or its assignment is on its way to the validators."""
    ASSIGNED = "assigned"
    """The validators hold the assignment; the agent has not answered."""
    CONFIRMED = "confirmed"
    """The agent accepted the task and holds a lease on it."""
    REPORTED = "reported"
    """The validators have the agent's report."""
    COMPLETED = "completed"
    """Settled at RootLayer."""
    ENDED = "ended"
    """Nothing will happen any more; the window says why."""

    @property
    def final(self) -> bool:
        """Whether the intent is over for the matcher."""
        return self in (Phase.COMPLETED, Phase.ENDED)


_WORKING = frozenset({Phase.ASSIGNED, Phase.CONFIRMED, Phase.REPORTED})


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowRules:
    """How long windows are. All in milliseconds."""

    duration_ms: int
    reopen_max_ms: int
    """A window nobody bids in doubles when it re-opens, up to this, so that idle intents do not flood the agents."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One intent's state. Times are unix milliseconds."""

    phase: Phase
    round: int
    """Counts the bidding windows of the intent from 1."""
    opened_at_ms: int
    closes_at_ms: int
    closed_at_ms: int = 0
    """0 while open."""
    empty_rounds: int = 0
    """Windows in a row that closed without a usable bid."""
    attempt: int = 0
    """Counts the assignments of the intent; 0 before the first."""
    finished_at_ms: int = 0
    end_code: str = ""
    end_reason: str = ""

    def takes_bids(self, now_ms: int) -> bool:
        """Say whether a bid that arrives now counts, also when the timer that closes the window is late."""
        return self.phase is Phase.OPEN and now_ms < self.closes_at_ms


def open_window(*, now_ms: int, assign_by_ms: int, rules: WindowRules) -> Window:
    """Open the first window; at least half of the time in which the intent may be assigned is left for the work."""
    return Window(
        phase=Phase.OPEN,
        round=1,
        opened_at_ms=now_ms,
        closes_at_ms=_ordinary_end(now_ms, assign_by_ms, rules),
    )


def first_bid(window: Window, *, now_ms: int, assign_by_ms: int, rules: WindowRules) -> Window:
    """Shorten a prolonged window once somebody bids: from now on it lasts as long as an ordinary one."""
    _require(window, Phase.OPEN)
    ordinary = _ordinary_end(now_ms, assign_by_ms, rules)
    return replace(window, closes_at_ms=min(window.closes_at_ms, ordinary))


def close(window: Window, *, now_ms: int) -> Window:
    """Stop taking bids."""
    _require(window, Phase.OPEN)
    return replace(window, phase=Phase.CLOSED, closed_at_ms=now_ms)


def assign(window: Window, *, attempt: int) -> Window:
    """The validators hold the assignment with this number."""
    _require(window, Phase.CLOSED)
    if attempt <= window.attempt:
        raise WrongState(
            "SN-M030", f"attempt {attempt} after {window.attempt}: attempts only count up"
        )
    return replace(window, phase=Phase.ASSIGNED, attempt=attempt)


def confirm(window: Window) -> Window:
    """The agent accepted; saying so twice, or after the report, changes nothing."""
    if window.phase in (Phase.CONFIRMED, Phase.REPORTED):
        return window
    _require(window, Phase.ASSIGNED)
    return replace(window, phase=Phase.CONFIRMED)


def report(window: Window) -> Window:
    """A report is in; it counts as acceptance where the agent never answered (agent-interop row 13)."""
    if window.phase is Phase.REPORTED:
        return window
    _require(window, Phase.ASSIGNED, Phase.CONFIRMED)
    return replace(window, phase=Phase.REPORTED)


def fail(window: Window) -> Window:
    """The current attempt failed: back to choosing, with the window closed."""
    if window.phase is Phase.CLOSED:
        return window
    _require(window, *_WORKING)
    return replace(window, phase=Phase.CLOSED)


def reopen(
    window: Window, *, now_ms: int, assign_by_ms: int, rules: WindowRules, empty: bool
) -> Window:
    """Take bids again; `empty` says that the closed window had no usable bid."""
    _require(window, Phase.CLOSED)
    empty_rounds = window.empty_rounds + 1 if empty else 0
    growth = 1 << min(empty_rounds, 16)
    duration = max(rules.duration_ms, min(rules.duration_ms * growth, rules.reopen_max_ms))
    return replace(
        window,
        phase=Phase.OPEN,
        round=window.round + 1,
        opened_at_ms=now_ms,
        closes_at_ms=min(now_ms + duration, assign_by_ms),
        closed_at_ms=0,
        empty_rounds=empty_rounds,
    )


def complete(window: Window, *, now_ms: int) -> Window:
    """The result is settled, whatever the matcher thought before: settlement is final."""
    if window.phase is Phase.COMPLETED:
        return window
    return replace(window, phase=Phase.COMPLETED, finished_at_ms=now_ms, end_code="", end_reason="")


def end(window: Window, *, now_ms: int, code: str, reason: str) -> Window:
    """Give up, with the reason that requesters and operators read."""
    if window.phase.final:
        raise WrongState("SN-M030", f"the intent is {window.phase} already and cannot end again")
    return replace(
        window,
        phase=Phase.ENDED,
        finished_at_ms=now_ms,
        closed_at_ms=window.closed_at_ms or now_ms,
        end_code=code,
        end_reason=reason,
    )


def _ordinary_end(now_ms: int, assign_by_ms: int, rules: WindowRules) -> int:
    return now_ms + min(rules.duration_ms, max(0, assign_by_ms - now_ms) // 2)


def _require(window: Window, *phases: Phase) -> None:
    if window.phase not in phases:
        expected = " or ".join(phases)
        raise WrongState("SN-M030", f"the intent is {window.phase}; this needs {expected}")
