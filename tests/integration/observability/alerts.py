"""For each alert what must make it fire, and what must not: series in promtool's notation, one value a minute."""

from typing import NamedTuple

READY = 'subnet_process_health_bool{job="matcher", fact="able_to_finalise"}'
FINAL = 'subnet_process_health_bool{job="validator", fact="able_to_finalise", instance="v1"}'
PHASE = "subnet_matcher_intent_phases_total"
LAG = 'subnet_process_event_loop_lag_seconds_bucket{job="matcher", instance="m", le='
SYNC = 'subnet_process_fsync_seconds_bucket{job="validator", instance="v1", file="journal", le='
Series = dict[str, str]


class Proof(NamedTuple):
    """Series that make an alert fire within the time, and series with which it stays quiet."""

    fires: Series
    quiet: Series
    labels: dict[str, str] = {}  # noqa: RUF012 (never changed)
    minutes: int = 20


def constant(name: str, value: str) -> Series:
    """One series with one value for ever."""
    return {name: " ".join([value] * 60)}


def histogram(prefix: str, *, slow: bool) -> Series:
    """A histogram that grows below or above the bound of one second."""
    quick = "0x60" if slow else "0+60x60"
    return {
        f'{prefix}"0.01"}}': quick,
        f'{prefix}"1.0"}}': "0+60x60",
        f'{prefix}"+Inf"}}': "0+60x60",
    }


def gauge(metric: str, fires: str, quiet: str, **labels: str) -> Proof:
    """An alert on one gauge, which says these labels."""
    return Proof(constant(metric, fires), constant(metric, quiet), labels)


PEER = {"instance": "v1", "peer": "v2"}
VALIDATOR = {"instance": "v1"}
PROOFS: dict[str, Proof] = {
    "NetworkNotReady": Proof(
        constant(READY, "1") | constant(FINAL, "0"), constant(READY, "1") | constant(FINAL, "1")
    ),
    "NoLeader": gauge('subnet_validator_leader_known_bool{instance="v1"}', "0", "1"),
    "NoProgress": Proof(
        {"subnet_matcher_intents_total": "0+2x60", f'{PHASE}{{phase="completed"}}': "3x60"},
        {"subnet_matcher_intents_total": "0+2x60", f'{PHASE}{{phase="completed"}}': "0+2x60"},
    ),
    "ServiceDown": gauge(
        'up{job="validator", instance="v1"}', "0", "1", job="validator", instance="v1"
    ),
    "SignaturesMissing": Proof(
        {
            'subnet_validator_epochs_total{instance="v1", step="sealed"}': "0+10x60",
            'subnet_validator_counted_signatures_total{instance="v1", validator="v2"}': "7x60",
            'subnet_validator_counted_signatures_total{instance="v1", validator="v1"}': "0+10x60",
        },
        {
            'subnet_validator_epochs_total{instance="v1", step="sealed"}': "0+10x60",
            'subnet_validator_counted_signatures_total{instance="v1", validator="v2"}': "0+10x60",
        },
        {"validator": "v2"},
    ),
    "QuorumSpareZero": Proof(
        constant('subnet_validator_quorum_spare_count{instance="v1", quorum="signatures"}', "0")
        | constant('subnet_validator_quorum_spare_count{instance="v1", quorum="leader"}', "1"),
        # One who sees less than another is cut off itself: PeerUnreachable tells that.
        constant('subnet_validator_quorum_spare_count{instance="v1", quorum="signatures"}', "0")
        | constant('subnet_validator_quorum_spare_count{instance="v2", quorum="signatures"}', "1"),
        {"quorum": "signatures"},
    ),
    "PeerUnreachable": gauge(
        'subnet_validator_peer_connected_bool{instance="v1", peer="v2"}', "0", "1", **PEER
    ),
    "ValidatorReadOnly": gauge(
        'subnet_validator_read_only_bool{instance="v1"}', "1", "0", **VALIDATOR
    ),
    "DiskNearlyFull": gauge(
        'subnet_validator_disk_free_ratio{instance="v1"}', "0.1", "0.2", **VALIDATOR
    ),
    "DiskForecast": Proof(
        constant('subnet_validator_disk_full_in_seconds{instance="v1"}', "86400"),
        constant('subnet_validator_disk_full_in_seconds{instance="v1"}', "+Inf"),
        VALIDATOR,
        minutes=40,
    ),
    "ClockSkew": gauge(
        'subnet_validator_peer_clock_offset_seconds{instance="v1", peer="v2"}',
        "-0.8",
        "-0.2",
        **PEER,
    ),
    "EventLoopLag": Proof(
        histogram(LAG, slow=True), histogram(LAG, slow=False), {"job": "matcher", "instance": "m"}
    ),
    "FsyncSlow": Proof(
        histogram(SYNC, slow=True),
        histogram(SYNC, slow=False),
        {"job": "validator", "instance": "v1", "file": "journal"},
    ),
    "QueueNearlyFull": Proof(
        constant('subnet_process_queue_items{instance="v1", queue="reports"}', "90")
        | constant('subnet_process_queue_limit_items{instance="v1", queue="reports"}', "100"),
        constant('subnet_process_queue_items{instance="v1", queue="reports"}', "10")
        | constant('subnet_process_queue_limit_items{instance="v1", queue="reports"}', "100"),
        {"instance": "v1", "queue": "reports"},
    ),
    "SettlementBacklog": gauge(
        'subnet_validator_settlement_backlog_epochs{instance="v1"}', "11", "10"
    ),
    "SettlementPaused": gauge('subnet_validator_settlement_paused_bool{instance="v1"}', "1", "0"),
    "RootLayerDown": gauge('subnet_matcher_rootlayer_connected_bool{instance="m"}', "0", "1"),
    "BackupTooOld": Proof(
        constant(
            'subnet_validator_last_backup_timestamp_seconds{instance="v1", job="validator"}', "0"
        )
        | constant('process_start_time_seconds{instance="v1", job="validator"}', "0")
        | constant(
            'subnet_validator_backup_interval_seconds{instance="v1", job="validator"}', "100"
        ),
        constant(
            'subnet_validator_last_backup_timestamp_seconds{instance="v1", job="validator"}', "0"
        )
        | constant('process_start_time_seconds{instance="v1", job="validator"}', "0")
        | constant('subnet_validator_backup_interval_seconds{instance="v1", job="validator"}', "0"),
        {"instance": "v1", "job": "validator"},
    ),
    "AgentsNone": gauge('subnet_matcher_streams_count{instance="m", kind="tasks"}', "0", "1"),
    "HighFailureRate": Proof(
        {f'{PHASE}{{phase="ended"}}': "0+1x60", f'{PHASE}{{phase="completed"}}': "0+4x60"},
        {f'{PHASE}{{phase="ended"}}': "0+1x60", f'{PHASE}{{phase="completed"}}': "0+40x60"},
    ),
    "DoubleSign": gauge('subnet_validator_double_signs_total{instance="v1"}', "1", "0"),
    "SettlementDisputed": gauge(
        'subnet_validator_settlement_disputes_total{instance="v1", validator="v3"}',
        "1",
        "0",
        validator="v3",
    ),
}
