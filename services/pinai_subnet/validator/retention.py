"""What ends by time and what is forgotten: in the log, on every validator alike (known defects L1, L15, M2, M3)."""

from itertools import islice

from pinai_subnet.protocol.errors import SubnetError, WrongState
from pinai_subnet.protocol.ids import AssignmentId
from pinai_subnet.validator.applied import Reply
from pinai_subnet.validator.intake import drop_held
from pinai_subnet.validator.limits import LedgerLimits
from pinai_subnet.validator.records import AssignmentState, HeldReport, Stage
from pinai_subnet.validator.sets import Sets
from pinai_subnet.validator.state import KeptReplies
from pinai_subnet.validator.tables import Tables
from pinai_subnet.validator.turn import Turn


class Retention:
    """Ends what waits too long and keeps every table within its bound."""

    def __init__(self, *, tables: Tables, limits: LedgerLimits, sets: Sets) -> None:
        self._tables = tables
        self._limits = limits
        self._sets = sets

    def expire(self, turn: Turn) -> Reply:
        """End assignments without a report, reports without enough verdicts, and reports without an assignment.

        What is verified or sealed is never touched: agreed work waits for its batch and for RootLayer.
        """
        for state in self._in(Stage.ASSIGNED):
            if state.deadline_ms + self._limits.report_grace_ms < turn.now_ms:
                self._tables.move(
                    state,
                    Stage.EXPIRED,
                    turn,
                    code="SN-V026",
                    reason=f"no report came until the deadline {state.record.deadline}",
                )
        for state in self._in(Stage.REPORTED):
            if state.times[Stage.REPORTED] + self._limits.verdict_timeout_ms < turn.now_ms:
                self._end_unjudged(turn, state)
        self._drop_held(turn)
        return turn.accepted()

    def forget(self, turn: Turn) -> None:
        """Forget ended assignments and settled epochs beyond the limits; run after every command."""
        tables, limits = self._tables, self._limits
        while len(tables.ended) > limits.max_ended and tables.ended[0][0] < turn.now_ms:
            turn.note(f"forgotten {tables.forget_assignment()}")
        while tables.settled_epochs and (
            len(tables.settled_epochs) > limits.retained_epochs
            or tables.settled_items > limits.max_ended
        ):
            turn.note(f"forgotten {tables.forget_epoch()}")
        sealed = tables.state.sealed_intents
        excess = len(sealed) - limits.max_sealed_intents
        if excess > 0:
            # Many at once: taking single entries from the front of a large dictionary is slow.
            for intent_id in list(islice(sealed, excess + limits.max_sealed_intents // 16)):
                del sealed[intent_id]

    def keep_replies(self, request: str, kept: KeptReplies) -> None:
        """Keep what a request was answered, and drop the oldest answers beyond the limits."""
        state, limits = self._tables.state, self._limits
        state.requests[request] = kept
        state.kept_replies += len(kept.replies)
        while (
            len(state.requests) > limits.max_request_ids
            or state.kept_replies > limits.max_kept_replies
        ):
            oldest = next(iter(state.requests))
            state.kept_replies -= len(state.requests.pop(oldest).replies)

    def _in(self, stage: Stage) -> list[AssignmentState]:
        states = self._tables.state.assignments
        return [states[assignment_id] for assignment_id in self._tables.stages[stage]]

    def _end_unjudged(self, turn: Turn, state: AssignmentState) -> None:
        passes = sum(verdict.passed for verdict in state.verdicts.values())
        required = self._sets.quorum(self._sets.next_epoch).required_signatures
        self._tables.move(
            state,
            Stage.REJECTED,
            turn,
            code="SN-V025",
            reason=f"{passes} of {required} validators verified it within"
            f" {self._limits.verdict_timeout_ms / 1000:g} s, {len(state.verdicts)} gave a verdict",
        )

    def _drop_held(self, turn: Turn) -> None:
        oldest_ms = turn.now_ms - self._limits.hold_ms
        late: list[AssignmentId] = [
            assignment_id
            for assignment_id, waiting in self._tables.state.held.items()
            if any(held.received_at_ms < oldest_ms for held in waiting)
        ]
        for assignment_id in late:
            for held in self._tables.release(assignment_id):
                if held.received_at_ms < oldest_ms:
                    drop_held(turn, held, self._unassigned(held))
                else:
                    self._tables.hold(held)

    def _unassigned(self, held: HeldReport) -> SubnetError:
        return WrongState(
            "SN-V019",
            f"assignment {held.report.assignment_id} did not come within {self._limits.hold_ms / 1000:g} s",
        )
