"""Every intent that is in memory, and what is due when. Found by intent, by assignment and by time."""

from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

from pinai_subnet.matcher.case import Attempt, Case
from pinai_subnet.matcher.tasks import Task
from pinai_subnet.matcher.timers import Timers
from pinai_subnet.matcher.window import Phase
from pinai_subnet.protocol.ids import AssignmentId, IntentId


class Due(StrEnum):
    """What a moment means."""

    CLOSE = "close"
    """The bidding window ends."""
    DEADLINE = "deadline"
    """The intent may not be assigned, or its work not be waited for, any longer."""
    SILENCE = "silence"
    """The agent has not answered the task."""
    LEASE = "lease"
    """The agent has not reported."""
    FORGET = "forget"
    """The ended intent leaves memory."""


class Moment(NamedTuple):
    """What is due for which intent or assignment."""

    due: Due
    id: str


class Board:
    """The intents at hand. Ended ones leave after a short while, so memory stays flat (known defect M1)."""

    def __init__(self) -> None:
        """Start empty."""
        self.timers: Timers[Moment] = Timers()
        self._cases: dict[IntentId, Case] = {}
        self._tasks: dict[AssignmentId, Task] = {}
        self._open: dict[IntentId, Case] = {}

    def __len__(self) -> int:
        return len(self._cases)

    def __iter__(self) -> Iterator[Case]:
        return iter(tuple(self._cases.values()))

    def add(self, case: Case) -> None:
        """Take an intent in, with its assignments."""
        self._cases[case.intent.intent_id] = case
        for attempt in case.attempts:
            self.index(case, attempt)
        self.moved(case)

    def index(self, case: Case, attempt: Attempt) -> Task:
        """Make an assignment findable."""
        task = Task(case=case, attempt=attempt)
        self._tasks[attempt.assignment_id] = task
        return task

    def moved(self, case: Case) -> None:
        """Keep the list of open windows true after the case's window changed."""
        if case.window.phase is Phase.OPEN:
            self._open[case.intent.intent_id] = case
        else:
            self._open.pop(case.intent.intent_id, None)

    def find(self, intent_id: str) -> Case | None:
        """Return an intent, if it is in memory."""
        return self._cases.get(IntentId(intent_id))

    def task(self, assignment_id: str) -> Task | None:
        """Return an assignment, if its intent is in memory."""
        return self._tasks.get(AssignmentId(assignment_id))

    def open_cases(self) -> tuple[Case, ...]:
        """Return the intents that take bids, oldest first."""
        return tuple(self._open.values())

    def forget(self, intent_id: str) -> None:
        """Drop an intent from memory; the journal keeps it."""
        case = self._cases.pop(IntentId(intent_id), None)
        if case is None:
            return
        self._open.pop(case.intent.intent_id, None)
        for due in Due:
            self.timers.clear(Moment(due, case.intent.intent_id))
        for attempt in case.attempts:
            self._tasks.pop(attempt.assignment_id, None)
            self.timers.clear(Moment(Due.SILENCE, attempt.assignment_id))
            self.timers.clear(Moment(Due.LEASE, attempt.assignment_id))
