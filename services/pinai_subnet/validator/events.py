"""What happened when a command was applied: facts, past tense. Loops, outcomes, metrics, archive follow from them."""

from dataclasses import dataclass

from pinai_subnet.protocol.ids import AssignmentId, IntentId, ValidatorId
from pinai_subnet.protocol.reports import ReportKey
from pinai_subnet.validator.records import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class StageReached:
    """An assignment moved; `sequence` is the fact's place in the outcome feed, 0 for a new assignment (not in it)."""

    sequence: int
    intent_id: IntentId
    assignment_id: AssignmentId
    stage: Stage
    at_ms: int
    code: str
    reason: str
    epoch: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportReceived:
    """A report is in the log and every validator owes a verdict on it."""

    key: ReportKey


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldReportDropped:
    """A report without a known assignment was given up: its time is over, or it was not the assigned agent's."""

    assignment_id: AssignmentId
    intent_id: IntentId
    agent_id: str
    """As the report said."""
    code: str
    reason: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictRecorded:
    """One validator's verdict counts."""

    key: ReportKey
    validator_id: ValidatorId
    passed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochSealed:
    """A batch is fixed; every validator owes a signature."""

    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureCounted:
    """A valid signature of a member counts for the epoch."""

    epoch: int
    validator_id: ValidatorId


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchFinal:
    """The threshold of distinct signatures is reached."""

    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSettled:
    """A majority of the members reported the same answer of RootLayer."""

    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlementClaimed:
    """A member said what RootLayer answered; others owe their confirmation until a majority says the same."""

    epoch: int
    validator_id: ValidatorId


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlementDisputed:
    """A member's word about RootLayer's answer is contradicted by a majority; the ledger keeps it."""

    epoch: int
    validator_id: ValidatorId


@dataclass(frozen=True, slots=True, kw_only=True)
class DoubleSignFound:
    """A member signed twice; the evidence is in the ledger."""

    epoch: int
    validator_id: ValidatorId


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandRefused:
    """The command broke a rule and changed nothing, but for evidence against the member that sent it."""

    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetChangeAdvanced:
    """A change of the validator set was proposed, approved by one more member, enacted or withdrawn."""

    step: str
    action: str
    validator_id: ValidatorId
    approvals: int
    first_epoch: int | None = None
    """From which epoch it counts, once enacted."""


Event = (
    StageReached
    | ReportReceived
    | HeldReportDropped
    | VerdictRecorded
    | EpochSealed
    | SignatureCounted
    | BatchFinal
    | BatchSettled
    | SettlementClaimed
    | SettlementDisputed
    | DoubleSignFound
    | SetChangeAdvanced
    | CommandRefused
)
