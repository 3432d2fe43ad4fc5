"""The commands of the replicated ledger: the only things that change it. Values only; how they apply is the ledger's.

Every command travels in an envelope signed by the validator that proposes it (see `command_codec`), so no member
can speak for another. `request_id` makes a retry of the same command harmless; `at_ms` is the proposer's clock in unix
milliseconds; the ledger's own time is what a majority of these clocks have reached (`timekeeping`).
"""

from dataclasses import dataclass

from pinai_subnet.protocol.assignments import AssignmentRecord
from pinai_subnet.protocol.ids import ValidatorId
from pinai_subnet.protocol.membership import SetChange
from pinai_subnet.protocol.reports import ExecutionReport, ReportKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """Who proposed a command, when, and under which request id."""

    request_id: str
    proposer: ValidatorId
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordAssignments:
    """Keep the matcher's signed assignments; each is checked and answered on its own."""

    stamp: Stamp
    records: tuple[AssignmentRecord, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiveReports:
    """Take execution reports; each is answered on its own: accepted, duplicate, held or rejected."""

    stamp: Stamp
    reports: tuple[ExecutionReport, ...]
    hold_unknown: bool
    """Keep a report whose assignment is not known yet until that arrives or the report's time is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One validator's judgement of one report. `report_digest` binds it to the report's content."""

    key: ReportKey
    report_digest: bytes
    passed: bool
    code: str
    """Catalogue code of the failed rule; empty when passed."""
    reason: str
    rules: tuple[str, ...]
    """Names of the rules that were checked, in order."""
    policy_id: str
    signature: bytes
    """65 bytes, plain, over `evidence.verdict_digest`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordVerdicts:
    """The proposer's own verdicts."""

    stamp: Stamp
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """Fix the content and order of one epoch's batch. Refused unless `epoch` is next and every key is verified."""

    stamp: Stamp
    epoch: int
    keys: tuple[ReportKey, ...]
    timestamp: int
    """Unix seconds; becomes the checkpoint header's time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordSignature:
    """The proposer's signatures for one sealed epoch."""

    stamp: Stamp
    epoch: int
    batch_digest: bytes
    batch_signature: bytes
    """65 bytes over the EIP-191 wrapped batch digest (wire-contract 3.7)."""
    header_hash: bytes
    header_signature: bytes
    """65 bytes, plain, over the header hash (wire-contract 3.5)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemSettlement:
    """RootLayer's answer for one item of a batch."""

    ok: bool
    message: str
    receipt_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordSettlement:
    """What the proposer was answered by RootLayer for a final epoch, one entry per item in batch order."""

    stamp: Stamp
    epoch: int
    results: tuple[ItemSettlement, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expire:
    """Show the proposer's clock, and end everything whose time is over by the ledger's: assignments, reports."""

    stamp: Stamp


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposeSetChange:
    """Ask the members to approve a change of the set; one at a time."""

    stamp: Stamp
    change: SetChange
    proof: bytes
    """Signature of a new key over `membership.proof_digest`; empty where no key is new."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApproveSetChange:
    """One member's approval of the proposed change; anybody may carry it here."""

    stamp: Stamp
    change_digest: bytes
    approval: bytes
    """65 bytes, plain, over `membership.change_digest`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnactSetChange:
    """Let an approved change count from the next epoch on."""

    stamp: Stamp
    change_digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawSetChange:
    """Give up the proposed change."""

    stamp: Stamp
    change_digest: bytes


MembershipCommand = ProposeSetChange | ApproveSetChange | EnactSetChange | WithdrawSetChange


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Change nothing, but let every validator note the digest of its whole state here: a backup is taken at a mark."""

    stamp: Stamp


Command = (
    RecordAssignments
    | ReceiveReports
    | RecordVerdicts
    | Seal
    | RecordSignature
    | RecordSettlement
    | Expire
    | MembershipCommand
    | Mark
)
