"""One validator, put together around its ports: ledger, reception, duties and queries. Opens nothing by itself."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pinai_subnet.ports.errors import DependencyError
from pinai_subnet.ports.replication import Replication
from pinai_subnet.ports.root_layer import RootLayer
from pinai_subnet.ports.signer import Signer
from pinai_subnet.ports.signing_record import SigningRecord
from pinai_subnet.protocol.ids import ValidatorId
from pinai_subnet.protocol.network import NetworkParameters
from pinai_subnet.runtime.clock import Clock
from pinai_subnet.runtime.health import Progress
from pinai_subnet.runtime.lifecycle import Loop
from pinai_subnet.runtime.logs import get_logger
from pinai_subnet.runtime.metrics import Metrics
from pinai_subnet.runtime.sqlite import SqliteDatabase
from pinai_subnet.runtime.tracing import Tracer
from pinai_subnet.validator.applied import Applied
from pinai_subnet.validator.archive import Archive
from pinai_subnet.validator.chronicle import Chronicle
from pinai_subnet.validator.events import (
    BatchFinal,
    BatchSettled,
    EpochSealed,
    ReportReceived,
    SetChangeAdvanced,
    SettlementClaimed,
    StageReached,
    VerdictRecorded,
)
from pinai_subnet.validator.feed import EventFeed
from pinai_subnet.validator.ledger import Ledger
from pinai_subnet.validator.limits import LedgerLimits
from pinai_subnet.validator.loops.archive import ArchiveChanges, Changes
from pinai_subnet.validator.loops.catch_up import CatchUp
from pinai_subnet.validator.loops.duty import Duty
from pinai_subnet.validator.loops.expire import ExpireOverdue
from pinai_subnet.validator.loops.follow import FollowSet
from pinai_subnet.validator.loops.observe import Observer
from pinai_subnet.validator.loops.seal import SealEpochs
from pinai_subnet.validator.loops.settle import SettleEpochs
from pinai_subnet.validator.loops.sign import SignEpochs
from pinai_subnet.validator.loops.verify import VerifyReports
from pinai_subnet.validator.metrics import ValidatorMetrics
from pinai_subnet.validator.peer_clocks import PeerClocks
from pinai_subnet.validator.policy import PolicyBook
from pinai_subnet.validator.queries import Queries
from pinai_subnet.validator.reception import Reception
from pinai_subnet.validator.replica import Replica
from pinai_subnet.validator.settings import ValidatorSettings
from pinai_subnet.validator.settlement_pause import SettlementPause
from pinai_subnet.validator.shadow import Candidate, ShadowRun
from pinai_subnet.validator.state_machine import LedgerMachine

_ARCHIVE_EVERY_SECONDS = 1.0
_DRAIN_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a validator needs from the world. Everything here is open and is closed by whoever opened it."""

    validator_id: ValidatorId
    parameters: NetworkParameters
    policies: PolicyBook
    hold_unknown: bool
    settings: ValidatorSettings
    signer: Signer
    root_layer: RootLayer
    signing_record: SigningRecord
    archive: SqliteDatabase
    clock: Clock
    metrics: Metrics
    tracer: Tracer | None = None
    candidate: Candidate | None = None
    """The policies that run in shadow, if there are any."""


