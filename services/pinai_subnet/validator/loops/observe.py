"""Observe: notices changes of leadership, a failed engine, and keeps gauges and health facts up to date."""

import math
from collections.abc import Callable, Mapping

from pinai_subnet.ports.errors import Refused
from pinai_subnet.ports.replication import ReplicationStatus
from pinai_subnet.protocol.quorum import Quorum
from pinai_subnet.runtime.clock import Clock
from pinai_subnet.runtime.data_dir import DataDirectory
from pinai_subnet.runtime.health import OK, Finding, Health, Progress
from pinai_subnet.runtime.logs import get_logger
from pinai_subnet.runtime.stop import Stop
from pinai_subnet.validator.feed import EventFeed
from pinai_subnet.validator.ledger import Ledger
from pinai_subnet.validator.metrics import ValidatorMetrics
from pinai_subnet.validator.peer_clocks import PeerClocks
from pinai_subnet.validator.replica import Replica

_CLOCK_LIMIT_SECONDS = 2.0


class Observer:
    """Looks at the engine and the ledger several times a second; cheap, and never waits for either."""

    def __init__(
        self,
        *,
        replica: Replica,
        feed: EventFeed,
        clocks: PeerClocks,
        clock: Clock,
        metrics: ValidatorMetrics,
        progress: Mapping[str, Progress],
        every_seconds: float = 0.1,
    ) -> None:
        """Wake every loop when leadership changes: the new leader takes over what is due."""
        self._replica = replica
        self._feed = feed
        self._clocks = clocks
        self._clock = clock
        self._metrics = metrics
        self._progress = progress
        self._every_seconds = every_seconds
        self._leader: tuple[str | None, int] | None = None
        self._log = get_logger()

    async def run(self, stop: Stop) -> None:
        """Look until told to stop; raise `Refused` when the engine stopped for good, which ends the process."""
        turn = 0
        async for _ in stop.periodically(self._every_seconds):
            status = self._replica.status()
            if status.failure is not None:
                code, _, reason = status.failure.partition(" ")
                raise Refused(code, reason)
            leader = (status.leader_id, status.term)
            if leader != self._leader:
                self._leader = leader
                self._log.info("leader_changed", leader=status.leader_id, term=status.term)
                self._feed.wake_all()
            if turn % 10 == 0:
                self._measure()
            turn += 1

    def _measure(self) -> None:
        status = self._replica.status()
        metrics = self._metrics
        metrics.leading.set(status.role == "leader")
        metrics.term.set(status.term)
        metrics.applied.set(status.applied_index)
        metrics.lag.set(status.tick_lag_seconds)
        self._measure_peers(status)
        for name, duty in self._progress.items():
            metrics.outcomes.pending.set(duty.pending, duty=name)
        for peer in status.peers:
            if peer.lag is not None:
                metrics.peers.lag.set(peer.lag, peer=peer.id)
            offset = self._clocks.offset_seconds(peer.id)
            if offset is not None:
                metrics.peers.clock.set(offset, peer=peer.id)
        self._replica.read(self._measure_ledger)

    def _measure_peers(self, status: ReplicationStatus) -> None:
        metrics, names = self._metrics, [peer.id for peer in status.peers]
        for gauge in (
            metrics.peers.connected,
            metrics.peers.last_heard,
            metrics.peers.lag,
            metrics.peers.clock,
        ):
            gauge.keep("peer", names)
        for peer in status.peers:
            heard = peer.last_heard_seconds
            metrics.peers.connected.set(peer.connected, peer=peer.id)
            metrics.peers.last_heard.set(math.inf if heard is None else heard, peer=peer.id)
        known = status.paused is None and status.leader_id is not None and status.has_quorum
        metrics.peers.leader_known.set(known)
        quorum = self._replica.read(lambda ledger: ledger.quorum)
        taking_part = status.paused is None and status.membership == "voter"
        connected = taking_part + sum(p.connected for p in status.peers if p.role == "voter")
        metrics.peers.spares.set(connected - quorum.raft_majority, quorum="leader")
        metrics.peers.spares.set(connected - quorum.required_signatures, quorum="signatures")

    def _measure_ledger(self, ledger: Ledger) -> None:
        for stage, count in ledger.counts().items():
            self._metrics.stage.set(count, stage=stage.name.lower())
        for member in ledger.members():
            self._metrics.outcomes.counted_signatures.add(0, validator=member.id)
        self._metrics.epoch.set(ledger.next_epoch - 1)
        self._metrics.settlement_backlog.set(len(ledger.unsettled_final_epochs()))
        final = next((e.epoch for e in ledger.epochs() if e.final_at_ms is not None), None)
        if final is not None:
            self._metrics.final_epoch.set(final)


