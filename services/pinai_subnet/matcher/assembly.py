"""Puts the matcher's parts together on top of its ports. Starts nothing; the process and the tests do."""

from collections.abc import Iterable
from dataclasses import dataclass

from pinai_subnet.matcher.agents import AgentRules, Agents
from pinai_subnet.matcher.api import MatcherApi
from pinai_subnet.matcher.assigner import Assigner
from pinai_subnet.matcher.bid_events import BidStreams
from pinai_subnet.matcher.board import Board
from pinai_subnet.matcher.callers import Callers
from pinai_subnet.matcher.case import Case
from pinai_subnet.matcher.eligible import EligibleAgents
from pinai_subnet.matcher.followup import Followup
from pinai_subnet.matcher.journal import Journal, Resumed
from pinai_subnet.matcher.loops import IntentWatch, OutcomeWatch, TimerWatch
from pinai_subnet.matcher.metrics import MatcherMetrics
from pinai_subnet.matcher.outbox import Outbox
from pinai_subnet.matcher.recorder import Recorder
from pinai_subnet.matcher.roster_watch import RosterWatch
from pinai_subnet.matcher.rules import MatchingRules
from pinai_subnet.matcher.service import Matcher
from pinai_subnet.matcher.settings import MatcherSettings
from pinai_subnet.matcher.tasks import Task, Tasks
from pinai_subnet.matcher.updates import IntentStreams, Update
from pinai_subnet.matcher.wakeup import Wakeup
from pinai_subnet.ports.ledger import Ledger, RecordAnswer
from pinai_subnet.ports.root_layer import ItemResult, RootLayer
from pinai_subnet.ports.roster import Roster
from pinai_subnet.ports.signer import Signer
from pinai_subnet.protocol.assignments import Assignment
from pinai_subnet.protocol.ids import AgentId
from pinai_subnet.protocol.network import NetworkParameters
from pinai_subnet.runtime.clock import Clock
from pinai_subnet.runtime.sqlite import SqliteDatabase


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
    board: Board
    journal: Journal
    agents: Agents
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

    def end_streams(self) -> None:
        """End every stream politely."""
        self.updates.end_all()
        self.tasks.end_all()
        self.bid_streams.end_all()

    def measure(self) -> None:
        """Bring the gauges up to date."""
        self.metrics.open.set(len(self.board))
        self.metrics.streams.set(len(self.updates), kind="intents")
        self.metrics.streams.set(len(self.tasks.connected_ids()), kind="tasks")
        self.metrics.outbox.set(len(self.outbox))
        self.metrics.recording.set(len(self.recorder))


class _Links:
    """Lets parts that need each other both ways round be built one after the other; used only once all exist."""

    matcher: Matcher
    followup: Followup

    def rearm(self, agent_id: AgentId) -> None:
        self.followup.rearm(agent_id)

    def recorded(self, task: Task, answer: RecordAnswer) -> None:
        self.followup.recorded(task, answer)

    def root_layer_answered(self, assignment: Assignment, result: ItemResult) -> None:
        self.followup.root_layer_answered(assignment, result)

    def drop_tasks(self, case: Case) -> None:
        self.followup.drop_tasks(case)

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


async def assemble(given: Given) -> Parts:
    """Build the matcher and take up what an earlier run left open."""
    ports, settings, rules = given.ports, given.settings, given.rules
    clock, links, board = ports.clock, _Links(), Board()
    journal = Journal(ports.database)
    resumed = await journal.resume()
    tasks = Tasks(changed=links.rearm)
    updates = IntentStreams(
        open_intents=links.open_updates,
        queue_size=settings.limits.stream_queue,
        on_overflow=given.metrics.resyncs.add,
    )
    agents = Agents(
        roster=ports.roster,
        rules=given.agent_rules,
        busy=tasks.busy,
        connected=tasks.connected,
        changed=journal.agent,
    )
    recorder = Recorder(
        ledger=ports.ledger,
        journal=journal,
        clock=clock,
        batch_max=settings.assignments.record_batch_max,
        answered=links.recorded,
    )
    outbox = Outbox(
        root_layer=ports.root_layer,
        journal=journal,
        clock=clock,
        batch_max=settings.assignments.assignment_batch_max,
        flush_seconds=settings.assignments.assignment_flush_seconds,
        answered=links.root_layer_answered,
    )
    roster_watch = RosterWatch(
        roster=ports.roster,
        clock=clock,
        seconds=settings.registry.refresh_seconds,
        refreshed=links.roster_refreshed,
    )
    assigner = Assigner(
        signer=ports.signer, subnet_id=given.parameters.subnet_id, domain=given.parameters.domain
    )
    bid_streams = BidStreams(queue_size=settings.limits.stream_queue)
    timers_changed = Wakeup(clock)
    matcher = links.matcher = Matcher(
        subnet_id=given.parameters.subnet_id,
        rules=rules,
        clock=clock,
        board=board,
        journal=journal,
        agents=agents,
        eligible=EligibleAgents(
            agents=agents,
            tasks=tasks,
            updates=updates,
            waits_for_registered=rules.early_close_waits_for_registered,
        ),
        updates=updates,
        bid_streams=bid_streams,
        assigner=assigner,
        recorder=recorder,
        outbox=outbox,
        metrics=given.metrics,
        timers_changed=timers_changed,
        drop_tasks=links.drop_tasks,
        look_up=roster_watch.look_up,
    )
    followup = links.followup = Followup(
        matcher=matcher,
        rules=rules,
        board=board,
        journal=journal,
        agents=agents,
        tasks=tasks,
        assigner=assigner,
        metrics=given.metrics,
    )
    parts = Parts(
        matcher=matcher,
        followup=followup,
        board=board,
        journal=journal,
        agents=agents,
        tasks=tasks,
        updates=updates,
        bid_streams=bid_streams,
        recorder=recorder,
        outbox=outbox,
        intent_watch=IntentWatch(
            root_layer=ports.root_layer,
            matcher=matcher,
            subnet_id=given.parameters.subnet_id,
            clock=clock,
            reconcile_seconds=settings.intents.reconcile_seconds,
        ),
        outcome_watch=OutcomeWatch(ledger=ports.ledger, followup=followup, cursor=resumed.cursor),
        timer_watch=TimerWatch(
            board=board, matcher=matcher, followup=followup, changed=timers_changed
        ),
        roster_watch=roster_watch,
        metrics=given.metrics,
    )
    _resume(parts, resumed)
    return parts


def api(parts: Parts, given: Given) -> MatcherApi:
    """Return the gRPC service over these parts."""
    limits = given.settings.limits
    return MatcherApi(
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
        callers=Callers(
            calls_per_second=limits.calls_per_second,
            burst=limits.burst,
            max_streams=limits.max_streams,
        ),
        max_batch_bids=given.settings.bids.max_batch_bids,
    )


def _resume(parts: Parts, resumed: Resumed) -> None:
    for state in resumed.agents:
        parts.agents.restore(state)
    parts.outbox.restore(resumed.outbox)
    for case in resumed.cases:
        parts.board.add(case)
    for case in resumed.cases:
        parts.followup.resume(case)
        parts.matcher.resume(case)
