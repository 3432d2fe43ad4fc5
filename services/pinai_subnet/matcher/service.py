"""What the matcher does with intents and bids: open, admit, close, choose, re-open, end. It calls nobody.

Every step changes memory at once and marks the journal; only `take_intents` and `submit_bid` wait, for the disk. What
happens to an assignment after it was drafted is in `followup`.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence

from pinai_subnet.matcher import window as windows
from pinai_subnet.matcher.admission import UNKNOWN_INTENT, Answer, Facts, admit
from pinai_subnet.matcher.agents import Agents
from pinai_subnet.matcher.answers import BidAck, accepted, refused
from pinai_subnet.matcher.assigner import Assigner
from pinai_subnet.matcher.auction import Candidate, rank
from pinai_subnet.matcher.bid_events import BidEvent, BidEventType, BidStreams
from pinai_subnet.matcher.board import Board, Due, Moment
from pinai_subnet.matcher.case import AttemptState, Case, RefusedBid, Round, remember
from pinai_subnet.matcher.eligible import EligibleAgents
from pinai_subnet.matcher.journal import Journal
from pinai_subnet.matcher.metrics import MatcherMetrics
from pinai_subnet.matcher.outbox import Outbox
from pinai_subnet.matcher.recorder import Recorder
from pinai_subnet.matcher.refusal import Refusal
from pinai_subnet.matcher.rules import MatchingRules
from pinai_subnet.matcher.updates import IntentStreams, Update, UpdateType
from pinai_subnet.matcher.wakeup import Wakeup
from pinai_subnet.matcher.window import Phase
from pinai_subnet.protocol.bids import Bid, BidStatus
from pinai_subnet.protocol.ids import Address, AgentId, IntentId, SubnetId
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
        look_up: Callable[[AgentId], Awaitable[None]],
    ) -> None:
        """Take what it works with.

        `drop_tasks` takes every open task of an ended intent away from its agent; `look_up` asks the registry about an
        agent it has not told of yet.
        """
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
        self._look_up = look_up
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

    async def submit_bid(self, bid: Bid, signer: Address | None) -> BidAck:
        """Judge a bid and keep it durably. Refusals are answers; only a full disk is an error (`NoRoom` SN-H011)."""
        self._journal.require_room()
        await self._look_up(bid.agent_id)
        case = self._board.find(bid.intent_id)
        if case is None:
            return self.refusal(bid.bid_id, UNKNOWN_INTENT)
        now_ms = self.now_ms()
        facts = Facts(
            intent=case.intent,
            window=case.window,
            standing=case.bids,
            excluded=case.excluded,
            signer=signer,
            bound=self._agents.may_bind(bid.agent_id, bid.agent_address, signer),
            ineligible=self._agents.judge(bid.agent_id, case.intent.intent_type, now_ms=now_ms),
            now_ms=now_ms,
        )
        answer = admit(bid, facts, self._rules.admission)
        if isinstance(answer, Refusal):
            note = RefusedBid(
                agent_id=bid.agent_id, at_ms=now_ms, code=answer.code, reason=answer.reason
            )
            remember(case.refused, note)
            self._tell_bid(bid, BidEventType.REJECTED, BidStatus.REJECTED)
            return self.refusal(bid.bid_id, answer)
        self._metrics.bids.add(not case.canary, result=answer.value)
        if answer is Answer.DUPLICATE:
            standing = case.bids[bid.agent_id]
            await self._journal.durable()
            return self._accepted(standing, f"duplicate of {standing.bid_id}")
        self._keep(case, bid, signer, now_ms)
        await self._journal.durable()
        return self._accepted(bid, "")

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
        self._metrics.windows.add(not case.canary, how="early" if early else "time")
        self.set_window(case, windows.close(case.window, now_ms=now_ms))
        intent_type = case.intent.intent_type
        case.eligible, case.ineligible = self._eligible.survey(intent_type, now_ms=now_ms)
        candidates = [
            Candidate(
                bid_id=bid.bid_id,
                agent_id=bid.agent_id,
                price=bid.price,
                received_at_ms=bid.received_at_ms,
                reputation=self._agents.reputation(bid.agent_id, now_ms=now_ms),
                capability=self._agents.fit(bid.agent_id, intent_type),
                latency_seconds=self._agents.latency_seconds(bid.agent_id),
            )
            for bid in case.bids.values()
            if bid.agent_id not in case.excluded
        ]
        case.ranking = rank(candidates, self._rules.auction_of(intent_type), case.intent.intent_id)
        if self._next_bid(case, now_ms) is not None and now_ms < case.assign_by_ms:
            self._tell(case, UpdateType.MATCHED)
        self._tell(case, UpdateType.WINDOW_CLOSED)
        self.choose(case)
        for bid in case.bids.values():
            self._tell_bid(bid, BidEventType.ACCEPTED, case.bid_status(bid), sealed=False)

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
        self._metrics.ended.add(not case.canary, code="completed")
        if not case.canary:
            self._metrics.close_to_settled.observe(max(0, now_ms - closed_at_ms) / 1000)
        self._log.info(
            "intent_completed", intent_id=case.intent.intent_id, attempts=len(case.attempts)
        )
        self._finish(case, now_ms)

    def set_window(self, case: Case, window: windows.Window) -> None:
        """Move an intent to its next state."""
        case.window = window
        self._board.moved(case)
        self._journal.moved(case)
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
            self._close_if_complete(case)

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
        )
        self._board.add(case)
        self._journal.opened(case)
        self.schedule(Moment(Due.CLOSE, intent.intent_id), case.window.closes_at_ms)
        self.schedule(Moment(Due.DEADLINE, intent.intent_id), assign_by_ms)
        self._metrics.intents.add(not case.canary)
        self._tell(case, UpdateType.NEW_INTENT)

    def _keep(self, case: Case, bid: Bid, signer: Address | None, now_ms: int) -> None:
        first = all(agent_id in case.excluded for agent_id in case.bids)
        self._agents.bind(bid.agent_id, bid.agent_address, signer, now_ms=now_ms)
        case.bids[bid.agent_id] = bid
        self._journal.bid(bid)
        if first:
            rules = self._rules.windows_of(case.intent.intent_type)
            window = windows.first_bid(
                case.window, now_ms=now_ms, assign_by_ms=case.assign_by_ms, rules=rules
            )
            self.set_window(case, window)
            self.schedule(Moment(Due.CLOSE, case.intent.intent_id), window.closes_at_ms)
        self._tell_bid(bid, BidEventType.ACCEPTED, BidStatus.ACCEPTED)
        self._close_if_complete(case)

    def _close_if_complete(self, case: Case) -> None:
        if not self._rules.early_close or case.window.phase is not Phase.OPEN:
            return
        if self._eligible.all_have_bid(case, now_ms=self.now_ms()):
            self.close(case, early=True)

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

    def _tell_bid(
        self, bid: Bid, kind: BidEventType, status: BidStatus, *, sealed: bool = True
    ) -> None:
        event = BidEvent(type=kind, bid=bid, status=status, timestamp=int(self._clock.now()))
        self._bid_streams.publish(event, sealed=sealed)

    def _accepted(self, bid: Bid, reason: str) -> BidAck:
        return accepted(bid.bid_id, reason=reason, at=int(self._clock.now()))

    def refusal(self, bid_id: str, refusal: Refusal) -> BidAck:
        """Return the in-band no to a bid, also to one that could not be read."""
        self._metrics.bids.add(result="refused")
        self._metrics.refused.add(code=refusal.code)
        return refused(bid_id, refusal)
