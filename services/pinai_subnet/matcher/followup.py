"""What becomes of an assignment after it was drafted: recorded, delivered, answered, reported, settled, or failed.

A failed one is withdrawn at RootLayer, its agent's bids on the intent count no more, and the next bid gets the work.
Steps in memory and marks in the journal only; nothing here waits for the network.
"""

import re

from pinai_subnet.matcher import window as windows
from pinai_subnet.matcher.agents import Agents
from pinai_subnet.matcher.assigner import Assigner
from pinai_subnet.matcher.board import Board, Due, Moment
from pinai_subnet.matcher.case import LACKED_CAPACITY, Attempt, AttemptState, Case, Step, remember
from pinai_subnet.matcher.journal import Journal
from pinai_subnet.matcher.metrics import MatcherMetrics
from pinai_subnet.matcher.outbox import Outbox
from pinai_subnet.matcher.refusal import Refusal
from pinai_subnet.matcher.rules import MatchingRules
from pinai_subnet.matcher.service import Matcher
from pinai_subnet.matcher.tasks import Task, Tasks
from pinai_subnet.matcher.window import Phase
from pinai_subnet.ports.ledger import Outcome, OutcomeKind, RecordAnswer
from pinai_subnet.ports.root_layer import ItemResult
from pinai_subnet.protocol.assignments import Assignment, AssignmentStatus
from pinai_subnet.protocol.errors import Forbidden, Unauthenticated
from pinai_subnet.protocol.ids import Address, AgentId
from pinai_subnet.runtime.logs import get_logger

_NO_CAPACITY = re.compile(r"SN-M506|SN-H011|\bcapacity\b", re.IGNORECASE)
"""Our own agents' codes, and the word that others use."""
ALREADY_WON = "SN-V009"
"""The validators' code for a new assignment of an intent that has a verified result already."""


