"""Puts the matcher's parts together on top of its ports. Starts nothing; the process and the tests do."""

from collections.abc import Iterable
from dataclasses import dataclass

from pinai_subnet.matcher.agents import AgentRules, Agents
from pinai_subnet.matcher.api import MatcherApi
from pinai_subnet.matcher.assigner import Assigner
from pinai_subnet.matcher.attendance import Attendance
from pinai_subnet.matcher.bid_events import BidStreams
from pinai_subnet.matcher.bidding import Bidding
from pinai_subnet.matcher.board import Board
from pinai_subnet.matcher.callers import Callers
from pinai_subnet.matcher.canary import Canary
from pinai_subnet.matcher.case import Case
from pinai_subnet.matcher.eligible import EligibleAgents
from pinai_subnet.matcher.followup import Followup
from pinai_subnet.matcher.internal_api import BiddingServicer
from pinai_subnet.matcher.journal import Journal, Resumed
from pinai_subnet.matcher.loops import IntentWatch, OutcomeWatch, TimerWatch
from pinai_subnet.matcher.metrics import MatcherMetrics
from pinai_subnet.matcher.moves import Moves
from pinai_subnet.matcher.outbox import Outbox
from pinai_subnet.matcher.recorder import Recorder
from pinai_subnet.matcher.roster_watch import RosterWatch
from pinai_subnet.matcher.rules import MatchingRules
from pinai_subnet.matcher.service import Matcher
from pinai_subnet.matcher.settings import MatcherSettings
from pinai_subnet.matcher.statistics import Statistics
from pinai_subnet.matcher.tasks import Task, Tasks
from pinai_subnet.matcher.trace import spans_of
from pinai_subnet.matcher.updates import IntentStreams, Update
from pinai_subnet.matcher.wakeup import Wakeup
from pinai_subnet.ports.ledger import Ledger, RecordAnswer
from pinai_subnet.ports.root_layer import ItemResult, RootLayer
from pinai_subnet.ports.roster import Roster
from pinai_subnet.ports.signer import Signer
from pinai_subnet.protocol.assignments import Assignment
from pinai_subnet.protocol.canaries import CANARY_AGENT
from pinai_subnet.protocol.ids import AgentId
from pinai_subnet.protocol.network import NetworkParameters
from pinai_subnet.runtime.clock import Clock
from pinai_subnet.runtime.sqlite import SqliteDatabase
from pinai_subnet.runtime.tracing import Tracer


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """What the matcher needs from the world."""

    root_layer: RootLayer
    ledger: Ledger
    roster: Roster
    signer: Signer
    clock: Clock
    database: SqliteDatabase


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """A complete matcher, resumed from its journal, standing still."""

    matcher: Matcher
    followup: Followup
    bidding: Bidding
    board: Board
    journal: Journal
    agents: Agents
    eligible: EligibleAgents
    attendance: Attendance
    moves: Moves
    tasks: Tasks
    updates: IntentStreams
    bid_streams: BidStreams
    recorder: Recorder
    outbox: Outbox
    intent_watch: IntentWatch
    outcome_watch: OutcomeWatch
    timer_watch: TimerWatch
    roster_watch: RosterWatch
    metrics: MatcherMetrics
    statistics: Statistics
    canary: Canary

    def end_streams(self) -> None:
        """End every stream politely."""
        self.updates.end_all()
        self.tasks.end_all()
        self.bid_streams.end_all()
        self.moves.end()

    def measure(self) -> None:
        """Bring the gauges up to date."""
        self.metrics.open.set(len(self.board))
        self.metrics.streams.set(len(self.updates), kind="intents")
        agents = [one for one in self.tasks.connected_ids() if one != CANARY_AGENT]
        self.metrics.streams.set(len(agents), kind="tasks")
        self.metrics.outbox.set(len(self.outbox))
        self.metrics.recording.set(len(self.recorder))
        self.metrics.silent.set(len(self.attendance.silent()))
        self.metrics.root_layer.set(self.intent_watch.listing_failure is None)
        self.metrics.validators.set(self.recorder.failing_since is None)