class ValidatorService:
    """The parts of one validator, wired. Give `machine` to a replication engine, then `start` with that engine."""

    def __init__(
        self,
        world: Surroundings,
        replication: Callable[[LedgerMachine], Replication],
        *,
        limits: LedgerLimits | None = None,
    ) -> None:
        """`replication` makes the engine that will apply the log to the machine it is given."""
        self.world = world
        parameters, settings = world.parameters, world.settings
        self.feed = EventFeed()
        self.metrics = ValidatorMetrics(world.metrics)
        self._changes = Changes()
        self.clocks = PeerClocks(clock=world.clock)
        self.machine = LedgerMachine(
            ledger=Ledger(parameters, limits or LedgerLimits()),
            parameters=parameters,
            listener=self._applied,
            stamped=self.clocks.note,
        )
        self.replication = replication(self.machine)
        self.replica = Replica(
            validator_id=world.validator_id,
            subnet_id=parameters.subnet_id,
            signer=world.signer,
            replication=self.replication,
            machine=self.machine,
            clock=world.clock,
            timeout_seconds=settings.replication.submit_timeout_seconds,
        )
        self.reception = Reception(
            replica=self.replica,
            limits=settings.intake.limits(),
            hold_unknown=world.hold_unknown,
            clock=world.clock,
            metrics=self.metrics,
        )
        self._archive = Archive(world.archive)
        self._archiving = ArchiveChanges(
            changes=self._changes,
            archive=self._archive,
            read=self.replica.read,
            clock=world.clock,
            keep_days=settings.archive.keep_days,
            max_records=settings.archive.max_records,
            metrics=self.metrics,
        )
        self.queries = Queries(
            replica=self.replica, archive=self._archive, catch_up=self._archiving.catch_up
        )
        self.progress = _progress(world)
        self.caught_up = CatchUp(replica=self.replica)
        self.settlement_pause = SettlementPause()
        self.shadow = _shadow_run(world, self.metrics)
        self.feed.on_events(self.reception.arrivals.on_events)
        chronicle = Chronicle(replica=self.replica, metrics=self.metrics, tracer=world.tracer)
        self.feed.on_events(chronicle.on_events)

    async def start(self) -> None:
        """Start the replicated log; the loops may start when this returns."""
        self.feed.bind(asyncio.get_running_loop())
        self._changes.archived_index = await self._archive.applied_index()
        await self.replication.start()

    def loops(self) -> Mapping[str, Loop]:
        """Return the background loops by name."""
        observer = Observer(
            replica=self.replica,
            feed=self.feed,
            clocks=self.clocks,
            clock=self.world.clock,
            metrics=self.metrics,
            progress=self.progress,
        )
        duties = {duty.name: duty.run for duty in self._duties()}
        return {"observe_replication": observer.run, "catch_up": self.caught_up.run, **duties}

    async def drain(self) -> None:
        """Let whoever waits for a receipt have it, then archive what is left; without a quorum not for long."""
        try:
            async with asyncio.timeout(_DRAIN_SECONDS):
                await self.reception.drain()
                await self._archiving.catch_up()
        except TimeoutError:
            get_logger().warning("reports_left_unanswered", waiting=self.reception.waiting)
        except DependencyError as exc:
            get_logger().warning("archive_behind", code=exc.code, reason=exc.message)

    def _duties(self) -> Sequence[Duty]:
        feed, settings = self.feed, self.world.settings
        tick = settings.safety_tick_seconds
        return (
            Duty(
                name="verify_reports",
                work=self._verify().work,
                signal=feed.signal(ReportReceived),
                tick_seconds=tick,
            ),
            Duty(
                name="judge_in_shadow",
                work=self.shadow.work,
                signal=feed.signal(VerdictRecorded),
                tick_seconds=tick,
            ),
            Duty(
                name="seal_epochs",
                work=self._seal().work,
                signal=feed.signal(StageReached, BatchFinal, BatchSettled),
                tick_seconds=tick,
            ),
            Duty(
                name="sign_epochs",
                work=self._sign().work,
                signal=feed.signal(EpochSealed),
                tick_seconds=tick,
            ),
            Duty(
                name="settle_epochs",
                work=self._settle().work,
                signal=feed.signal(BatchFinal, BatchSettled, SettlementClaimed),
                tick_seconds=tick,
                backoff=settings.settle.backoff(),
            ),
            Duty(
                name="expire_overdue",
                work=ExpireOverdue(replica=self.replica, clock=self.world.clock).work,
                signal=feed.signal(),
                tick_seconds=settings.expire_every_seconds,
            ),
            Duty(
                name="follow_set",
                work=self._follow().work,
                signal=feed.signal(SetChangeAdvanced, BatchFinal),
                tick_seconds=tick,
            ),
            Duty(
                name="archive_changes",
                work=self._archiving.work,
                signal=feed.signal(),
                tick_seconds=_ARCHIVE_EVERY_SECONDS,
            ),
        )

    def _verify(self) -> VerifyReports:
        return VerifyReports(
            replica=self.replica,
            policies=self.world.policies,
            signer=self.world.signer,
            subnet_id=self.world.parameters.subnet_id,
            group=self.world.settings.verify.group,
            clock=self.world.clock,
            progress=self.progress["verify"],
            metrics=self.metrics,
            shadow=self.shadow,
        )

    def _seal(self) -> SealEpochs:
        section = self.world.settings.seal
        return SealEpochs(
            replica=self.replica,
            clock=self.world.clock,
            max_items=section.max_items,
            max_open_epochs=section.max_open_epochs,
            min_interval_seconds=section.min_interval_seconds,
        )

    def _sign(self) -> SignEpochs:
        return SignEpochs(
            replica=self.replica,
            signer=self.world.signer,
            record=self.world.signing_record,
            progress=self.progress["sign"],
            metrics=self.metrics,
        )

    def _follow(self) -> FollowSet:
        return FollowSet(replica=self.replica, replication=self.replication, clock=self.world.clock)

    def _settle(self) -> SettleEpochs:
        section = self.world.settings.settle
        return SettleEpochs(
            replica=self.replica,
            root_layer=self.world.root_layer,
            refused_attempts=section.refused_attempts,
            early_attempts=section.early_attempts,
            clock=self.world.clock,
            progress=self.progress["settle"],
            pause=self.settlement_pause,
            metrics=self.metrics,
        )

    def _applied(self, index: int, applied: Applied) -> None:
        """Take one applied command from the engine's thread: note it for the archive, hand its events on."""
        restored = not applied.replies and not applied.events
        if restored:
            self._changes.note(index, applied, None)
            self.feed.wake_all()
            return
        self.machine.read(lambda ledger: self._changes.note(index, applied, ledger))
        self.feed.publish(applied.events)


def _shadow_run(world: Surroundings, metrics: ValidatorMetrics) -> ShadowRun:
    return ShadowRun(
        candidate=world.candidate,
        active=world.policies,
        validator_id=world.validator_id,
        clock=world.clock,
        metrics=metrics,
    )


def _progress(world: Surroundings) -> dict[str, Progress]:
    """Return, for every duty whose standstill speaks against finalising, what watches it."""
    return {
        name: Progress(
            clock=world.clock,
            within_seconds=world.settings.health.stalled_after_seconds,
            what=what,
            code="SN-V094",
        )
        for name, what in (
            ("verify", "verdicts on received reports"),
            ("sign", "signatures of sealed epochs"),
            ("settle", "submission of final epochs to RootLayer"),
        )
    }
