"""Questions to the ledger. Answers are the ledger's own objects: read them under its lock and keep nothing mutable."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain, islice

from pinai_subnet.protocol.ids import Address, AssignmentId, IntentId, ValidatorId
from pinai_subnet.protocol.network import NetworkParameters, ValidatorIdentity
from pinai_subnet.protocol.quorum import Quorum
from pinai_subnet.protocol.reports import ReportKey
from pinai_subnet.validator.limits import LedgerLimits
from pinai_subnet.validator.records import (
    AssignmentState,
    DoubleSign,
    EpochSignature,
    EpochState,
    HeldReport,
    ProposedChange,
    SetState,
    SettlementDispute,
    Stage,
)
from pinai_subnet.validator.sets import Sets
from pinai_subnet.validator.state import LedgerState, Outcome
from pinai_subnet.validator.tables import Tables

_COMPUTED_ID_PARTS = 4


class LedgerView:
    """Everything that can be read from a ledger. `quorum` and `parameters` say whose word counts now."""

    def __init__(
        self,
        *,
        tables: Tables,
        sets: Sets,
        limits: LedgerLimits,
    ) -> None:
        self._tables = tables
        self._sets = sets
        self.limits = limits

    @property
    def parameters(self) -> NetworkParameters:
        """What the network agrees on now, with the set of the next epoch."""
        return self._sets.parameters(self.next_epoch)

    @property
    def quorum(self) -> Quorum:
        """Both quorums of the next epoch's set."""
        return self._sets.quorum(self.next_epoch)

    def parameters_at(self, epoch: int) -> NetworkParameters:
        """Return what the network agreed on in an epoch."""
        return self._sets.parameters(epoch)

    def set_state(self) -> SetState:
        """Return the newest set."""
        return self._sets.latest()

    def set_changes(self, after_version: int) -> Sequence[SetState]:
        """Return the sets after the one of that version, oldest first."""
        return [one for one in self._tables.state.sets if one.version > after_version]

    def proposed_change(self) -> ProposedChange | None:
        """Return the change that waits for approvals or to be enacted."""
        return self._tables.state.proposed

    def tombstoned(self) -> frozenset[Address]:
        """Return the keys that were a validator's and never will be again."""
        return self._sets.tombstoned()

    def proposer(self, name: str) -> tuple[ValidatorIdentity, tuple[Address, ...]] | None:
        """Return who may put commands into the log under this name now, and with which keys."""
        return self._sets.proposer(name)

    @property
    def state(self) -> LedgerState:
        """The whole state, for a snapshot."""
        return self._tables.state

    @property
    def index(self) -> int:
        """Log position of the last command applied."""
        return self._tables.state.index

    @property
    def now_ms(self) -> int:
        """The ledger's time: what the clocks of a majority have reached; 0 until a majority has spoken."""
        return self._tables.state.now_ms

    @property
    def sequence(self) -> int:
        """The last place taken in the outcome feed."""
        return self._tables.state.sequence

    @property
    def forgotten_sequence(self) -> int:
        """A reader of the feed at a lower place has missed outcomes that are forgotten."""
        return self._tables.state.forgotten_sequence

    @property
    def next_epoch(self) -> int:
        """The number the next seal must have."""
        return self._tables.state.last_epoch + 1

    def state_digest(self) -> bytes:
        """Return 32 bytes that are equal on two nodes exactly if they applied the same commands alike."""
        return self._tables.state.digest

    def members(self) -> tuple[ValidatorIdentity, ...]:
        """Return the next epoch's validator set in its order."""
        return self.parameters.validators

    def assignment(self, assignment_id: AssignmentId) -> AssignmentState | None:
        """Return one assignment, or None if it is not known (any more)."""
        return self._tables.state.assignments.get(assignment_id)

    def assignments(self) -> Iterator[AssignmentState]:
        """Yield every assignment that is remembered, newest first."""
        return reversed(self._tables.state.assignments.values())

    def assignments_of(self, intent_id: IntentId) -> Sequence[AssignmentState]:
        """Return the attempts of one intent in log order."""
        states = self._tables.state.assignments
        return [states[one] for one in self._tables.by_intent.get(intent_id, [])]

    def find_report(self, report_id: str) -> AssignmentState | None:
        """Return the assignment whose report has this id: the caller's own or the computed one, earliest first.

        The computed id is `<intent_id>:<assignment_id>:<agent>:<timestamp>` (wire-contract 1.5) with the agent as
        sent, as name or as address.
        """
        states = self._tables.state.assignments
        own = [states[one] for one in self._tables.by_report_id.get(report_id, [])]
        if own:
            return min(own, key=lambda state: state.times[Stage.REPORTED])
        parts = report_id.split(":", 2)
        if len(parts) != _COMPUTED_ID_PARTS - 1:
            return None
        # An agent's name may hold colons, so the rest is split from its end.
        agent, _, timestamp = parts[2].rpartition(":")
        state = states.get(AssignmentId(parts[1]))
        if state is None or state.report is None:
            return None
        assignment = state.record.assignment
        matches = (
            parts[0] == assignment.intent_id
            and timestamp == str(state.report.timestamp)
            and agent.lower()
            in (
                state.report.agent_id.lower(),
                state.record.agent_id.lower(),
                assignment.agent_address.lower(),
            )
        )
        return state if matches else None

    def waiting(self) -> Iterator[AssignmentState]:
        """Yield the assignments that wait for a report or for verdicts."""
        states = self._tables.state.assignments
        for stage in (Stage.ASSIGNED, Stage.REPORTED):
            for assignment_id in self._tables.stages[stage]:
                yield states[assignment_id]

    def held_reports(self) -> Iterator[HeldReport]:
        """Yield the reports that wait for their assignment."""
        return chain.from_iterable(self._tables.state.held.values())

    def pending_verdicts(
        self, validator_id: ValidatorId, limit: int | None = None
    ) -> Sequence[AssignmentState]:
        """Return the reports that wait for this validator's verdict, oldest first; verified ones come last."""
        if self.parameters.validator(validator_id) is None:
            return []
        waiting = chain(
            self._tables.stages[Stage.REPORTED],
            self._tables.stages[Stage.VERIFIED],
        )
        states = self._tables.state.assignments
        owed = (states[one] for one in waiting if validator_id not in states[one].verdicts)
        return list(islice(owed, limit))

    def sealable(self, limit: int | None = None) -> Sequence[ReportKey]:
        """Return the keys the next seal may take, in the order they were verified; none while no epoch may open."""
        if not self.may_seal():
            return []
        states = self._tables.state.assignments
        bound = self.limits.max_items if limit is None else min(limit, self.limits.max_items)
        verified = self._tables.stages[Stage.VERIFIED]
        return [states[assignment_id].key for assignment_id in islice(verified, bound)]

    def may_seal(self) -> bool:
        """Return whether one more epoch may be open."""
        open_epochs = len(self._tables.open_epochs)
        return (
            open_epochs < self.limits.max_open_epochs
            and open_epochs + len(self._tables.unsettled_epochs) < self.limits.max_unsettled_epochs
        )

    def open_epoch_count(self) -> int:
        """Return how many sealed epochs are not final yet."""
        return len(self._tables.open_epochs)

    def unsigned_epochs(self, validator_id: ValidatorId) -> Sequence[EpochState]:
        """Return the epochs that lack this validator's signature, earliest first.

        Final ones count too until they are settled: a slower member's signature is worth having, if only as a sign of
        life.
        """
        numbers = chain(self._tables.unsettled_epochs, self._tables.open_epochs)
        epochs = (self._tables.state.epochs[number] for number in sorted(numbers))
        return [
            epoch
            for epoch in epochs
            if validator_id not in epoch.signatures and self._sets.keys(validator_id, epoch.epoch)
        ]

    def unsettled_final_epochs(self) -> Sequence[EpochState]:
        """Return the final epochs that RootLayer has not answered for, earliest first."""
        return [
            self._tables.state.epochs[number] for number in sorted(self._tables.unsettled_epochs)
        ]

    def epoch(self, number: int) -> EpochState | None:
        """Return one epoch, or None if it is not sealed or forgotten."""
        return self._tables.state.epochs.get(number)

    def epoch_by_header(self, header_hash: bytes) -> EpochState | None:
        """Return the epoch with this header hash."""
        number = self._tables.by_header_hash.get(header_hash)
        return None if number is None else self._tables.state.epochs[number]

    def latest_epoch(self) -> EpochState | None:
        """Return the epoch sealed last."""
        return self._tables.state.epochs.get(self._tables.state.last_epoch)

    def epochs(self) -> Iterator[EpochState]:
        """Yield the epochs that are remembered, latest first."""
        return reversed(self._tables.state.epochs.values())

    def signatures(self, number: int) -> Sequence[tuple[ValidatorIdentity, EpochSignature]]:
        """Return the counted signatures of an epoch in the order of the set."""
        epoch = self._tables.state.epochs.get(number)
        if epoch is None:
            return []
        return [
            (member, epoch.signatures[member.id])
            for member in self.parameters_at(number).validators
            if member.id in epoch.signatures
        ]

    def double_signs(self) -> Sequence[DoubleSign]:
        """Return the kept proofs of double signing, oldest first."""
        return tuple(self._tables.state.double_signs)

    def settlement_disputes(self) -> Sequence[SettlementDispute]:
        """Return the kept words of members about RootLayer that a majority contradicts, oldest first."""
        return tuple(self._tables.state.settlement_disputes)

    def clock(self, validator_id: ValidatorId) -> int:
        """Return the highest time that a member's commands carried, as it claims; 0 for none."""
        return self._tables.state.clocks.get(validator_id, 0)

    def counts(self) -> Counter[Stage]:
        """Return how many remembered assignments are in each stage."""
        return Counter({stage: len(ids) for stage, ids in self._tables.stages.items()})

    def open_count(self) -> int:
        """Return how many assignments have not ended."""
        return self._tables.open_count

    def outcomes_after(self, sequence: int, limit: int | None = None) -> Sequence[Outcome]:
        """Return the latest outcome of every assignment that moved after that place in the feed, in order.

        A reader that continues from the last sequence it got misses the final step of none, though perhaps steps
        between; unless it starts before `forgotten_sequence`.
        """
        newer = []
        for assignment_id in reversed(self._tables.feed):
            state = self._tables.state.assignments[assignment_id]
            if state.sequence <= sequence:
                break
            newer.append(state)
        newer.reverse()
        return [_outcome(state) for state in newer[:limit]]


def _outcome(state: AssignmentState) -> Outcome:
    assignment = state.record.assignment
    return Outcome(
        sequence=state.sequence,
        intent_id=assignment.intent_id,
        assignment_id=assignment.assignment_id,
        agent_id=state.record.agent_id,
        agent_address=assignment.agent_address,
        stage=state.stage,
        code=state.code,
        reason=state.reason,
        at_ms=state.times[state.stage],
        epoch=state.epoch,
    )
