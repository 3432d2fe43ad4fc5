"""The ledger's tables: its state, the indexes over it, and the few ways in which they change together. No rules."""

from dataclasses import replace
from heapq import heapify, heappop, heappush
from typing import TypeVar

from pinai_subnet.protocol.assignments import AssignmentRecord
from pinai_subnet.protocol.ids import AssignmentId, IntentId
from pinai_subnet.validator.events import StageReached
from pinai_subnet.validator.records import AssignmentState, EpochState, HeldReport, Stage
from pinai_subnet.validator.state import LedgerState
from pinai_subnet.validator.turn import Turn

_Key = TypeVar("_Key", bound=str)


class Tables:
    """State and indexes. Every index follows from the state, so a restored ledger continues exactly like the first."""

    def __init__(self, state: LedgerState) -> None:
        self.state = state
        self.by_intent: dict[IntentId, list[AssignmentId]] = {}
        self.by_report_id: dict[str, list[AssignmentId]] = {}
        self.by_header_hash: dict[bytes, int] = {}
        self.stages: dict[Stage, dict[AssignmentId, None]] = {stage: {} for stage in Stage}
        """The assignments in each stage, in the order they reached it."""
        self.feed: dict[AssignmentId, None] = {}
        """Every assignment with an outcome, latest outcome last."""
        self.ended: list[tuple[int, int, AssignmentId]] = []
        """Heap of (deadline in ms, sequence, id): the order in which ended assignments are forgotten."""
        self.open_epochs: dict[int, None] = {}
        self.unsettled_epochs: dict[int, None] = {}
        """Final, but RootLayer has not answered."""
        self.settled_epochs: list[int] = []
        """Heap of epochs: the order in which they are forgotten."""
        self.settled_items = 0
        self.held_count = 0
        self.result_bytes = 0
        self._index()

    @property
    def open_count(self) -> int:
        """How many assignments have not ended."""
        return len(self.state.assignments) - len(self.ended)

    def add_assignment(self, record: AssignmentRecord, turn: Turn) -> AssignmentState:
        """Keep a new assignment. It has no place in the outcome feed yet: the matcher made it."""
        assignment = record.assignment
        state = AssignmentState(record=record, times={Stage.ASSIGNED: turn.at_ms})
        self.state.assignments[assignment.assignment_id] = state
        self.by_intent.setdefault(assignment.intent_id, []).append(assignment.assignment_id)
        self.stages[Stage.ASSIGNED][assignment.assignment_id] = None
        turn.emit(
            StageReached(
                sequence=0,
                intent_id=assignment.intent_id,
                assignment_id=assignment.assignment_id,
                stage=Stage.ASSIGNED,
                at_ms=turn.at_ms,
                code="",
                reason="",
                epoch=None,
            ),
            "assigned",
            record.record_signature,
        )
        return state

    def move(
        self, state: AssignmentState, stage: Stage, turn: Turn, *, code: str = "", reason: str = ""
    ) -> None:
        """Take an assignment to its next stage and to the end of the outcome feed."""
        assignment = state.record.assignment
        assignment_id = assignment.assignment_id
        del self.stages[state.stage][assignment_id]
        self.stages[stage][assignment_id] = None
        self.feed.pop(assignment_id, None)
        self.feed[assignment_id] = None
        self.state.sequence += 1
        state.sequence = self.state.sequence
        # Members' clocks differ a little; one assignment's steps still are in order.
        at_ms = max(turn.at_ms, state.times[state.stage])
        state.stage = stage
        state.times[stage] = at_ms
        state.code = code
        state.reason = reason
        if stage.ended:
            self._drop_result(state)
            heappush(self.ended, (state.deadline_ms, state.sequence, assignment_id))
        turn.emit(
            StageReached(
                sequence=state.sequence,
                intent_id=assignment.intent_id,
                assignment_id=assignment_id,
                stage=stage,
                at_ms=at_ms,
                code=code,
                reason=reason,
                epoch=state.epoch,
            ),
            f"{assignment_id} {stage.value} {at_ms} {code}",
        )

    def keep_result(self, state: AssignmentState) -> None:
        """Account for a report just attached to its assignment."""
        if state.report is None:
            return
        self.result_bytes += len(state.report.result_data)
        if state.report.report_id:
            self.by_report_id.setdefault(state.report.report_id, []).append(
                state.record.assignment.assignment_id
            )

    def hold(self, held: HeldReport) -> None:
        """Keep a report that waits for its assignment."""
        self.state.held.setdefault(held.report.assignment_id, []).append(held)
        self.held_count += 1
        self.result_bytes += len(held.report.result_data)

    def release(self, assignment_id: AssignmentId) -> list[HeldReport]:
        """Take out all reports that wait for an assignment."""
        released = self.state.held.pop(assignment_id, [])
        self.held_count -= len(released)
        self.result_bytes -= sum(len(held.report.result_data) for held in released)
        return released

    def add_epoch(self, epoch: EpochState) -> None:
        """Keep a sealed epoch; it is the parent of the next."""
        self.state.epochs[epoch.epoch] = epoch
        self.state.last_epoch = epoch.epoch
        self.state.last_header_hash = epoch.header_hash
        self.state.last_timestamp = epoch.header.timestamp
        self._index_epoch(epoch)

    def close_epoch(self, epoch: EpochState) -> None:
        """Take note that an epoch just became final or settled."""
        self.open_epochs.pop(epoch.epoch, None)
        self.unsettled_epochs.pop(epoch.epoch, None)
        self._index_epoch(epoch)

    def forget_assignment(self) -> AssignmentId:
        """Drop the ended assignment of the earliest deadline from everything."""
        _, sequence, assignment_id = heappop(self.ended)
        state = self.state.assignments.pop(assignment_id)
        self.state.forgotten_sequence = max(self.state.forgotten_sequence, sequence)
        intent_id = state.record.assignment.intent_id
        _remove(self.by_intent, intent_id, assignment_id)
        if state.report is not None and state.report.report_id:
            _remove(self.by_report_id, state.report.report_id, assignment_id)
        del self.stages[state.stage][assignment_id]
        del self.feed[assignment_id]
        return assignment_id

    def forget_epoch(self) -> int:
        """Drop the earliest settled epoch."""
        number = heappop(self.settled_epochs)
        epoch = self.state.epochs.pop(number)
        self.settled_items -= len(epoch.items)
        del self.by_header_hash[epoch.header_hash]
        return number

    def _drop_result(self, state: AssignmentState) -> None:
        if state.report is None:
            return
        self.result_bytes -= len(state.report.result_data)
        assignment = state.record.assignment
        state.report = replace(
            state.report,
            result_data=b"",
            # Two copies of each id less per remembered assignment.
            assignment_id=assignment.assignment_id,
            intent_id=assignment.intent_id,
        )

    def _index(self) -> None:
        states = self.state.assignments
        for assignment_id, state in states.items():
            self.by_intent.setdefault(state.record.assignment.intent_id, []).append(assignment_id)
            self.keep_result(state)
            if state.stage is Stage.ASSIGNED:
                self.stages[Stage.ASSIGNED][assignment_id] = None
            if state.stage.ended:
                self.ended.append((state.deadline_ms, state.sequence, assignment_id))
        heapify(self.ended)
        moved = [item for item in states.items() if item[1].stage is not Stage.ASSIGNED]
        for assignment_id, state in sorted(moved, key=lambda item: item[1].sequence):
            self.stages[state.stage][assignment_id] = None
            self.feed[assignment_id] = None
        for waiting in self.state.held.values():
            self.held_count += len(waiting)
            self.result_bytes += sum(len(held.report.result_data) for held in waiting)
        for epoch in self.state.epochs.values():
            self._index_epoch(epoch)

    def _index_epoch(self, epoch: EpochState) -> None:
        self.by_header_hash[epoch.header_hash] = epoch.epoch
        if epoch.final_at_ms is None:
            self.open_epochs[epoch.epoch] = None
        elif epoch.settled_at_ms is None:
            self.unsettled_epochs[epoch.epoch] = None
        else:
            heappush(self.settled_epochs, epoch.epoch)
            self.settled_items += len(epoch.items)


def _remove(index: dict[_Key, list[AssignmentId]], key: _Key, value: AssignmentId) -> None:
    values = index[key]
    values.remove(value)
    if not values:
        del index[key]
