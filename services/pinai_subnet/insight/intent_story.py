"""What happened to one intent, as values: the result that `intent explain` prints and the console draws.

Times are unix milliseconds, None where it has not happened. Amounts are decimal texts, scores run from 0 to 1.
`document` is the stable JSON form: names are only ever added. How a story is put together is in `story_telling`.
"""

from dataclasses import asdict, dataclass
from typing import Any

FORM = 1
"""The version of the JSON form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """A reason with its code; the code is in the catalogue."""

    code: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """Who asked for what."""

    by: str
    at_ms: int | None
    intent_type: str
    budget: str
    budget_token: str
    deadline_at_ms: int | None
    payload_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shut:
    """An agent that could not bid or whose bids counted no more."""

    agent_id: str
    why: Why


@dataclass(frozen=True, slots=True, kw_only=True)
class NoBid:
    """An agent that could have bid and did not. `declined` is its own reason; None where it said nothing."""

    agent_id: str
    declined: str | None
    at_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedBid:
    """A bid that was not taken."""

    agent_id: str
    at_ms: int
    why: Why


@dataclass(frozen=True, slots=True, kw_only=True)
class BiddingWindow:
    """One closed bidding window; `early` when everybody awaited had answered."""

    round: int
    opened_at_ms: int
    closed_at_ms: int
    early: bool
    bids: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ScorePart:
    """One component of a score. `behind` is how much more the winner's brought, negative where it brought less."""

    name: str
    value: float
    points: float
    behind: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Needed:
    """The counterfactual: each value alone, all else unchanged, would have made this bid win; None where it cannot."""

    price: str | None
    """The highest price that wins."""
    reputation: float | None
    """The lowest reputation that wins."""
    capability: float | None
    """The lowest fit that wins."""
    latency_seconds: float | None
    """The longest average latency that wins."""

    @property
    def possible(self) -> bool:
        """Whether any single change would have been enough."""
        return any(
            v is not None
            for v in (self.price, self.reputation, self.capability, self.latency_seconds)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One bid with its place: `lost_by` is the distance to the winner, `lost_mostly_by` what cost most of it."""

    bid_id: str
    agent_id: str
    agent_address: str
    price: str
    received_at_ms: int
    rank: int | None
    score: float | None
    parts: tuple[ScorePart, ...]
    won: bool
    lost_by: float | None
    lost_mostly_by: str | None
    needed: Needed | None
    """Told of the best bid that lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportTold:
    """The agent's report as the validators hold it."""

    report_id: str
    status: str
    result_bytes: int | None
    result_hash: str
    received_by: str
    at_ms: int | None
    error: Why | None


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictTold:
    """One validator's verdict; `passed` is None while it has said nothing."""

    validator_id: str
    passed: bool | None
    why: Why | None
    rules: tuple[str, ...]
    policy_id: str
    at_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureTold:
    """One validator's signature of the batch; `at_ms` is None while it is missing."""

    validator_id: str
    address: str
    at_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchTold:
    """The sealed batch that carries the result."""

    epoch: int
    batch_digest: str
    items: int
    sealed_by: str
    sealed_at_ms: int | None
    final_at_ms: int | None
    required_signatures: int
    signatures: tuple[SignatureTold, ...]
    missing: tuple[str, ...]
    """Validators whose signature is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlementTold:
    """RootLayer's answer to the item."""

    at_ms: int | None
    ok: bool | None
    receipt: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptTold:
    """One assignment from its making to its end."""

    number: int
    assignment_id: str
    agent_id: str
    state: str
    created_at_ms: int | None
    recorded_at_ms: int | None
    delivered_at_ms: tuple[int, ...]
    acknowledged_at_ms: int | None
    root_layer: str
    report: ReportTold | None
    verdicts: tuple[VerdictTold, ...]
    batch: BatchTold | None
    settlement: SettlementTold | None
    failure: Why | None
    ended_at_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """How long one part of the way took: bidding, assignment, execution, validation, signing, settlement."""

    name: str
    begun_at_ms: int
    ended_at_ms: int | None

    @property
    def seconds(self) -> float | None:
        """Its duration; None while it lasts."""
        return None if self.ended_at_ms is None else (self.ended_at_ms - self.begun_at_ms) / 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """Where the intent stands, and for a failure the code, who is at fault and what to do."""

    status: str
    """`OPEN`, `COMPLETED`, `FAILED` or `EXPIRED`."""
    stage: str
    """The part of the way it reached."""
    seconds: float | None
    """From the submission to the last thing that happened."""
    why: Why | None
    at_fault: str | None
    try_next: tuple[str, ...]
    """Commands, most useful first."""
    docs: str | None


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Moment:
    """One thing that happened."""

    at_ms: int
    what: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A source that did not tell its part, and why."""

    source: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentStory:
    """Everything that is known of one intent."""

    intent_id: str
    ending: Ending
    submission: Submission | None
    sealed: bool
    """Bids are hidden because the window is open."""
    eligible: tuple[str, ...]
    shut: tuple[Shut, ...]
    no_bid: tuple[NoBid, ...]
    windows: tuple[BiddingWindow, ...]
    offers: tuple[Offer, ...]
    """Best first."""
    refused_bids: tuple[RefusedBid, ...]
    attempts: tuple[AttemptTold, ...]
    stages: tuple[Stage, ...]
    moments: tuple[Moment, ...]
    """Everything above in order of time."""
    missing: tuple[Missing, ...]


def document(story: IntentStory) -> dict[str, Any]:
    """Return the JSON form."""
    stages = [asdict(stage) | {"seconds": stage.seconds} for stage in story.stages]
    return {"form": FORM, **asdict(story), "stages": stages}