class _Links:
    """Lets parts that need each other both ways round be built one after the other; used only once all exist."""

    matcher: Matcher
    followup: Followup

    def __init__(self, tracer: Tracer | None) -> None:
        self._tracer = tracer

    def rearm(self, agent_id: AgentId) -> None:
        self.followup.rearm(agent_id)

    def recorded(self, task: Task, answer: RecordAnswer) -> None:
        self.followup.recorded(task, answer)

    def root_layer_answered(self, assignment: Assignment, result: ItemResult) -> None:
        self.followup.root_layer_answered(assignment, result)

    def drop_tasks(self, case: Case) -> None:
        self.followup.drop_tasks(case)
        if self._tracer is not None:
            # This is the end of an intent, and the last moment at which all of its times are at hand.
            self._tracer.add(spans_of(case, now_ms=self.matcher.now_ms()))

    def open_updates(self) -> Iterable[Update]:
        return self.matcher.open_updates()

    def roster_refreshed(self) -> None:
        self.matcher.close_early_where_complete()


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a matcher is built from."""

    ports: Ports
    parameters: NetworkParameters
    settings: MatcherSettings
    rules: MatchingRules
    agent_rules: AgentRules
    metrics: MatcherMetrics
    tracer: Tracer | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Base:
    """The parts that hold state; the rules on top of them come after."""

    board: Board
    journal: Journal
    agents: Agents
    eligible: EligibleAgents
    attendance: Attendance
    moves: Moves
    tasks: Tasks
    updates: IntentStreams
    bid_streams: BidStreams
    recorder: Recorder
    outbox: Outbox
    assigner: Assigner
    roster_watch: RosterWatch
    timers_changed: Wakeup


async def assemble(given: Given) -> Parts:
    """Build the matcher and take up what an earlier run left open."""
    links = _Links(given.tracer)
    base = _base(given, links)
    resumed = await base.journal.resume()
    matcher = links.matcher = _matcher(given, links, base)
    followup = links.followup = _followup(given, base, matcher)
    parts = Parts(
        matcher=matcher,
        followup=followup,
        bidding=_bidding(given, base, matcher),
        board=base.board,
        journal=base.journal,
        agents=base.agents,
        eligible=base.eligible,
        attendance=base.attendance,
        moves=base.moves,
        tasks=base.tasks,
        updates=base.updates,
        bid_streams=base.bid_streams,
        recorder=base.recorder,
        outbox=base.outbox,
        intent_watch=IntentWatch(
            root_layer=given.ports.root_layer,
            matcher=matcher,
            subnet_id=given.parameters.subnet_id,
            clock=given.ports.clock,
            reconcile_seconds=given.settings.intents.reconcile_seconds,
        ),
        outcome_watch=OutcomeWatch(
            ledger=given.ports.ledger, followup=followup, cursor=resumed.cursor
        ),
        timer_watch=TimerWatch(
            board=base.board, matcher=matcher, followup=followup, changed=base.timers_changed
        ),
        roster_watch=base.roster_watch,
        metrics=given.metrics,
        statistics=Statistics(database=given.ports.database, clock=given.ports.clock),
        canary=Canary(
            matcher=matcher,
            board=base.board,
            subnet_id=given.parameters.subnet_id,
            requester=given.ports.signer.address,
            clock=given.ports.clock,
            metrics=given.metrics,
            every_seconds=given.settings.canary.every_seconds,
            timeout_seconds=given.settings.canary.timeout_seconds,
        ),
    )
    _resume(parts, resumed)
    return parts


def _base(given: Given, links: _Links) -> _Base:
    ports, settings = given.ports, given.settings
    journal = Journal(ports.database)
    tasks = Tasks(changed=links.rearm)
    agents = Agents(
        roster=ports.roster,
        rules=given.agent_rules,
        busy=tasks.busy,
        connected=tasks.connected,
        changed=journal.agent,
        canary_address=ports.signer.address,
    )
    updates = IntentStreams(
        open_intents=links.open_updates,
        queue_size=settings.limits.stream_queue,
        on_overflow=given.metrics.resyncs.add,
    )
    return _Base(
        board=Board(),
        journal=journal,
        agents=agents,
        eligible=EligibleAgents(
            agents=agents,
            tasks=tasks,
            updates=updates,
            waits_for_registered=given.rules.early_close_waits_for_registered,
        ),
        attendance=Attendance(max_agents=settings.limits.max_agents),
        moves=Moves(first=int(ports.clock.now() * 1000)),
        tasks=tasks,
        updates=updates,
        bid_streams=BidStreams(queue_size=settings.limits.stream_queue),
        recorder=Recorder(
            ledger=ports.ledger,
            journal=journal,
            clock=ports.clock,
            batch_max=settings.assignments.record_batch_max,
            answered=links.recorded,
        ),
        outbox=Outbox(
            root_layer=ports.root_layer,
            journal=journal,
            clock=ports.clock,
            batch_max=settings.assignments.assignment_batch_max,
            flush_seconds=settings.assignments.assignment_flush_seconds,
            answered=links.root_layer_answered,
        ),
        assigner=Assigner(
            signer=ports.signer,
            subnet_id=given.parameters.subnet_id,
            domain=given.parameters.domain,
        ),
        roster_watch=RosterWatch(
            roster=ports.roster,
            clock=ports.clock,
            seconds=settings.registry.refresh_seconds,
            refreshed=links.roster_refreshed,
        ),
        timers_changed=Wakeup(ports.clock),
    )


def _matcher(given: Given, links: _Links, base: _Base) -> Matcher:
    return Matcher(
        subnet_id=given.parameters.subnet_id,
        rules=given.rules,
        clock=given.ports.clock,
        board=base.board,
        journal=base.journal,
        agents=base.agents,
        eligible=base.eligible,
        updates=base.updates,
        bid_streams=base.bid_streams,
        assigner=base.assigner,
        recorder=base.recorder,
        outbox=base.outbox,
        metrics=given.metrics,
        timers_changed=base.timers_changed,
        drop_tasks=links.drop_tasks,
        attendance=base.attendance,
        moves=base.moves,
    )


def _followup(given: Given, base: _Base, matcher: Matcher) -> Followup:
    return Followup(
        matcher=matcher,
        rules=given.rules,
        board=base.board,
        journal=base.journal,
        agents=base.agents,
        tasks=base.tasks,
        assigner=base.assigner,
        outbox=base.outbox,
        metrics=given.metrics,
    )


def _bidding(given: Given, base: _Base, matcher: Matcher) -> Bidding:
    return Bidding(
        matcher=matcher,
        rules=given.rules,
        board=base.board,
        journal=base.journal,
        agents=base.agents,
        attendance=base.attendance,
        bid_streams=base.bid_streams,
        metrics=given.metrics,
        look_up=base.roster_watch.look_up,
    )


def services(parts: Parts, given: Given) -> tuple[MatcherApi, BiddingServicer]:
    """Return the gRPC services over these parts; they share the limits of their callers."""
    limits = given.settings.limits
    callers = Callers(
        calls_per_second=limits.calls_per_second,
        burst=limits.burst,
        max_streams=limits.max_streams,
    )
    published = MatcherApi(
        parameters=given.parameters,
        clock=given.ports.clock,
        matcher=parts.matcher,
        followup=parts.followup,
        board=parts.board,
        journal=parts.journal,
        agents=parts.agents,
        tasks=parts.tasks,
        updates=parts.updates,
        bid_streams=parts.bid_streams,
        bidding=parts.bidding,
        callers=callers,
        max_batch_bids=given.settings.bids.max_batch_bids,
    )
    own = BiddingServicer(bidding=parts.bidding, callers=callers, clock=given.ports.clock)
    return published, own


def _resume(parts: Parts, resumed: Resumed) -> None:
    for state in resumed.agents:
        parts.agents.restore(state)
    parts.outbox.restore(resumed.outbox)
    for case in resumed.cases:
        parts.board.add(case)
    for case in resumed.cases:
        parts.followup.resume(case)
        parts.matcher.resume(case)
