"""How much the ledger may hold and how long it waits. Part of the agreed rules: all members need the same values."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerLimits:
    """Bounds of every table. A full table is a coded, retryable refusal, never memory (known defects M2, M3)."""

    max_assignments: int = 100_000
    """All that are remembered, open and ended."""
    max_open: int = 20_000
    """Assignments that have not ended yet."""
    max_ended: int = 10_000
    """Ended ones beyond this are forgotten, those of the earliest deadline first, none before its deadline."""
    max_attempts: int = 16
    """Assignments of one intent."""
    max_deadline_ms: int = 7 * 24 * 3600 * 1000
    """How far ahead of the ledger's time a deadline may be."""
    max_clock_lead_ms: int = 24 * 3600 * 1000
    """How far ahead of the ledger's time a single proposer's clock is believed when it dates what it proposes."""
    max_seal_lead_ms: int = 120_000
    """How far ahead of the ledger's time a checkpoint header's time may be."""
    report_grace_ms: int = 5_000
    """How long after the deadline a report is still taken; whether it is too late is for the policy to say."""
    verdict_timeout_ms: int = 60_000
    """How long a report may wait for enough verdicts."""
    hold_ms: int = 30_000
    """How long a report waits for its assignment."""
    max_held: int = 1_000
    """Reports that wait for their assignment."""
    max_held_per_assignment: int = 4
    max_report_bytes: int = 4 * 1024 * 1024
    """One report, everything in it."""
    max_evidence_bytes: int = 64 * 1024
    """One report without its result bytes: this part is kept after the end."""
    max_result_bytes: int = 64 * 1024 * 1024
    """All results together that are kept for verification."""
    max_command_items: int = 1_000
    """Records, reports or verdicts in one command."""
    max_items: int = 100
    """Items in one batch."""
    max_open_epochs: int = 8
    """Sealed epochs that are not final yet."""
    max_unsettled_epochs: int = 256
    """Sealed epochs that RootLayer has not answered for yet."""
    retained_epochs: int = 1_000
    """Settled epochs that are kept; together they never hold more than `max_ended` items."""
    max_sealed_intents: int = 50_000
    """Intents whose seal is remembered after their assignments are forgotten."""
    max_double_signs: int = 100
    max_settlement_disputes: int = 100
    max_request_ids: int = 4_096
    """Requests whose replies are kept for a retry."""
    max_kept_replies: int = 16_384
    """Replies kept for these requests, all together."""