class HealthChecks:
    """The three facts of a validator. Every check is asked anew on each probe, so none of them latches."""

    def __init__(
        self,
        *,
        replica: Replica,
        quorum: Callable[[], Quorum],
        clock: Clock,
        directory: DataDirectory,
        min_free_bytes: int,
        caught_up: Callable[[], Finding],
    ) -> None:
        """Below `min_free_bytes` the validator is not ready, before writes begin to fail."""
        self._replica = replica
        self._quorum = quorum
        self._clock = clock
        self._directory = directory
        self._min_free_bytes = min_free_bytes
        self._caught_up = caught_up

    def add_to(self, health: Health, progress: dict[str, Progress]) -> None:
        """Register all checks; `progress` holds the duties whose standstill speaks against finalising."""
        health.add("alive", "replication", self.engine)
        health.add("ready", "leader", self.leader)
        health.add("ready", "caught_up", self._caught_up)
        health.add("ready", "disk", self.disk)
        health.add("able_to_finalise", "signers", self.signers)
        health.add("able_to_finalise", "clock", self.clock)
        for name, duty in progress.items():
            health.add("able_to_finalise", name, duty.check)

    def engine(self) -> Finding:
        """Say whether the replication engine runs."""
        failure = self._replica.status().failure
        return OK if failure is None else Finding(False, failure, failure.partition(" ")[0])

    def leader(self) -> Finding:
        """Say whether a leader with a majority is known; who takes no part says why under `disk`."""
        status = self._replica.status()
        if status.paused is not None:
            return OK
        if status.leader_id is not None and status.has_quorum:
            return OK
        missing = [
            peer.id + (f" ({peer.failure})" if peer.failure else "")
            for peer in status.peers
            if not peer.connected
        ]
        connected = 1 + len(status.peers) - len(missing)
        reason = (
            f"waiting for a leader: {connected} of {self._quorum().members} validators connected, "
            f"{self._quorum().raft_majority} needed"
        )
        if missing:
            reason += f"; not connected: {', '.join(missing)}"
        return Finding(False, reason, "SN-V099")

    def signers(self) -> Finding:
        """Say whether enough validators are connected to reach the signature threshold."""
        status = self._replica.status()
        connected = 1 + sum(p.connected for p in status.peers if p.role == "voter")
        if status.paused is not None or connected >= self._quorum().required_signatures:
            return OK
        return Finding(
            False,
            f"{connected} validators connected, {self._quorum().required_signatures} signatures needed",
            "SN-V099",
        )

    def clock(self) -> Finding:
        """Say whether this machine's clock agrees with the times in the log."""
        now = self._clock.now()
        behind = self._replica.read(lambda ledger: ledger.now_ms) / 1000 - now
        if behind <= _CLOCK_LIMIT_SECONDS:
            return OK
        return Finding(
            False,
            f"this clock says {now:.0f}, the log was written at {now + behind:.0f}: {behind:.1f} s apart",
            "SN-V100",
        )

    def disk(self) -> Finding:
        """Say whether the data directory has room, and that nothing is taken in or signed while it has not."""
        space = self._directory.disk_space()
        paused = self._replica.status().paused
        if paused is not None:
            return Finding(False, f"this validator only reads: {paused}", "SN-V107")
        if space.free_bytes >= self._min_free_bytes:
            return OK
        return Finding(
            False,
            f"{space.free_bytes // 1_048_576} MiB free in {self._directory.path}, "
            f"{self._min_free_bytes // 1_048_576} MiB wanted",
            "SN-V101",
        )
