"""What a validator counts and measures. Names become `subnet_validator_<what>_<unit>`."""

from pinai_subnet.runtime.metrics import Metrics


class ValidatorMetrics:
    """All metrics of the process in one place; every one of them is fed (known defect D11)."""

    def __init__(self, metrics: Metrics) -> None:
        """Register everything once."""
        self.reports = metrics.counter(
            "reports", "Reports answered, by receipt status and code", labels=("status", "code")
        )
        self.verdicts = metrics.counter(
            "verdicts", "Own verdicts, by result and code", labels=("result", "code")
        )
        self.group_size = metrics.histogram(
            "report_group",
            "reports",
            "Reports per command in the log",
            buckets=(1, 2, 5, 10, 20, 50, 100, 200),
        )
        self.signatures = metrics.counter("signatures", "Epochs that this validator signed")
        self.signing_refusals = metrics.counter(
            "signing_refusals", "Epochs that this validator refused to sign", labels=("code",)
        )
        self._add_settlement(metrics)
        self.double_signs = metrics.counter("double_signs", "Proofs of double signing found")
        self.backups = metrics.counter(
            "backups", "Scheduled backups, by result", labels=("result",)
        )
        self.stage = metrics.gauge(
            "assignments", "count", "Remembered assignments by stage", labels=("stage",)
        )
        self.epoch = metrics.gauge("sealed_epoch", "number", "Newest sealed epoch")
        self.final_epoch = metrics.gauge("final_epoch", "number", "Newest final epoch")
        self.leading = metrics.gauge("leading", "bool", "1 while this validator leads")
        self.term = metrics.gauge("raft_term", "number", "Raft term")
        self.applied = metrics.gauge("applied_index", "number", "Log entries applied here")
        self.lag = metrics.gauge("raft_tick_lag", "seconds", "How late the last Raft tick was")
        self.peer_lag = metrics.gauge(
            "peer_lag", "entries", "Entries that a peer is behind the leader", labels=("peer",)
        )
        self.peer_clock = metrics.gauge(
            "peer_clock_offset", "seconds", "How far a peer's clock is ahead", labels=("peer",)
        )
        self.disk = DiskMetrics(metrics)
        self.archive_backlog = metrics.gauge(
            "archive_backlog", "records", "Changed records that are not archived yet"
        )
        self.final_seconds = metrics.histogram(
            "report_to_final", "seconds", "From receiving a report to the final batch"
        )

    def _add_settlement(self, metrics: Metrics) -> None:
        self.settlements = metrics.counter(
            "settlements", "Batches answered by RootLayer, by result", labels=("result",)
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
