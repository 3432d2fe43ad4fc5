"""What this validator computes itself before it signs an epoch: items, hashes and header from its own records. Pure."""

from collections.abc import Iterator
from dataclasses import replace

from pinai_subnet.protocol.batches import BatchItem
from pinai_subnet.protocol.checkpoints import Header, header_hash, parent_hash
from pinai_subnet.protocol.digests import batch_digest, items_hash
from pinai_subnet.protocol.ids import ZERO_BYTES32
from pinai_subnet.protocol.reports import proof_hash, result_hash
from pinai_subnet.validator.ledger import Ledger
from pinai_subnet.validator.records import AssignmentState, EpochState
from pinai_subnet.validator.roots import build_header, parameters_hash, validator_set_id


def disagreement(ledger: Ledger, epoch: EpochState) -> str | None:
    """Return what in a sealed epoch differs from this node's own computation, or None when all of it agrees.

    Everything is derived anew from the assignments, reports and verdicts of this node's ledger (known defect C2); only
    the digest of the ledger at the seal, folded into the state root, is taken from the epoch as the log fixed it.
    """
    return next(_differences(ledger, epoch), None)


def _differences(ledger: Ledger, epoch: EpochState) -> Iterator[str]:
    states: list[AssignmentState] = []
    for key in epoch.keys:
        state = ledger.assignment(key.assignment_id)
        if state is None or state.report is None or state.key != key or state.epoch != epoch.epoch:
            yield f"assignment {key.assignment_id} is not part of epoch {epoch.epoch} here"
            return
        passes = sum(verdict.passed for verdict in state.verdicts.values())
        if passes < (state.verified_with or ledger.quorum.required_signatures):
            yield f"assignment {key.assignment_id} has {passes} passing verdicts here"
        if state.report.result_data and result_hash(state.report) != state.result_hash:
            yield f"the result of assignment {key.assignment_id} does not hash to its result hash"
        states.append(state)
    items = tuple(_item(state) for state in states)
    if items != epoch.items:
        yield "the items differ"
    hashed = items_hash(items)
    if hashed != epoch.items_hash:
        yield f"the items hash to 0x{hashed.hex()}, sealed is 0x{epoch.items_hash.hex()}"
    header = _header(ledger, epoch, states)
    if header != epoch.header:
        yield "the checkpoint header differs"
    if header_hash(header) != epoch.header_hash:
        yield "the header hash differs"
    if epoch.root_hash != (header.parent_hash or ZERO_BYTES32):
        yield "the root hash is not the parent's"
    digest = batch_digest(
        subnet_id=ledger.parameters.subnet_id,
        items_hash=hashed,
        root_height=epoch.epoch,
        root_hash=epoch.root_hash,
        domain=ledger.parameters.domain,
    )
    if digest != epoch.batch_digest:
        yield "the batch digest differs"


def _item(state: AssignmentState) -> BatchItem:
    assignment, report = state.record.assignment, state.report
    if report is None:
        raise ValueError("an item has a report")
    return BatchItem(
        intent_id=assignment.intent_id,
        assignment_id=assignment.assignment_id,
        agent=assignment.agent_address,
        result_hash=state.result_hash,
        proof_hash=proof_hash(report),
        executed_at=report.timestamp,
    )


def _header(ledger: Ledger, epoch: EpochState, states: list[AssignmentState]) -> Header:
    previous = ledger.epoch(epoch.epoch - 1)
    header = build_header(
        states,
        subnet_id=ledger.parameters.subnet_id,
        epoch=epoch.epoch,
        timestamp=epoch.header.timestamp,
        last_header_hash=b"" if previous is None else previous.header_hash,
        set_id=validator_set_id(ledger.parameters_at(epoch.epoch)),
        params_hash=parameters_hash(ledger.parameters),
        ledger_digest=ZERO_BYTES32,
    )
    # A forgotten parent was settled long ago; its hash is then known from the chain of headers alone.
    parent = epoch.header.parent_hash if previous is None else parent_hash(previous.header_hash)
    return replace(header, state_root=epoch.header.state_root, parent_hash=parent)