class Followup:
    """The life of assignments."""

    def __init__(
        self,
        *,
        matcher: Matcher,
        rules: MatchingRules,
        board: Board,
        journal: Journal,
        agents: Agents,
        tasks: Tasks,
        assigner: Assigner,
        outbox: Outbox,
        metrics: MatcherMetrics,
    ) -> None:
        """Take what it works with."""
        self._matcher = matcher
        self._rules = rules
        self._board = board
        self._journal = journal
        self._agents = agents
        self._tasks = tasks
        self._assigner = assigner
        self._outbox = outbox
        self._metrics = metrics
        self._log = get_logger()

    def recorded(self, task: Task, answer: RecordAnswer) -> None:
        """The validators answered: hand the task out, or try the next bid (never a task they do not know)."""
        if task.attempt.state is not AttemptState.DRAFTED:
            return
        if answer.accepted:
            self._hand_out(task)
        elif answer.code == ALREADY_WON:
            self._lost_to_an_earlier_one(task)
        else:
            code = answer.code or "SN-M206"
            self._log.warning(
                "assignment_refused",
                intent_id=task.case.intent.intent_id,
                assignment_id=task.attempt.assignment_id,
                code=code,
                reason=answer.message,
            )
            self._fail(task, code, f"the validators refused it: {answer.message}", blame=False)

    def delivered(self, task: Task) -> None:
        """The task was written to the agent's stream."""
        remember(task.attempt.delivered_at_ms, self._matcher.now_ms())
        self._journal.attempt(task.attempt)

    def rearm(self, agent_id: AgentId) -> None:
        """After an agent's list changed: silence counts for its oldest task only, the others wait their turn."""
        open_tasks = self._tasks.of(agent_id)
        if not open_tasks:
            return
        attempt = open_tasks[0].attempt
        if attempt.state is not AttemptState.RECORDED or attempt.response_due_at_ms:
            return
        state = self._agents.get(agent_id)
        attempt.response_due_at_ms = self._rules.response_due_ms(
            now_ms=self._matcher.now_ms(),
            deadline_ms=open_tasks[0].case.deadline_ms,
            answers=state is None or state.answers_tasks,
        )
        self._matcher.schedule(
            Moment(Due.SILENCE, attempt.assignment_id), attempt.response_due_at_ms
        )

    async def respond(
        self, task_id: str, agent_id: str, signer: Address | None, *, accepted: bool, reason: str
    ) -> tuple[bool, str]:
        """Take an agent's answer to a task; return success and a text. Raises `Forbidden` or `Unauthenticated`.

        Accepting twice, or after the report, changes nothing. An accepted task may still be given back by rejecting it.
        """
        task = self._board.task(task_id)
        if task is None or task.attempt.state in (AttemptState.DRAFTED, AttemptState.FAILED):
            return False, "Task not found or already confirmed (SN-M101)"
        attempt = task.attempt
        self._check_speaker(attempt, agent_id, signer)
        if not accepted and attempt.state.open:
            text = reason[:200] or "no reason given"
            busy = _NO_CAPACITY.search(text) is not None
            code = LACKED_CAPACITY if busy else "SN-M201"
            self._fail(task, code, f"the agent rejected the task: {text}", blame=not busy)
            await self._journal.durable()
            return True, "Task rejected; the next bid is tried"
        if not accepted:
            return False, "Task not found or already confirmed (SN-M101)"
        if attempt.state is AttemptState.RECORDED:
            self._confirm(task)
        await self._journal.durable()
        return True, "Task accepted"

    def silent(self, assignment_id: str) -> None:
        """The agent's oldest task has waited for an answer for too long."""
        task = self._board.task(assignment_id)
        if task is None or task.attempt.state is not AttemptState.RECORDED:
            return
        now_ms = self._matcher.now_ms()
        agent_id = task.attempt.agent_id
        # The other tasks of a silent agent fail with it once they are as old: one after the other would take for ever.
        others = [
            other
            for other in self._tasks.of(agent_id)
            if other is not task
            and other.attempt.state is AttemptState.RECORDED
            and now_ms - other.attempt.recorded_at_ms >= self._rules.response_ms
        ]
        for late in (task, *others):
            connected = "is connected" if self._tasks.connected(agent_id) else "is not connected"
            self._fail(
                late,
                "SN-M202",
                f"{agent_id} did not answer the task in time; it {connected}",
                blame=True,
            )

    def overdue(self, assignment_id: str) -> None:
        """An accepted task was not reported within its lease."""
        task = self._board.task(assignment_id)
        if task is None or task.attempt.state is not AttemptState.CONFIRMED:
            return
        if self._matcher.now_ms() >= task.case.deadline_ms:
            # A report may be on its way from the validators; the deadline's own moment decides.
            return
        agent_id = task.attempt.agent_id
        self._fail(task, "SN-M203", f"{agent_id} did not report within its lease", blame=True)

    def outcome(self, outcome: Outcome) -> None:
        """Take one step of an assignment from the validators; unknown assignments are other matchers' or long over."""
        self._journal.cursor(outcome.sequence)
        if outcome.kind is OutcomeKind.RESYNC:
            self._log.warning("outcomes_missed", sequence=outcome.sequence)
            return
        task = self._board.task(outcome.assignment_id)
        if task is None:
            return
        attempt = task.attempt
        step = Step(
            kind=outcome.kind.name.lower(),
            at_ms=outcome.at_ms,
            code=outcome.code,
            reason=outcome.reason,
            epoch=outcome.epoch,
        )
        if step not in attempt.steps:
            remember(attempt.steps, step)
        self._journal.attempt(attempt)
        if attempt.state is AttemptState.DRAFTED:
            # The validators plainly have it: their answer to us was lost or is late.
            self._hand_out(task)
        self._apply(task, outcome)

    def root_layer_answered(self, assignment: Assignment, result: ItemResult) -> None:
        """Keep RootLayer's answer in the story; a refusal is for the operator to read."""
        if not result.ok:
            self._log.warning(
                "root_layer_refused_assignment",
                intent_id=assignment.intent_id,
                assignment_id=assignment.assignment_id,
                status=assignment.status.name,
                reason=result.message,
            )
        task = self._board.task(assignment.assignment_id)
        if task is None:
            return
        word = "withdrawn" if assignment.status is AssignmentStatus.FAILED else "posted"
        task.attempt.root_layer = word if result.ok else f"refused: {result.message[:200]}"
        self._journal.attempt(task.attempt)

    def drop_tasks(self, case: Case) -> None:
        """Take the open tasks of an ended intent away from their agents and withdraw their assignments."""
        late = case.window.phase is Phase.ENDED
        for attempt in case.attempts:
            if not attempt.state.open:
                continue
            if late and attempt.state is not AttemptState.DRAFTED:
                self._agents.did_badly(attempt.agent_id, now_ms=self._matcher.now_ms())
            code = case.window.end_code or "SN-M207"
            reason = case.window.end_reason or "another assignment was settled"
            self._mark_failed(case, attempt, code, reason)

    def resume(self, case: Case) -> None:
        """Take up the assignments of an intent that an earlier run left open (after `Board.add`)."""
        for attempt in case.attempts:
            if attempt.state not in (AttemptState.RECORDED, AttemptState.CONFIRMED):
                continue
            # The agent could not answer while this process was down: silence counts from now.
            attempt.response_due_at_ms = 0
            task = self._board.task(attempt.assignment_id)
            if task is not None:
                self._tasks.add(task)
            if attempt.state is AttemptState.CONFIRMED:
                self._matcher.schedule(
                    Moment(Due.LEASE, attempt.assignment_id), attempt.lease_until_ms
                )

    def _hand_out(self, task: Task) -> None:
        now_ms = self._matcher.now_ms()
        case, attempt = task.case, task.attempt
        attempt.state = AttemptState.RECORDED
        attempt.recorded_at_ms = now_ms
        window = windows.assign(case.window, attempt=attempt.record.attempt)
        self._matcher.set_window(case, window)
        self._matcher.schedule(
            Moment(Due.DEADLINE, case.intent.intent_id),
            case.deadline_ms + self._rules.outcome_grace_ms,
        )
        self._metrics.close_to_task.observe(max(0, now_ms - case.window.closed_at_ms) / 1000)
        self._journal.attempt(attempt)
        self._tasks.add(task)

    def _lost_to_an_earlier_one(self, task: Task) -> None:
        """A report of an assignment given up before was good after all: wait for its settlement, assign no more."""
        case = task.case
        self._mark_failed(
            case, task.attempt, "SN-M207", "an earlier assignment's result was verified"
        )
        if task.attempt is case.current and not case.window.phase.final:
            window = windows.assign(case.window, attempt=task.attempt.record.attempt)
            self._matcher.set_window(case, windows.report(window))
            self._matcher.schedule(
                Moment(Due.DEADLINE, case.intent.intent_id),
                case.deadline_ms + self._rules.outcome_grace_ms,
            )

    def _confirm(self, task: Task) -> None:
        now_ms = self._matcher.now_ms()
        case, attempt = task.case, task.attempt
        attempt.state = AttemptState.CONFIRMED
        attempt.acknowledged_at_ms = now_ms
        attempt.lease_until_ms = self._rules.lease_due_ms(
            now_ms=now_ms, deadline_ms=case.deadline_ms
        )
        self._board.timers.clear(Moment(Due.SILENCE, attempt.assignment_id))
        self._matcher.schedule(Moment(Due.LEASE, attempt.assignment_id), attempt.lease_until_ms)
        if attempt is case.current:
            self._matcher.set_window(case, windows.confirm(case.window))
        self._agents.answered(attempt.agent_id, now_ms=now_ms)
        self._journal.attempt(attempt)

    def _apply(self, task: Task, outcome: Outcome) -> None:
        attempt = task.attempt
        agent = attempt.agent_id
        match outcome.kind:
            case (
                OutcomeKind.REPORTED | OutcomeKind.VERIFIED | OutcomeKind.SEALED | OutcomeKind.FINAL
            ):
                # The feed may skip steps: each of these says that there is a report.
                self._reported(task)
                if outcome.kind is OutcomeKind.FINAL and task.case.canary:
                    self._settled(task)
            case OutcomeKind.REJECTED:
                code = outcome.code or "SN-M204"
                reason = f"the validators rejected the report of {agent}: {outcome.reason}"
                self._fail(task, code, reason, blame=True)
            case OutcomeKind.EXPIRED:
                reason = f"no good report of {agent} before the deadline: {outcome.reason}"
                self._fail(task, outcome.code or "SN-M205", reason, blame=True)
            case OutcomeKind.SETTLED:
                self._settled(task)
            case OutcomeKind.SETTLEMENT_REFUSED:
                self._settlement_refused(task, outcome)
            case _:
                pass

    def _reported(self, task: Task) -> None:
        case, attempt = task.case, task.attempt
        if not attempt.state.open:
            return
        now_ms = self._matcher.now_ms()
        silent = attempt.state is not AttemptState.CONFIRMED
        seconds = (now_ms - (attempt.acknowledged_at_ms or attempt.recorded_at_ms)) / 1000
        attempt.state = AttemptState.REPORTED
        attempt.reported_at_ms = now_ms
        if not case.canary:
            self._metrics.task_to_report.observe(max(0.0, seconds))
        self._agents.reported(attempt.agent_id, seconds=seconds, silent=silent)
        self._release(attempt)
        if attempt is case.current and not case.window.phase.final:
            self._matcher.set_window(case, windows.report(case.window))

    def _settled(self, task: Task) -> None:
        case, attempt = task.case, task.attempt
        if attempt.state is AttemptState.SETTLED:
            return
        self._reported(task)
        attempt.state = AttemptState.SETTLED
        attempt.ended_at_ms = self._matcher.now_ms()
        self._journal.attempt(attempt)
        self._agents.did_well(attempt.agent_id, now_ms=attempt.ended_at_ms)
        bid = case.bids.get(attempt.agent_id)
        if bid is not None and bid.bid_id == attempt.bid_id and not case.canary:
            self._agents.earned(attempt.agent_id, token=bid.token, price=bid.price)
        self._matcher.complete(case)

    def _settlement_refused(self, task: Task, outcome: Outcome) -> None:
        """RootLayer refused a good result for good: nobody's fault here, and no other agent would fare better."""
        case, attempt = task.case, task.attempt
        reason = outcome.reason or "RootLayer refused the result"
        if attempt.state is not AttemptState.FAILED:
            self._mark_failed(case, attempt, outcome.code or "SN-M304", reason)
        if attempt is case.current and not case.window.phase.final:
            self._matcher.end(case, "SN-M304", reason)

    def _fail(self, task: Task, code: str, reason: str, *, blame: bool) -> None:
        """End one assignment and go on with the next bid, unless the intent went on without it already."""
        case, attempt = task.case, task.attempt
        if attempt.state in (AttemptState.FAILED, AttemptState.SETTLED):
            return
        self._mark_failed(case, attempt, code, reason)
        self._log.info(
            "assignment_failed",
            intent_id=case.intent.intent_id,
            assignment_id=attempt.assignment_id,
            agent_id=attempt.agent_id,
            code=code,
            reason=reason,
        )
        if blame:
            self._agents.did_badly(attempt.agent_id, now_ms=self._matcher.now_ms())
        if attempt is case.current and not case.window.phase.final:
            self._matcher.set_window(case, windows.fail(case.window))
            self._matcher.choose(case)

    def _mark_failed(self, case: Case, attempt: Attempt, code: str, reason: str) -> None:
        attempt.state = AttemptState.FAILED
        attempt.code, attempt.reason = code, reason
        attempt.ended_at_ms = self._matcher.now_ms()
        case.excluded[attempt.agent_id] = Refusal(
            code if code == LACKED_CAPACITY else "SN-M011",
            f"an earlier assignment of this intent to {attempt.agent_id} failed ({code})",
        )
        self._metrics.failed.add(code=code)
        self._journal.attempt(attempt)
        self._journal.moved(case)
        self._release(attempt)
        self._outbox.put(self._assigner.withdrawn(attempt))

    def _release(self, attempt: Attempt) -> None:
        self._board.timers.clear(Moment(Due.SILENCE, attempt.assignment_id))
        self._board.timers.clear(Moment(Due.LEASE, attempt.assignment_id))
        self._journal.attempt(attempt)
        self._tasks.remove(attempt)

    def _check_speaker(self, attempt: Attempt, agent_id: str, signer: Address | None) -> None:
        address = attempt.record.assignment.agent_address
        if agent_id not in (attempt.agent_id, address):
            raise Forbidden("SN-M102", f"the task is not {agent_id[:80]!r}'s")
        if signer is not None and signer != address:
            raise Forbidden("SN-M103", f"{signer} may not answer for {attempt.agent_id}")
        refusal = self._agents.speaks_for(attempt.agent_id, signer)
        if refusal is not None and refusal.code == "SN-M104":
            raise Unauthenticated(refusal.code, refusal.reason)
        if refusal is not None:
            raise Forbidden(refusal.code, refusal.reason)
