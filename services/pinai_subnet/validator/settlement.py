"""RootLayer's answer for a final epoch, as the members report it. One member's word settles nothing.

The ledger cannot ask RootLayer. Each member that does says what it was answered; when a majority says the same about
every item, that is the answer. A member that said otherwise is remembered with what it said.
"""

from collections import Counter

from pinai_subnet.protocol.errors import Conflict, InvalidInput, WrongState
from pinai_subnet.protocol.ids import ValidatorId
from pinai_subnet.validator.applied import Reply
from pinai_subnet.validator.commands import ItemSettlement, RecordSettlement
from pinai_subnet.validator.events import BatchSettled, SettlementClaimed, SettlementDisputed
from pinai_subnet.validator.limits import LedgerLimits
from pinai_subnet.validator.records import EpochState, SettlementDispute, Stage
from pinai_subnet.validator.sets import Sets
from pinai_subnet.validator.tables import Tables
from pinai_subnet.validator.turn import Turn, duplicate

_MAX_MESSAGE = 1024

_Results = tuple[ItemSettlement, ...]


class Settlement:
    """The rules for settling: what a majority reports alike, once per epoch."""

    def __init__(self, *, tables: Tables, limits: LedgerLimits, sets: Sets) -> None:
        self._tables = tables
        self._limits = limits
        self._sets = sets

    def record(self, turn: Turn, command: RecordSettlement) -> Reply:
        """Keep the proposer's word; a later one of the same member replaces it until the epoch is settled."""
        epoch = self._tables.state.epochs.get(command.epoch)
        if epoch is None or epoch.final_at_ms is None:
            raise WrongState("SN-V037", f"epoch {command.epoch} is not final, or long forgotten")
        results = tuple(_bounded(result) for result in command.results)
        if len(results) != len(epoch.keys):
            raise InvalidInput(
                "SN-V037",
                f"epoch {epoch.epoch} has {len(epoch.keys)} items, the answer has {len(results)}",
            )
        member = turn.proposer.id
        if epoch.settled_at_ms is not None:
            if _taken(results) == _taken(epoch.results):
                return duplicate(epoch.settled_at_ms)
            self._dispute(turn, epoch, member, results)
            raise Conflict("SN-V037", f"epoch {epoch.epoch} is settled with other results")
        if epoch.claims.get(member) == results:
            return duplicate(turn.at_ms)
        epoch.claims[member] = results
        turn.emit(
            SettlementClaimed(epoch=epoch.epoch, validator_id=member),
            f"claimed {epoch.epoch} {member}",
            repr(results).encode(),
        )
        members = self._sets.parameters(self._sets.next_epoch)
        agreeing = {
            name: claim
            for name, claim in epoch.claims.items()
            if _taken(claim) == _taken(results) and members.validator(name) is not None
        }
        if len(agreeing) >= self._sets.quorum(self._sets.next_epoch).raft_majority:
            self._settle(turn, epoch, agreeing)
        return turn.accepted()

    def _settle(self, turn: Turn, epoch: EpochState, agreeing: dict[ValidatorId, _Results]) -> None:
        # Receipts and words are RootLayer's own business; where they differ, most members' version is kept.
        epoch.results = Counter(agreeing.values()).most_common(1)[0][0]
        epoch.settled_at_ms = turn.at_ms
        epoch.settled_by = tuple(name for name in epoch.claims if name in agreeing)
        claims, epoch.claims = epoch.claims, {}
        for key, result in zip(epoch.keys, epoch.results, strict=True):
            state = self._tables.state.assignments[key.assignment_id]
            if result.ok:
                self._tables.move(state, Stage.SETTLED, turn)
            else:
                self._tables.move(
                    state,
                    Stage.SETTLEMENT_REFUSED,
                    turn,
                    code="SN-V038",
                    reason=result.message,
                )
        self._tables.close_epoch(epoch)
        turn.emit(BatchSettled(epoch=epoch.epoch), f"settled {epoch.epoch}")
        for name, claim in claims.items():
            if name not in agreeing:
                self._dispute(turn, epoch, name, claim)

    def _dispute(self, turn: Turn, epoch: EpochState, member: ValidatorId, claim: _Results) -> None:
        found = self._tables.state.settlement_disputes
        # One per member and epoch is enough, and the oldest ones are never pushed out.
        if len(found) >= self._limits.max_settlement_disputes or any(
            (known.validator_id, known.epoch) == (member, epoch.epoch) for known in found
        ):
            return
        dispute = SettlementDispute(
            validator_id=member,
            epoch=epoch.epoch,
            claimed=_taken(claim),
            agreed=_taken(epoch.results),
            at_ms=turn.at_ms,
        )
        found.append(dispute)
        turn.emit(
            SettlementDisputed(epoch=epoch.epoch, validator_id=member),
            f"disputed {epoch.epoch} {member}",
            bytes(dispute.claimed),
        )


def _taken(results: _Results) -> tuple[bool, ...]:
    return tuple(result.ok for result in results)


def _bounded(result: ItemSettlement) -> ItemSettlement:
    """RootLayer's words are free text: too long ones are cut, since refusing them would never settle the epoch."""
    return ItemSettlement(
        ok=result.ok, message=_cut(result.message), receipt_id=_cut(result.receipt_id)
    )


def _cut(text: str) -> str:
    return text[:_MAX_MESSAGE].encode(errors="replace").decode()
