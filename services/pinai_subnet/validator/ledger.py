"""The validators' ledger: a deterministic function from a log of commands to a state. No clock, no I/O, no randomness.

The same commands in the same order give the same state, replies and digest on every node and in every replay. `apply`
never raises, whatever a command holds: what breaks a rule is a refusal that is recorded like everything else.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import TypeVar

from pinai_subnet.protocol.errors import Forbidden, InvalidInput, SubnetError, WrongState
from pinai_subnet.protocol.ids import Address
from pinai_subnet.protocol.network import NetworkParameters, ValidatorIdentity
from pinai_subnet.validator.applied import Applied, Reply, ReplyStatus
from pinai_subnet.validator.commands import (
    Command,
    Expire,
    Mark,
    MembershipCommand,
    ReceiveReports,
    RecordAssignments,
    RecordSettlement,
    RecordSignature,
    RecordVerdicts,
    Seal,
    Stamp,
)
from pinai_subnet.validator.events import CommandRefused
from pinai_subnet.validator.intake import Intake
from pinai_subnet.validator.judging import Judging
from pinai_subnet.validator.limits import LedgerLimits
from pinai_subnet.validator.membership import SetChanges
from pinai_subnet.validator.retention import Retention
from pinai_subnet.validator.sealing import Sealing
from pinai_subnet.validator.sets import Sets
from pinai_subnet.validator.settlement import Settlement
from pinai_subnet.validator.sizes import check_text
from pinai_subnet.validator.state import KeptReplies, LedgerState
from pinai_subnet.validator.tables import Tables
from pinai_subnet.validator.timekeeping import Timekeeping
from pinai_subnet.validator.turn import Turn, next_digest
from pinai_subnet.validator.view import LedgerView

_Item = TypeVar("_Item")

_LATEST_MS = 1 << 53
"""Times beyond this are refused: every reader of JSON still holds them exactly."""


class Ledger(LedgerView):
    """One node's copy of the ledger. Not thread-safe: `state_machine` guards it.

    Raises `InvalidInput` SN-C120 at construction for an impossible threshold; afterwards `apply` never raises.
    """

    def __init__(
        self,
        parameters: NetworkParameters,
        limits: LedgerLimits,
        *,
        state: LedgerState | None = None,
    ) -> None:
        tables = Tables(LedgerState() if state is None else state)
        sets = Sets(tables, parameters)
        sets.quorum(0)
        super().__init__(tables=tables, sets=sets, limits=limits)
        self._timekeeping = Timekeeping(tables=tables, limits=limits, sets=sets)
        self._intake = Intake(tables=tables, parameters=parameters, limits=limits)
        self._judging = Judging(tables=tables, sets=sets)
        self._sealing = Sealing(tables=tables, sets=sets, limits=limits)
        self._settlement = Settlement(tables=tables, limits=limits, sets=sets)
        self._retention = Retention(tables=tables, limits=limits, sets=sets)
        self._set_changes = SetChanges(tables=tables, sets=sets, judging=self._judging)

    def apply(self, index: int, command: Command) -> Applied:
        """Apply the command at a log position; positions only rise."""
        kind = type(command).__name__
        if index <= self.index:
            return self._out_of_order(index, command)
        try:
            proposer, keys = self._check_stamp(command.stamp)
        except SubnetError as error:
            return self._refuse(index, kind, error, size=_size(command))
        at_ms = self._timekeeping.take(command.stamp)
        # A retry may be re-proposed after a restart, but never under another member's name.
        request = f"{proposer.id}/{command.stamp.request_id}"
        kept = self.state.requests.get(request)
        if kept is not None:
            return self._repeat(index, kind, kept)
        turn = Turn(
            index=index, now_ms=self.state.now_ms, at_ms=at_ms, proposer=proposer, keys=keys
        )
        try:
            replies = self._dispatch(turn, command)
            refused = None
        except SubnetError as error:
            replies = (turn.rejected(error),) * _size(command)
            refused = (error.code, error.message)
            turn.emit(CommandRefused(code=error.code, message=error.message), error.code)
        self._retention.keep_replies(request, KeptReplies(replies=replies, refused=refused))
        self._retention.forget(turn)
        self._advance(index, kind, turn.notes, replies)
        return Applied(index=index, replies=replies, events=tuple(turn.events))

    def refuse(self, index: int, error: SubnetError) -> Applied:
        """Record that the entry at a log position is no command at all."""
        if index <= self.index:
            error = _behind(index, self.index)
            return Applied(index=index, replies=(), events=(_refused(error),))
        return self._refuse(index, "unreadable", error, size=0)

    def _dispatch(self, turn: Turn, command: Command) -> tuple[Reply, ...]:
        match command:
            case RecordAssignments(records=records):
                return self._each(turn, records, self._intake.record_assignment)
            case ReceiveReports(reports=reports, hold_unknown=hold_unknown):
                receive = partial(self._intake.receive_report, hold_unknown=hold_unknown)
                return self._each(turn, reports, receive)
            case RecordVerdicts(verdicts=verdicts):
                return self._each(turn, verdicts, self._judging.record_verdict)
            case _:
                return (self._dispatch_single(turn, command),)

    def _dispatch_single(
        self,
        turn: Turn,
        command: Seal | RecordSignature | RecordSettlement | Expire | Mark | MembershipCommand,
    ) -> Reply:
        match command:
            case Seal():
                return self._sealing.seal(turn, command)
            case RecordSignature():
                return self._sealing.record_signature(turn, command)
            case RecordSettlement():
                return self._settlement.record(turn, command)
            case Expire():
                return self._retention.expire(turn)
            case Mark():
                return turn.accepted()
            case _:
                return self._set_changes.apply(turn, command)

    def _each(
        self, turn: Turn, items: tuple[_Item, ...], rule: Callable[[Turn, _Item], Reply]
    ) -> tuple[Reply, ...]:
        if not 1 <= len(items) <= self.limits.max_command_items:
            raise InvalidInput(
                "SN-V003",
                f"a command has 1 to {self.limits.max_command_items} items, this one {len(items)}",
            )
        return tuple(self._one(turn, item, rule) for item in items)

    def _one(self, turn: Turn, item: _Item, rule: Callable[[Turn, _Item], Reply]) -> Reply:
        try:
            return rule(turn, item)
        except SubnetError as error:
            return turn.rejected(error)

    def _check_stamp(self, stamp: Stamp) -> tuple[ValidatorIdentity, tuple[Address, ...]]:
        found = self.proposer(stamp.proposer)
        if found is None:
            raise Forbidden("SN-V002", f"{stamp.proposer!r} is not a validator of this network")
        if not stamp.request_id:
            raise InvalidInput("SN-V003", "the command has no request id")
        check_text(stamp.request_id, 128, "request_id")
        if not 0 < stamp.at_ms < _LATEST_MS:
            raise InvalidInput("SN-V003", f"the command's time {stamp.at_ms} is no time in ms")
        return found

    def _out_of_order(self, index: int, command: Command) -> Applied:
        error = _behind(index, self.index)
        reply = Reply(
            status=ReplyStatus.REJECTED, at_ms=self.now_ms, code=error.code, message=error.message
        )
        return Applied(index=index, replies=(reply,) * _size(command), events=(_refused(error),))

    def _refuse(self, index: int, kind: str, error: SubnetError, *, size: int) -> Applied:
        reply = Reply(
            status=ReplyStatus.REJECTED, at_ms=self.now_ms, code=error.code, message=error.message
        )
        self._advance(index, kind, [error.code.encode()], ())
        return Applied(index=index, replies=(reply,) * size, events=(_refused(error),))

    def _repeat(self, index: int, kind: str, kept: KeptReplies) -> Applied:
        self._advance(index, kind, [b"repeated"], ())
        events = (
            ()
            if kept.refused is None
            else (CommandRefused(code=kept.refused[0], message=kept.refused[1]),)
        )
        return Applied(index=index, replies=kept.replies, events=events)

    def _advance(
        self, index: int, kind: str, notes: Iterable[bytes], replies: tuple[Reply, ...]
    ) -> None:
        self.state.index = index
        self.state.digest = next_digest(
            self.state.digest, index=index, kind=kind, notes=notes, replies=replies
        )


def _size(command: Command) -> int:
    match command:
        case (
            RecordAssignments(records=items)
            | ReceiveReports(reports=items)
            | RecordVerdicts(verdicts=items)
        ):
            return len(items)
        case _:
            return 1


def _behind(index: int, last: int) -> WrongState:
    return WrongState("SN-V004", f"log position {index} is not after the last one, {last}")


def _refused(error: SubnetError) -> CommandRefused:
    return CommandRefused(code=error.code, message=error.message)
