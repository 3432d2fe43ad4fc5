"""From verified reports to a final batch: seal and signatures, everything in the log's order. RootLayer is not here.

What an epoch contains, and in which order, follows from the log alone, so every validator computes the same digest
before it signs (known defects L1, S4, S5, S7).
"""

from collections.abc import Callable

from pinai_subnet.protocol.batches import BatchItem
from pinai_subnet.protocol.checkpoints import header_hash
from pinai_subnet.protocol.digests import batch_digest, items_hash
from pinai_subnet.protocol.errors import (
    Exhausted,
    Forbidden,
    InvalidInput,
    NotFound,
    SubnetError,
    WrongState,
)
from pinai_subnet.protocol.ids import ZERO_BYTES32, Address
from pinai_subnet.protocol.signatures import recover, recover_eip191
from pinai_subnet.validator.applied import Reply
from pinai_subnet.validator.commands import (
    RecordSignature,
    Seal,
)
from pinai_subnet.validator.events import (
    BatchFinal,
    DoubleSignFound,
    EpochSealed,
    SignatureCounted,
)
from pinai_subnet.validator.limits import LedgerLimits
from pinai_subnet.validator.records import (
    AssignmentState,
    DoubleSign,
    EpochSignature,
    EpochState,
    Stage,
    Stray,
)
from pinai_subnet.validator.roots import build_header, parameters_hash
from pinai_subnet.validator.sets import Sets
from pinai_subnet.validator.tables import Tables
from pinai_subnet.validator.turn import Turn, duplicate


