"""What the ledger remembers: one record per assignment and one per epoch. Mutable, owned by the ledger alone."""

from dataclasses import dataclass, field
from enum import IntEnum

from pinai_subnet.protocol.assignments import AssignmentRecord
from pinai_subnet.protocol.batches import BatchItem
from pinai_subnet.protocol.checkpoints import Header
from pinai_subnet.protocol.ids import Address, ValidatorId
from pinai_subnet.protocol.membership import SetChange, SignedSetChange
from pinai_subnet.protocol.network import ValidatorIdentity
from pinai_subnet.protocol.reports import ExecutionReport, ReportKey
from pinai_subnet.validator.commands import ItemSettlement, Verdict


class Stage(IntEnum):
    """How far an assignment has come; it only moves forward. Numbered as `OutcomeKind` on the wire (0 is new)."""

    ASSIGNED = 0
    REPORTED = 1
    VERIFIED = 2
    REJECTED = 3
    SEALED = 4
    FINAL = 5
    SETTLED = 6
    EXPIRED = 7
    SETTLEMENT_REFUSED = 8

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to the assignment."""
        return self in (Stage.REJECTED, Stage.SETTLED, Stage.EXPIRED, Stage.SETTLEMENT_REFUSED)


@dataclass(slots=True, kw_only=True)
class AssignmentState:
    """One assignment's life. Times are unix milliseconds of the ledger's clock, keyed by stage."""

    record: AssignmentRecord
    stage: Stage = Stage.ASSIGNED
    times: dict[Stage, int] = field(default_factory=dict)
    sequence: int = 0
    """Position of its latest outcome in the outcome feed."""
    report: ExecutionReport | None = None
    """The report; its result bytes are dropped once the batch has ended (the archive keeps them)."""
    report_digest: bytes = b""
    result_hash: bytes = b""
    proof_hash: bytes = b""
    received_by: ValidatorId | None = None
    verdicts: dict[ValidatorId, Verdict] = field(default_factory=dict)
    verdict_times: dict[ValidatorId, int] = field(default_factory=dict)
    verified_with: int = 0
    """How many passing verdicts it took when it was verified; the set may have changed since."""
    sealed_verdicts: int = 0
    """How many of `verdicts`, in log order, the checkpoint of its epoch commits to; later ones came after the seal."""
    epoch: int | None = None
    code: str = ""
    reason: str = ""

    @property
    def key(self) -> ReportKey:
        """What identifies the one report this assignment can have."""
        assignment = self.record.assignment
        return ReportKey(assignment.assignment_id, assignment.agent_address)

    @property
    def deadline_ms(self) -> int:
        """The assignment's deadline in unix milliseconds."""
        return self.record.deadline * 1000


@dataclass(slots=True, kw_only=True)
class HeldReport:
    """A report that came before its assignment."""

    report: ExecutionReport
    received_by: ValidatorId
    received_at_ms: int


@dataclass(slots=True, kw_only=True)
class EpochSignature:
    """One member's counted signatures of an epoch."""

    batch_signature: bytes
    header_signature: bytes
    at_ms: int
    signer: Address | None = None
    """Where it is not the member's key of that epoch: the former one, in the overlap of a rotation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stray:
    """A member's valid signature for an epoch over something else than the ledger's own digest or header hash."""

    over_header: bool
    """Whether it is over a header hash; otherwise it is over a batch digest."""
    digest: bytes
    signature: bytes


@dataclass(slots=True, kw_only=True)
class EpochState:
    """One sealed batch and its checkpoint header."""

    epoch: int
    sealed_by: ValidatorId
    sealed_at_ms: int
    keys: tuple[ReportKey, ...]
    items: tuple[BatchItem, ...]
    items_hash: bytes
    root_hash: bytes
    """Parent checkpoint hash, as in the batch digest."""
    batch_digest: bytes
    """Before the EIP-191 prefix."""
    header: Header
    header_hash: bytes
    ledger_digest: bytes = b""
    """What `header.state_root` folds in; empty for an epoch that an older build sealed."""
    signatures: dict[ValidatorId, EpochSignature] = field(default_factory=dict)
    strays: dict[ValidatorId, Stray] = field(default_factory=dict)
    """The first thing of each member that signed something else than this epoch."""
    final_at_ms: int | None = None
    settled_at_ms: int | None = None
    results: tuple[ItemSettlement, ...] = ()
    claims: dict[ValidatorId, tuple[ItemSettlement, ...]] = field(default_factory=dict)
    """What each member says RootLayer answered, until a majority says the same."""
    settled_by: tuple[ValidatorId, ...] = ()
    """The members whose equal words settled the epoch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetState:
    """One set of validators, which counts from an epoch on until the next one does."""

    version: int
    first_epoch: int
    members: tuple[ValidatorIdentity, ...]
    former: dict[ValidatorId, Address]
    """Keys that still count in `first_epoch`, beside the members' own."""
    signed: SignedSetChange | None = None
    """What made it, for whoever follows the sets; the first set has none."""


@dataclass(slots=True, kw_only=True)
class ProposedChange:
    """A change of the set that waits for approvals, and then for its replicas to be ready."""

    change: SetChange
    proof: bytes
    proposed_at_ms: int
    approvals: dict[ValidatorId, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DoubleSign:
    """Proof that one member signed two different things for one epoch."""

    validator_id: ValidatorId
    epoch: int
    first_digest: bytes
    first_signature: bytes
    second_digest: bytes
    second_signature: bytes
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlementDispute:
    """One member's word about RootLayer's answer that a majority contradicts: which items it said were taken."""

    validator_id: ValidatorId
    epoch: int
    claimed: tuple[bool, ...]
    agreed: tuple[bool, ...]
    at_ms: int
