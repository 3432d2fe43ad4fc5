"""What a validator counts and measures. Names become `subnet_validator_<what>_<unit>`."""

from pinai_subnet.runtime.metrics import Metrics
from pinai_subnet.validator.records import Stage
from pinai_subnet.wire.catalogue import CATALOGUE

_CODES = {"code": {*CATALOGUE, "none"}}
_STAGES = {"stage": {stage.name.lower() for stage in Stage}}
SHADOW_RESULTS = ("agreed", "would_pass", "would_fail", "other_code", "failed", "skipped")
_DUTIES = {"duty": ("verdict", "signature", "settlement")}


class ValidatorMetrics:
    """All metrics of the process in one place; every one of them is fed (known defect D11)."""

    def __init__(self, metrics: Metrics) -> None:
        """Register everything once."""
        self.reports = metrics.counter(
            "reports",
            "Reports answered, by receipt status and code",
            labels=("status", "code"),
            values={"status": ("accepted", "duplicate", "rejected", "refused"), **_CODES},
        )
        self.verdicts = metrics.counter(
            "verdicts",
            "Own verdicts, by result and code",
            labels=("result", "code"),
            values={"result": ("pass", "fail"), **_CODES},
        )
        self.shadow = metrics.counter(
            "shadow_verdicts",
            "Reports that the candidate policy judged beside the active one, by how the two compare",
            labels=("result",),
            values={"result": SHADOW_RESULTS},
        )
        self.group_size = metrics.histogram(
            "report_group",
            "reports",
            "Reports per command in the log",
            buckets=(1, 2, 5, 10, 20, 50, 100, 200),
        )
        self.signatures = metrics.counter("signatures", "Epochs that this validator signed")
        self.signing_refusals = metrics.counter(
            "signing_refusals",
            "Epochs that this validator refused to sign",
            labels=("code",),
            values=_CODES,
        )
        self._add_settlement(metrics)
        self.double_signs = metrics.counter("double_signs", "Proofs of double signing found")
        self.backup = BackupMetrics(metrics)
        self.stage = metrics.gauge(
            "assignments",
            "count",
            "Remembered assignments by stage",
            labels=("stage",),
            values=_STAGES,
        )
        self.outcomes = OutcomeMetrics(metrics)
        self.epoch = metrics.gauge("sealed_epoch", "number", "Newest sealed epoch")
        self.final_epoch = metrics.gauge("final_epoch", "number", "Newest final epoch")
        self.leading = metrics.gauge("leading", "bool", "1 while this validator leads")
        self.term = metrics.gauge("raft_term", "number", "Raft term")
        self.applied = metrics.gauge("applied_index", "number", "Log entries applied here")
        self.lag = metrics.gauge("raft_tick_lag", "seconds", "How late the last Raft tick was")
        self.peers = PeerMetrics(metrics)
        self.disk = DiskMetrics(metrics)
        self.archive_backlog = metrics.gauge(
            "archive_backlog", "records", "Changed records that are not archived yet"
        )
        self.final_seconds = metrics.histogram(
            "report_to_final", "seconds", "From receiving a report to the final batch"
        )

    def _add_settlement(self, metrics: Metrics) -> None:
        self.settlements = metrics.counter(
            "settlements",
            "Batches answered by RootLayer, by result",
            labels=("result",),
            values={"result": ("settled", "refused")},
        )
        self.settlement_retries = metrics.counter(
            "settlement_retries", "Submissions to RootLayer that failed and are repeated"
        )
        self.settlement_disputes = metrics.counter(
            "settlement_disputes",
            "Members' words about RootLayer's answer that a majority contradicts",
            labels=("validator",),
        )
        self.settlement_backlog = metrics.gauge(
            "settlement_backlog", "epochs", "Final epochs that RootLayer has not answered for"
        )
        self.settlement_paused = metrics.gauge(
            "settlement_paused",
            "bool",
            "1 while RootLayer says that the settlement account is empty",
        )


class OutcomeMetrics:
    """What became of the work in the ledger, and what was expected of whom."""

    def __init__(self, metrics: Metrics) -> None:
        """Register everything once."""
        self.stages = metrics.counter(
            "stages",
            "Assignments that came to a stage in the ledger",
            labels=("stage",),
            values=_STAGES,
        )
        self.failures = metrics.counter(
            "failures",
            "Assignments that ended badly, by stage and code",
            labels=("stage", "code"),
            values={**_STAGES, **_CODES},
        )
        self.epochs = metrics.counter(
            "epochs",
            "Epochs that came to a step in the ledger",
            labels=("step",),
            values={"step": ("sealed", "final", "settled")},
        )
        self.counted_signatures = metrics.counter(
            "counted_signatures",
            "Signatures that count in the ledger, by validator",
            labels=("validator",),
        )
        self.expected = metrics.counter(
            "duties_expected",
            "What the ledger expected of this validator (verdict, signature) or the set (settlement)",
            labels=("duty",),
            values=_DUTIES,
        )
        self.done = metrics.counter(
            "duties_done", "What of that was done", labels=("duty",), values=_DUTIES
        )
        self.pending = metrics.gauge(
            "duties_pending",
            "count",
            "What waits for this validator now",
            labels=("duty",),
            values={"duty": ("verify", "sign", "settle")},
        )


class BackupMetrics:
    """What a validator says of its scheduled backups."""

    def __init__(self, metrics: Metrics) -> None:
        """Register everything once."""
        self.taken = metrics.counter(
            "backups",
            "Scheduled backups, by result",
            labels=("result",),
            values={"result": ("saved", "failed")},
        )
        self.at = metrics.gauge(
            "last_backup",
            "timestamp_seconds",
            "When the newest scheduled backup was saved, unix time; 0 before the first",
        )
        self.every = metrics.gauge(
            "backup_interval", "seconds", "How often a backup is scheduled; 0 for never"
        )


class PeerMetrics:
    """What a validator says of the others and of what they can do together."""

    def __init__(self, metrics: Metrics) -> None:
        """Register everything once."""
        self.connected = metrics.gauge(
            "peer_connected", "bool", "1 while a peer is connected", labels=("peer",)
        )
        self.last_heard = metrics.gauge(
            "peer_last_heard",
            "seconds",
            "How long ago a peer's last message came; +Inf while none has come",
            labels=("peer",),
        )
        self.lag = metrics.gauge(
            "peer_lag", "entries", "Entries that a peer is behind the leader", labels=("peer",)
        )
        self.clock = metrics.gauge(
            "peer_clock_offset", "seconds", "How far a peer's clock is ahead", labels=("peer",)
        )
        self.leader_known = metrics.gauge(
            "leader_known", "bool", "1 while this validator knows a leader with a majority"
        )
        self.spares = metrics.gauge(
            "quorum_spare",
            "count",
            "How many more validators may be lost, as seen here: to elect a leader, to make an epoch final",
            labels=("quorum",),
            values={"quorum": ("leader", "signatures")},
        )


class DiskMetrics:
    """What a validator says of the file system that its data are on."""

    def __init__(self, metrics: Metrics) -> None:
        """Register everything once."""
        self.free = metrics.gauge(
            "disk_free", "bytes", "Free space of the data directory's file system"
        )
        self.free_ratio = metrics.gauge(
            "disk_free", "ratio", "Free space of the data directory's file system as a part of it"
        )
        self.full_in = metrics.gauge(
            "disk_full_in",
            "seconds",
            "When that file system is full at the rate of the last day; +Inf while it does not fill",
        )
        self.read_only = metrics.gauge(
            "read_only", "bool", "1 while this validator only reads, because its disk has no room"
        )
