"""Changes of the validator set in the ledger: proposed, approved by a threshold, enacted from the next epoch on.

One change at a time. What makes a change valid is `protocol.membership`; here is when. Enacting is a step of its own,
so that whoever runs the replicas can make them ready first; it needs no trust, since the approvals are in the ledger.
"""

from pinai_subnet.protocol.errors import Conflict, Forbidden, NotFound
from pinai_subnet.protocol.ids import Address
from pinai_subnet.protocol.membership import (
    SetAction,
    SignedSetChange,
    approver,
    change_digest,
    check_change,
    members_after,
)
from pinai_subnet.protocol.network import NetworkParameters
from pinai_subnet.validator.applied import Reply
from pinai_subnet.validator.commands import (
    ApproveSetChange,
    EnactSetChange,
    MembershipCommand,
    ProposeSetChange,
    WithdrawSetChange,
)
from pinai_subnet.validator.events import SetChangeAdvanced
from pinai_subnet.validator.judging import Judging
from pinai_subnet.validator.records import ProposedChange, SetState
from pinai_subnet.validator.sets import Sets
from pinai_subnet.validator.tables import Tables
from pinai_subnet.validator.turn import Turn, duplicate

PROPOSAL_MS = 24 * 3600 * 1000
"""A proposal that is not enacted by then makes room for another one."""


class SetChanges:
    """The rules for changes of the set."""

    def __init__(self, *, tables: Tables, sets: Sets, judging: Judging) -> None:
        self._state = tables.state
        self._sets = sets
        self._judging = judging

    def apply(self, turn: Turn, command: MembershipCommand) -> Reply:
        """Apply one step of a change."""
        match command:
            case ProposeSetChange():
                return self._propose(turn, command)
            case ApproveSetChange():
                return self._approve(turn, command)
            case EnactSetChange():
                return self._enact(turn, command)
            case WithdrawSetChange():
                proposed = self._proposed(command.change_digest)
                self._state.proposed = None
                self._tell(turn, "withdrawn", proposed)
                return turn.accepted()

    @property
    def _base(self) -> NetworkParameters:
        return self._sets.parameters(self._sets.next_epoch)

    def _propose(self, turn: Turn, command: ProposeSetChange) -> Reply:
        known = self._state.proposed
        if known is not None and turn.now_ms < known.proposed_at_ms + PROPOSAL_MS:
            if (known.change, known.proof) == (command.change, command.proof):
                return duplicate(known.proposed_at_ms)
            raise Conflict(
                "SN-V116",
                f"{known.change.action} of {known.change.member.id} is under way; one change at a time",
            )
        check_change(
            command.change,
            command.proof,
            parameters=self._base,
            version=self._sets.latest().version,
            used_keys=self._used_keys(),
        )
        self._state.proposed = ProposedChange(
            change=command.change, proof=command.proof, proposed_at_ms=turn.now_ms
        )
        self._tell(turn, "proposed", self._state.proposed)
        return turn.accepted()

    def _approve(self, turn: Turn, command: ApproveSetChange) -> Reply:
        proposed = self._proposed(command.change_digest)
        member_id = approver(proposed.change, command.approval, self._base)
        if member_id in proposed.approvals:
            return duplicate(turn.now_ms)
        proposed.approvals[member_id] = command.approval
        self._tell(turn, "approved", proposed)
        return turn.accepted()

    def _enact(self, turn: Turn, command: EnactSetChange) -> Reply:
        latest = self._sets.latest()
        signed = latest.signed
        if signed is not None and change_digest(signed.change) == command.change_digest:
            return duplicate(turn.now_ms)
        proposed = self._proposed(command.change_digest)
        needed = self._sets.quorum(self._sets.next_epoch).required_signatures
        if len(proposed.approvals) < needed:
            raise Forbidden(
                "SN-V115", f"{len(proposed.approvals)} members approved, {needed} are needed"
            )
        change = proposed.change
        epoch = self._sets.next_epoch
        before = self._base.validator(change.member.id)
        # Two changes may become effective with the same epoch: then both overlaps are that epoch.
        former = dict(latest.former) if latest.first_epoch == epoch else {}
        if change.action is SetAction.ROTATE_KEY and before is not None:
            former[before.id] = before.address
            self._state.tombstones[before.address] = epoch + 1
        if change.action is SetAction.REMOVE and before is not None:
            former.pop(before.id, None)
            self._state.tombstones[before.address] = epoch
        self._state.sets.append(
            SetState(
                version=change.version,
                first_epoch=epoch,
                members=members_after(self._base.validators, change),
                former=former,
                signed=SignedSetChange(
                    change=change,
                    proof=proposed.proof,
                    approvals=tuple(proposed.approvals.values()),
                ),
            )
        )
        self._state.proposed = None
        self._tell(turn, "enacted", proposed, first_epoch=epoch)
        self._judging.decide_again(turn)
        return turn.accepted()

    def _proposed(self, digest: bytes) -> ProposedChange:
        proposed = self._state.proposed
        if proposed is None or change_digest(proposed.change) != digest:
            raise NotFound("SN-V117", f"no change 0x{digest.hex()} is proposed")
        return proposed

    def _used_keys(self) -> set[Address]:
        members = self._sets.latest().members
        return {*self._state.tombstones, *(member.address for member in members)}

    def _tell(
        self, turn: Turn, step: str, proposed: ProposedChange, first_epoch: int | None = None
    ) -> None:
        change = proposed.change
        turn.emit(
            SetChangeAdvanced(
                step=step,
                action=change.action.value,
                validator_id=change.member.id,
                approvals=len(proposed.approvals),
                first_epoch=first_epoch,
            ),
            f"set change {step} {len(proposed.approvals)}",
            change_digest(change),
        )
