"""What the matcher does with intents: open, close, rank, choose, re-open, end. It calls nobody.

Every step changes memory at once and marks the journal; only `take_intents` waits, for the disk. Bids come in at
`bidding`; what happens to an assignment after it was drafted is in `followup`.
"""

from collections.abc import Callable, Iterable, Sequence

from pinai_subnet.matcher import window as windows
from pinai_subnet.matcher.agents import Agents
from pinai_subnet.matcher.assigner import Assigner
from pinai_subnet.matcher.attendance import SILENT_AFTER, Attendance
from pinai_subnet.matcher.auction import rank
from pinai_subnet.matcher.bid_events import BidEventType, BidStreams
from pinai_subnet.matcher.board import Board, Due, Moment
from pinai_subnet.matcher.case import AttemptState, Case, Round, remember
from pinai_subnet.matcher.eligible import EligibleAgents
from pinai_subnet.matcher.journal import Journal
from pinai_subnet.matcher.metrics import MatcherMetrics
from pinai_subnet.matcher.moves import Moves
from pinai_subnet.matcher.outbox import Outbox
from pinai_subnet.matcher.recorder import Recorder
from pinai_subnet.matcher.rules import MatchingRules
from pinai_subnet.matcher.updates import IntentStreams, Update, UpdateType
from pinai_subnet.matcher.wakeup import Wakeup
from pinai_subnet.matcher.window import Phase
from pinai_subnet.matcher.wishes import wishes
from pinai_subnet.protocol.bids import Bid
from pinai_subnet.protocol.ids import IntentId, SubnetId
from pinai_subnet.protocol.intents import Intent, IntentStatus
from pinai_subnet.runtime.clock import Clock
from pinai_subnet.runtime.logs import get_logger