class Sealing:
    """The rules for epochs. One per number, final at most once."""

    def __init__(
        self,
        *,
        tables: Tables,
        sets: Sets,
        limits: LedgerLimits,
    ) -> None:
        self._tables = tables
        self._sets = sets
        self._parameters = sets.genesis
        self._limits = limits
        self._params_hash = parameters_hash(sets.genesis)

    def seal(self, turn: Turn, command: Seal) -> Reply:
        """Fix content and order of the next epoch."""
        states = self._check_seal(turn, command)
        for state in states:
            state.sealed_verdicts = len(state.verdicts)
        epoch = self._build(turn, command, states)
        self._tables.add_epoch(epoch)
        for state in states:
            intent_id = state.record.assignment.intent_id
            self._tables.state.sealed_intents[intent_id] = epoch.epoch
            state.epoch = epoch.epoch
            self._tables.move(state, Stage.SEALED, turn)
        turn.emit(EpochSealed(epoch=epoch.epoch), f"sealed {epoch.epoch}", epoch.header_hash)
        return turn.accepted()

    def record_signature(self, turn: Turn, command: RecordSignature) -> Reply:
        """Count the proposer's signatures; those over anything else are evidence against it."""
        epoch = self._tables.state.epochs.get(command.epoch)
        if epoch is None:
            raise NotFound(
                "SN-V034", f"epoch {command.epoch} is not sealed, or long settled and forgotten"
            )
        if (command.batch_digest, command.header_hash) != (epoch.batch_digest, epoch.header_hash):
            self._find_double_sign(turn, epoch, command)
            raise WrongState(
                "SN-V035",
                f"epoch {epoch.epoch}: the signature is over 0x{command.batch_digest.hex()} and header"
                f" 0x{command.header_hash.hex()}, the ledger has 0x{epoch.batch_digest.hex()} and"
                f" 0x{epoch.header_hash.hex()}",
            )
        known = epoch.signatures.get(turn.proposer.id)
        if known is not None:
            return duplicate(known.at_ms)
        keys = self._sets.keys(turn.proposer.id, epoch.epoch)
        if not keys:
            raise Forbidden("SN-V036", f"{turn.proposer.id} is no validator of epoch {epoch.epoch}")
        signers = {
            recover_eip191(command.batch_digest, command.batch_signature),
            recover(command.header_hash, command.header_signature),
        }
        if len(signers) > 1 or not signers <= set(keys):
            raise Forbidden(
                "SN-V036",
                f"epoch {epoch.epoch} is signed by {', '.join(sorted(signers))}, {turn.proposer.id} is {keys[0]}",
            )
        (signer,) = signers
        self._count(turn, epoch, command, former=None if signer == keys[0] else signer)
        return turn.accepted()

    def _check_seal(self, turn: Turn, command: Seal) -> list[AssignmentState]:
        expected = self._tables.state.last_epoch + 1
        if command.epoch != expected:
            raise WrongState("SN-V030", f"the next epoch is {expected}, not {command.epoch}")
        if (
            len(self._tables.open_epochs) >= self._limits.max_open_epochs
            or len(self._tables.open_epochs) + len(self._tables.unsettled_epochs)
            >= self._limits.max_unsettled_epochs
        ):
            raise Exhausted(
                "SN-V032",
                f"{len(self._tables.open_epochs)} epochs are not final and"
                f" {len(self._tables.unsettled_epochs)} wait for RootLayer",
            )
        latest = self._latest_time(turn)
        if not 0 <= command.timestamp <= latest:
            raise InvalidInput(
                "SN-V033",
                f"the seal's time {command.timestamp} is ahead of {latest}, the latest the ledger takes",
            )
        if not 1 <= len(command.keys) <= self._limits.max_items:
            raise InvalidInput(
                "SN-V031",
                f"a batch has 1 to {self._limits.max_items} items, this one {len(command.keys)}",
            )
        states = []
        for key in command.keys:
            state = self._tables.state.assignments.get(key.assignment_id)
            if state is None or state.key != key or state.stage is not Stage.VERIFIED:
                raise WrongState("SN-V031", f"assignment {key.assignment_id} is not verified")
            states.append(state)
        intents = {state.record.assignment.intent_id for state in states}
        if len(intents) != len(states) or not intents.isdisjoint(self._tables.state.sealed_intents):
            raise WrongState("SN-V031", "an intent can be sealed only once")
        return states

    def _latest_time(self, turn: Turn) -> int:
        """Return the latest time a header may have: a lying leader must not date checkpoints far ahead."""
        lead_ms = turn.now_ms + self._limits.max_seal_lead_ms if turn.now_ms else turn.at_ms
        return min(turn.at_ms, lead_ms) // 1000 + 1

    def _build(self, turn: Turn, command: Seal, states: list[AssignmentState]) -> EpochState:
        ledger = self._tables.state
        items = tuple(_item(state) for state in states)
        header = build_header(
            states,
            subnet_id=self._parameters.subnet_id,
            epoch=command.epoch,
            timestamp=max(command.timestamp, ledger.last_timestamp),
            last_header_hash=ledger.last_header_hash,
            set_id=self._sets.set_id(command.epoch),
            params_hash=self._params_hash,
            ledger_digest=ledger.digest,
        )
        root_hash = header.parent_hash or ZERO_BYTES32
        hashed_items = items_hash(items)
        return EpochState(
            epoch=command.epoch,
            sealed_by=turn.proposer.id,
            sealed_at_ms=turn.at_ms,
            keys=command.keys,
            items=items,
            items_hash=hashed_items,
            root_hash=root_hash,
            batch_digest=batch_digest(
                subnet_id=self._parameters.subnet_id,
                items_hash=hashed_items,
                root_height=command.epoch,
                root_hash=root_hash,
                domain=self._parameters.domain,
            ),
            header=header,
            header_hash=header_hash(header),
            ledger_digest=ledger.digest,
        )

    def _count(
        self, turn: Turn, epoch: EpochState, command: RecordSignature, *, former: Address | None
    ) -> None:
        member = turn.proposer
        epoch.signatures[member.id] = EpochSignature(
            batch_signature=command.batch_signature,
            header_signature=command.header_signature,
            at_ms=turn.at_ms,
            signer=former,
        )
        turn.emit(
            SignatureCounted(epoch=epoch.epoch, validator_id=member.id),
            f"signed {epoch.epoch} {member.id}",
            command.batch_signature + command.header_signature,
        )
        stray = epoch.strays.get(member.id)
        if stray is not None:
            self._keep_double_sign(
                turn, epoch, stray, _own(epoch, turn, over_header=stray.over_header)
            )
        required = self._sets.quorum(epoch.epoch).required_signatures
        if epoch.final_at_ms is None and len(epoch.signatures) >= required:
            epoch.final_at_ms = turn.at_ms
            self._tables.close_epoch(epoch)
            for key in epoch.keys:
                state = self._tables.state.assignments[key.assignment_id]
                self._tables.move(state, Stage.FINAL, turn)
            turn.emit(BatchFinal(epoch=epoch.epoch), f"final {epoch.epoch}")

    def _find_double_sign(self, turn: Turn, epoch: EpochState, command: RecordSignature) -> None:
        over_header = command.batch_digest == epoch.batch_digest
        stray = (
            Stray(over_header=True, digest=command.header_hash, signature=command.header_signature)
            if over_header
            else Stray(
                over_header=False, digest=command.batch_digest, signature=command.batch_signature
            )
        )
        if not _signed_by(
            self._sets.keys(turn.proposer.id, epoch.epoch),
            recover if over_header else recover_eip191,
            stray,
        ):
            return
        first = epoch.strays.setdefault(turn.proposer.id, stray)
        turn.note(f"stray {epoch.epoch} {turn.proposer.id}", stray.digest)
        if turn.proposer.id in epoch.signatures:
            own = _own(epoch, turn, over_header=over_header)
            self._keep_double_sign(turn, epoch, own, stray)
        elif first.digest != stray.digest and first.over_header == over_header:
            self._keep_double_sign(turn, epoch, first, stray)

    def _keep_double_sign(self, turn: Turn, epoch: EpochState, first: Stray, second: Stray) -> None:
        member_id = turn.proposer.id
        found = self._tables.state.double_signs
        # One proof per member and epoch is enough, and the oldest ones are never pushed out.
        if len(found) >= self._limits.max_double_signs or any(
            (known.validator_id, known.epoch) == (member_id, epoch.epoch) for known in found
        ):
            return
        found.append(
            DoubleSign(
                validator_id=member_id,
                epoch=epoch.epoch,
                first_digest=first.digest,
                first_signature=first.signature,
                second_digest=second.digest,
                second_signature=second.signature,
                at_ms=turn.at_ms,
            )
        )
        turn.emit(
            DoubleSignFound(epoch=epoch.epoch, validator_id=member_id),
            f"double {epoch.epoch} {member_id}",
            second.digest,
        )


def _item(state: AssignmentState) -> BatchItem:
    assignment = state.record.assignment
    return BatchItem(
        intent_id=assignment.intent_id,
        assignment_id=assignment.assignment_id,
        agent=assignment.agent_address,
        result_hash=state.result_hash,
        proof_hash=state.proof_hash,
        executed_at=state.report.timestamp if state.report else 0,
    )


def _own(epoch: EpochState, turn: Turn, *, over_header: bool) -> Stray:
    counted = epoch.signatures[turn.proposer.id]
    if over_header:
        return Stray(over_header=True, digest=epoch.header_hash, signature=counted.header_signature)
    return Stray(over_header=False, digest=epoch.batch_digest, signature=counted.batch_signature)


def _signed_by(
    keys: tuple[Address, ...], recovered: Callable[[bytes, bytes], Address], stray: Stray
) -> bool:
    try:
        return recovered(stray.digest, stray.signature) in keys
    except SubnetError:
        return False
