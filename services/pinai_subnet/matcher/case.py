"""All the matcher knows of one intent: its window, its bids, its ranking, its assignments and what became of each.

Plain data with small questions about itself; the rules that change it are in `window`, `auction`, `service`
and `followup`.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

from pinai_subnet.matcher.auction import AuctionRules, Candidate, Scored
from pinai_subnet.matcher.refusal import Refusal
from pinai_subnet.matcher.window import Window
from pinai_subnet.matcher.wishes import NONE, Wishes
from pinai_subnet.protocol.assignments import AssignmentRecord
from pinai_subnet.protocol.bids import Bid, BidStatus
from pinai_subnet.protocol.canaries import is_canary
from pinai_subnet.protocol.ids import AgentId, AssignmentId, BidId
from pinai_subnet.protocol.intents import Intent

N = TypeVar("N")

MAX_NOTES = 32
"""How many rounds, refused bids and deliveries are remembered per intent; the newest are kept."""


class AttemptState(StrEnum):
    """How far one assignment has come."""

    DRAFTED = "drafted"
    """Signed and journalled, not yet taken by the validators."""
    RECORDED = "recorded"
    """The validators hold it; the task is the agent's to take."""
    CONFIRMED = "confirmed"
    REPORTED = "reported"
    SETTLED = "settled"
    FAILED = "failed"

    @property
    def open(self) -> bool:
        """Whether the agent still owes something for it."""
        return self in (AttemptState.DRAFTED, AttemptState.RECORDED, AttemptState.CONFIRMED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One outcome the validators told of an assignment."""

    kind: str
    at_ms: int
    code: str
    reason: str
    epoch: int


@dataclass(slots=True, kw_only=True)
class Attempt:
    """One assignment of the intent. Times are unix milliseconds, 0 where it has not happened."""

    record: AssignmentRecord
    created_at_ms: int
    state: AttemptState = AttemptState.DRAFTED
    recorded_at_ms: int = 0
    delivered_at_ms: list[int] = field(default_factory=list)
    response_due_at_ms: int = 0
    """When silence counts as a failure; 0 while the agent is busy with an earlier task."""
    acknowledged_at_ms: int = 0
    lease_until_ms: int = 0
    reported_at_ms: int = 0
    ended_at_ms: int = 0
    code: str = ""
    reason: str = ""
    steps: list[Step] = field(default_factory=list)
    root_layer: str = ""
    """What RootLayer said to the assignment: empty until it answered."""

    @property
    def assignment_id(self) -> AssignmentId:
        """The id of the assignment, which is also the task's."""
        return self.record.assignment.assignment_id

    @property
    def agent_id(self) -> AgentId:
        """Whose task it is."""
        return self.record.agent_id

    @property
    def bid_id(self) -> BidId:
        """The bid that won it."""
        return self.record.assignment.bid_id


LACKED_CAPACITY = "SN-M208"
"""The code of an assignment that its agent gave back because it was full: no failure, and no reason to stay away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One closed bidding window."""

    number: int
    opened_at_ms: int
    closed_at_ms: int
    early: bool
    bids: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedBid:
    """One bid that was not taken."""

    agent_id: str
    at_ms: int
    code: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decline:
    """An agent's word that it does not bid in one window."""

    round: int
    at_ms: int
    reason: str


@dataclass(slots=True, kw_only=True)
class Case:
    """One intent at this matcher. `bids` holds the standing bid of each agent."""

    intent: Intent
    window: Window
    seen_at_ms: int
    assign_by_ms: int
    """After this the intent is not assigned any more."""
    deadline_ms: int
    """After this a report is late."""
    bids: dict[AgentId, Bid] = field(default_factory=dict)
    excluded: dict[AgentId, Refusal] = field(default_factory=dict)
    """Agents whose assignment of this intent failed: their bids count no more (known defect L9)."""
    declined: dict[AgentId, Decline] = field(default_factory=dict)
    wishes: Wishes = NONE
    candidates: tuple[Candidate, ...] = ()
    """What the last ranking was made from."""
    auction: AuctionRules | None = None
    """The rules of the last ranking; None before it, and for intents of releases that did not keep them."""
    ranking: tuple[Scored, ...] = ()
    eligible: tuple[str, ...] = ()
    ineligible: dict[str, Refusal] = field(default_factory=dict)
    """Agents that could not bid when the last window closed, and why."""
    rounds: list[Round] = field(default_factory=list)
    refused: list[RefusedBid] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)

    @property
    def canary(self) -> bool:
        """Whether it is the network's own probe, which counts in no statistics."""
        return is_canary(self.intent.intent_id)

    @property
    def current(self) -> Attempt | None:
        """The newest assignment, if there is any."""
        return self.attempts[-1] if self.attempts else None

    def readmit_busy(self) -> None:
        """Let agents that only lacked capacity count again; for when there is nobody else."""
        for agent_id in [a for a, why in self.excluded.items() if why.code == LACKED_CAPACITY]:
            del self.excluded[agent_id]

    def attempt(self, assignment_id: AssignmentId) -> Attempt | None:
        """Return one assignment of this intent."""
        return next((a for a in self.attempts if a.assignment_id == assignment_id), None)

    def bid_status(self, bid: Bid) -> BidStatus:
        """Return what the wire calls this bid's standing; nothing is revealed before the ranking exists."""
        current = self.current
        if current is not None and current.bid_id == bid.bid_id:
            return BidStatus.WINNER
        scored = next((s for s in self.ranking if s.bid_id == bid.bid_id), None)
        if scored is None:
            return BidStatus.ACCEPTED
        if bid.agent_id in self.excluded or not scored.rank:
            return BidStatus.REJECTED
        return BidStatus.RUNNER_UP


def remember(notes: list[N], note: N) -> None:
    """Append a note and forget the oldest beyond the limit."""
    notes.append(note)
    del notes[:-MAX_NOTES]