class Matcher:
    """Intents and bids of one subnet."""

    def __init__(
        self,
        *,
        subnet_id: SubnetId,
        rules: MatchingRules,
        clock: Clock,
        board: Board,
        journal: Journal,
        agents: Agents,
        eligible: EligibleAgents,
        updates: IntentStreams,
        bid_streams: BidStreams,
        assigner: Assigner,
        recorder: Recorder,
        outbox: Outbox,
        metrics: MatcherMetrics,
        timers_changed: Wakeup,
        drop_tasks: Callable[[Case], None],
        attendance: Attendance,
        moves: Moves,
    ) -> None:
        """Take what it works with; `drop_tasks` takes every open task of an ended intent away from its agent."""
        self._subnet_id = subnet_id
        self._rules = rules
        self._clock = clock
        self._board = board
        self._journal = journal
        self._agents = agents
        self._eligible = eligible
        self._updates = updates
        self._bid_streams = bid_streams
        self._assigner = assigner
        self._recorder = recorder
        self._outbox = outbox
        self._metrics = metrics
        self._timers_changed = timers_changed
        self._drop_tasks = drop_tasks
        self._attendance = attendance
        self._moves = moves
        self._log = get_logger()

    def now_ms(self) -> int:
        """Return the time in unix milliseconds."""
        return int(self._clock.now() * 1000)

    async def take_intents(self, intents: Sequence[Intent]) -> int:
        """Open a window for each intent that the journal does not know and that can be assigned; return how many."""
        fresh = {
            intent.intent_id: intent
            for intent in intents
            if intent.subnet_id == self._subnet_id
            and intent.status in (IntentStatus.PENDING, IntentStatus.CHAINED)
            and self._board.find(intent.intent_id) is None
            and self._rules.times(intent, now_ms=self.now_ms())[0] > self.now_ms()
        }
        if not fresh:
            return 0
        known = await self._journal.known(list(fresh))
        new = [one for key, one in fresh.items() if key not in known and not self._board.find(key)]
        taken = new[: max(0, self._rules.max_intents - len(self._board))]
        self._metrics.deferred.add(len(new) - len(taken))
        for intent in taken:
            self._open(intent)
        return len(taken)

    def close_window(self, case: Case) -> None:
        """The moment at which a window ends has come."""
        if case.window.phase is Phase.OPEN:
            self.close(case, early=False)

    def close(self, case: Case, *, early: bool) -> None:
        """Stop taking bids, rank them, and give the work to the best or open again."""
        now_ms = self.now_ms()
        round_ = Round(
            number=case.window.round,
            opened_at_ms=case.window.opened_at_ms,
            closed_at_ms=now_ms,
            early=early,
            bids=len(case.bids),
        )
        remember(case.rounds, round_)
        self._metrics.window_closed(case, round_)
        self.set_window(case, windows.close(case.window, now_ms=now_ms))
        self._rank(case, now_ms)
        if self._next_bid(case, now_ms) is not None and now_ms < case.assign_by_ms:
            self._tell(case, UpdateType.MATCHED)
        self._tell(case, UpdateType.WINDOW_CLOSED)
        self.choose(case)
        for bid in case.bids.values():
            self._bid_streams.tell_of(
                bid, BidEventType.ACCEPTED, case.bid_status(bid), now_ms=now_ms, sealed=False
            )

    def _rank(self, case: Case, now_ms: int) -> None:
        """Find out who could have bid, and rank the bids; what went into it is kept for whoever asks why."""
        case.eligible, case.ineligible = self._eligible.survey_for(case, now_ms=now_ms)
        declined = {a for a, word in case.declined.items() if word.round == case.window.round}
        eligible = () if case.canary else case.eligible
        flagged = self._attendance.window_closed(
            eligible=eligible, bids=case.bids, declined=declined, now_ms=now_ms
        )
        for agent_id in flagged:
            self._log.warning("agent_never_bids", agent_id=agent_id, windows=SILENT_AFTER)
        case.candidates = tuple(
            self._agents.candidate(bid, case.intent.intent_type, now_ms=now_ms)
            for bid in case.bids.values()
            if bid.agent_id not in case.excluded
        )
        case.auction = self._rules.auction_of(case.intent.intent_type)
        began = self._clock.monotonic()
        case.ranking = rank(case.candidates, case.auction, case.intent.intent_id)
        self._metrics.auction.observe(self._clock.monotonic() - began)

    def choose(self, case: Case) -> None:
        """With the window closed and nobody at work: draft the next assignment, open again, or end."""
        now_ms = self.now_ms()
        if now_ms >= case.assign_by_ms:
            self._end_unassigned(case)
            return
        if len(case.attempts) >= self._rules.max_attempts:
            self.end(case, "SN-M302", f"{len(case.attempts)} assignments failed, the most allowed")
            return
        bid = self._next_bid(case, now_ms)
        if bid is None:
            self._reopen(case, now_ms)
            return
        attempt = self._assigner.draft(case, bid, now_seconds=self._clock.now())
        case.attempts.append(attempt)
        task = self._board.index(case, attempt)
        self._journal.attempt(attempt)
        self._journal.moved(case)
        self._agents.won(bid.agent_id, now_ms=now_ms)
        self._metrics.attempts.add(not case.canary)
        self._outbox.put(attempt.record.assignment)
        self._recorder.put(task)

    def end(self, case: Case, code: str, reason: str) -> None:
        """Give an intent up for a reason."""
        now_ms = self.now_ms()
        self.set_window(case, windows.end(case.window, now_ms=now_ms, code=code, reason=reason))
        self._drop_tasks(case)
        self._metrics.ended.add(not case.canary, code=code)
        self._log.info("intent_ended", intent_id=case.intent.intent_id, code=code, reason=reason)
        self._finish(case, now_ms)

    def complete(self, case: Case) -> None:
        """The result is settled."""
        if case.window.phase is Phase.COMPLETED:
            return
        now_ms = self.now_ms()
        closed_at_ms = case.window.closed_at_ms
        self.set_window(case, windows.complete(case.window, now_ms=now_ms))
        self._drop_tasks(case)
        self._metrics.completed(case, max(0, now_ms - closed_at_ms) / 1000)
        self._log.info(
            "intent_completed", intent_id=case.intent.intent_id, attempts=len(case.attempts)
        )
        self._finish(case, now_ms)

    def first_bid(self, case: Case, now_ms: int) -> None:
        """An intent has its first usable bid: the window may end sooner."""
        rules = self._rules.windows_of(case.intent.intent_type)
        window = windows.first_bid(
            case.window, now_ms=now_ms, assign_by_ms=case.assign_by_ms, rules=rules
        )
        self.set_window(case, window)
        self.schedule(Moment(Due.CLOSE, case.intent.intent_id), window.closes_at_ms)

    def bid_arrived(self, case: Case) -> None:
        """A bid was kept; after the last one awaited the window ends."""
        self._moves.add(case, now_ms=self.now_ms())
        self.close_if_complete(case)

    def close_if_complete(self, case: Case) -> None:
        """End the window where everybody awaited has answered and somebody has bid."""
        if not self._rules.early_close or case.window.phase is not Phase.OPEN:
            return
        if self._eligible.all_have_bid(case, now_ms=self.now_ms()):
            self.close(case, early=True)

    def set_window(self, case: Case, window: windows.Window) -> None:
        """Move an intent to its next state."""
        self._metrics.moved(case, window)
        case.window = window
        self._board.moved(case)
        self._journal.moved(case)
        self._moves.add(case, now_ms=self.now_ms())
        if window.phase is not Phase.OPEN:
            self._board.timers.clear(Moment(Due.CLOSE, case.intent.intent_id))

    def deadline_passed(self, case: Case) -> None:
        """The moment at which an intent may not be assigned, or its work not be waited for, any longer."""
        now_ms = self.now_ms()
        window = case.window
        if window.phase.final:
            return
        if window.phase is Phase.OPEN:
            self.close(case, early=False)
        elif window.phase is Phase.CLOSED:
            self._end_unassigned(case)
        elif now_ms < case.deadline_ms + self._rules.outcome_grace_ms:
            due_ms = case.deadline_ms + self._rules.outcome_grace_ms
            self.schedule(Moment(Due.DEADLINE, case.intent.intent_id), due_ms)
        elif window.phase is not Phase.REPORTED:
            self.end(case, "SN-M303", "the deadline passed without a report")
        elif now_ms < case.deadline_ms + self._rules.outcome_wait_ms:
            due_ms = case.deadline_ms + self._rules.outcome_wait_ms
            self.schedule(Moment(Due.DEADLINE, case.intent.intent_id), due_ms)
        else:
            self.end(case, "SN-M306", "the validators never said what became of the report")

    def close_early_where_complete(self) -> None:
        """Look at every open window again after an agent has gone: it may have been the last one awaited."""
        for case in self._board.open_cases():
            self.close_if_complete(case)

    def schedule(self, moment: Moment, due_ms: int) -> None:
        """Make something due."""
        timers = self._board.timers
        earliest_ms = timers.next_due_ms()
        timers.set(moment, due_ms)
        if earliest_ms is None or due_ms < earliest_ms:
            self._timers_changed.nudge()

    def resume(self, case: Case) -> None:
        """Take up an intent that an earlier run left open (after `Board.add`)."""
        intent_id = case.intent.intent_id
        self.schedule(Moment(Due.DEADLINE, intent_id), self._final_moment(case))
        current = case.current
        if case.window.phase is Phase.OPEN:
            self.schedule(Moment(Due.CLOSE, intent_id), case.window.closes_at_ms)
        elif case.window.phase is Phase.CLOSED:
            if current is not None and current.state is AttemptState.DRAFTED:
                task = self._board.task(current.assignment_id)
                if task is not None:
                    self._recorder.put(task)
            else:
                self.choose(case)

    def open_updates(self) -> Iterable[Update]:
        """Return what a new listener hears first: every open window."""
        return [self._update(case, UpdateType.EXISTING_INTENT) for case in self._board.open_cases()]

    def _open(self, intent: Intent) -> None:
        now_ms = self.now_ms()
        assign_by_ms, deadline_ms = self._rules.times(intent, now_ms=now_ms)
        rules = self._rules.windows_of(intent.intent_type)
        case = Case(
            intent=intent,
            window=windows.open_window(now_ms=now_ms, assign_by_ms=assign_by_ms, rules=rules),
            seen_at_ms=now_ms,
            assign_by_ms=assign_by_ms,
            deadline_ms=deadline_ms,
            wishes=wishes(intent.metadata),
        )
        self._board.add(case)
        self._journal.opened(case)
        self._moves.add(case, now_ms=now_ms)
        self.schedule(Moment(Due.CLOSE, intent.intent_id), case.window.closes_at_ms)
        self.schedule(Moment(Due.DEADLINE, intent.intent_id), assign_by_ms)
        self._metrics.opened(case)
        self._tell(case, UpdateType.NEW_INTENT)

    def _next_bid(self, case: Case, now_ms: int) -> Bid | None:
        """Return the best ranked bid whose agent has not failed here and may work now."""
        for scored in case.ranking:
            bid = case.bids.get(scored.agent_id)
            if (
                bid is not None
                and scored.rank
                and bid.bid_id == scored.bid_id
                and bid.agent_id not in case.excluded
                and self._agents.judge(bid.agent_id, case.intent.intent_type, now_ms=now_ms) is None
            ):
                return bid
        return None

    def _reopen(self, case: Case, now_ms: int) -> None:
        rules = self._rules.windows_of(case.intent.intent_type)
        usable = any(agent_id not in case.excluded for agent_id in case.bids)
        if not usable:
            case.readmit_busy()
        window = windows.reopen(
            case.window,
            now_ms=now_ms,
            assign_by_ms=case.assign_by_ms,
            rules=rules,
            empty=not usable,
        )
        self.set_window(case, window)
        self.schedule(Moment(Due.CLOSE, case.intent.intent_id), window.closes_at_ms)
        self._tell(case, UpdateType.NEW_INTENT)

    def _end_unassigned(self, case: Case) -> None:
        if case.attempts:
            self.end(case, "SN-M303", "the deadline passed after every assignment had failed")
        else:
            self.end(case, "SN-M301", "nobody made an acceptable bid before the deadline")

    def _finish(self, case: Case, now_ms: int) -> None:
        intent_id = case.intent.intent_id
        self._board.timers.clear(Moment(Due.CLOSE, intent_id))
        self._board.timers.clear(Moment(Due.DEADLINE, intent_id))
        self.schedule(Moment(Due.FORGET, intent_id), now_ms + self._rules.keep_finished_ms)

    def _final_moment(self, case: Case) -> int:
        if case.window.phase in (Phase.OPEN, Phase.CLOSED):
            return case.assign_by_ms
        return case.deadline_ms + self._rules.outcome_grace_ms

    def _update(self, case: Case, update_type: UpdateType) -> Update:
        return Update(
            intent_id=IntentId(case.intent.intent_id),
            intent_type=case.intent.intent_type,
            update_type=update_type,
            timestamp=int(self._clock.now()),
        )

    def _tell(self, case: Case, update_type: UpdateType) -> None:
        self._updates.publish(self._update(case, update_type))
