"""The checkpoint header of a sealed batch: what each root commits to, so that anyone can redo it. Signs nothing.

All trees are `checkpoints.tagged_merkle_root`. Leaves, in item order unless said otherwise:

- event: `commitment("pinai/checkpoint-event/1", intent id, assignment id, agent address, report digest, then validator
  id and verdict signature of every verdict given before the seal, in log order)`; ids and address as raw bytes;
- assignments: the matcher's record signature of each item;
- validation commitment: the verdict signatures of the event leaves, all in a row;
- agent: 20 address bytes and the name of every agent, each once, sorted;
- policy: the ids of the policies that the verdicts name, each once, sorted.
"""

from collections.abc import Sequence
from dataclasses import replace

from pinai_subnet.protocol.checkpoints import (
    Header,
    commitment_state_root,
    parent_hash,
    tagged_merkle_root,
)
from pinai_subnet.protocol.commitments import commitment, number
from pinai_subnet.protocol.ids import SubnetId, ValidatorId, address_bytes, bytes32
from pinai_subnet.protocol.membership import set_id
from pinai_subnet.protocol.network import NetworkParameters
from pinai_subnet.validator.commands import Verdict
from pinai_subnet.validator.records import AssignmentState

_EVENT_TAG = b"pinai/checkpoint-event/1"
_PARAMETERS_TAG = b"pinai/network-parameters/1"


def validator_set_id(parameters: NetworkParameters) -> str:
    """Return the 64 hex digits that name a validator set."""
    return set_id(parameters.validators)


def parameters_hash(parameters: NetworkParameters) -> bytes:
    """Return the commitment to subnet, chain, contracts, threshold and matchers."""
    domain = parameters.domain
    return commitment(
        _PARAMETERS_TAG,
        bytes32(parameters.subnet_id, "subnet_id"),
        number(domain.chain_id, "chain_id"),
        address_bytes(domain.intent_manager),
        address_bytes(domain.checkpoint_manager),
        number(parameters.threshold_numerator, "numerator"),
        number(parameters.threshold_denominator, "denominator"),
        *(address_bytes(matcher) for matcher in parameters.matchers),
    )


def build_header(
    states: Sequence[AssignmentState],
    *,
    subnet_id: SubnetId,
    epoch: int,
    timestamp: int,
    last_header_hash: bytes,
    set_id: str,
    params_hash: bytes,
    ledger_digest: bytes,
) -> Header:
    """Return the header of a batch of these items; `last_header_hash` is empty for the first epoch."""
    verdicts = [verdict for state in states for _, verdict in sealed_verdicts(state)]
    header = Header(
        subnet_id=subnet_id,
        epoch=epoch,
        timestamp=timestamp,
        parent_hash=parent_hash(last_header_hash) if last_header_hash else b"",
        agent_root=tagged_merkle_root(sorted({_agent_leaf(state) for state in states})),
        event_root=tagged_merkle_root([_event_leaf(state) for state in states]),
        validator_set_id=set_id,
        params_hash=params_hash,
        assignments_root=tagged_merkle_root([state.record.record_signature for state in states]),
        validation_commitment=tagged_merkle_root([verdict.signature for verdict in verdicts]),
        policy_root=tagged_merkle_root(
            sorted({verdict.policy_id.encode() for verdict in verdicts})
        ),
    )
    return replace(header, state_root=commitment_state_root(header, ledger_digest=ledger_digest))


def sealed_verdicts(state: AssignmentState) -> list[tuple[ValidatorId, Verdict]]:
    """Return the verdicts a checkpoint commits to: those in the log before the seal."""
    return list(state.verdicts.items())[: state.sealed_verdicts]


def _agent_leaf(state: AssignmentState) -> bytes:
    return address_bytes(state.record.assignment.agent_address) + state.record.agent_id.encode()


def _event_leaf(state: AssignmentState) -> bytes:
    assignment = state.record.assignment
    return commitment(
        _EVENT_TAG,
        bytes32(assignment.intent_id),
        bytes32(assignment.assignment_id),
        address_bytes(assignment.agent_address),
        state.report_digest,
        *(
            part
            for validator_id, verdict in sealed_verdicts(state)
            for part in (validator_id.encode(), verdict.signature)
        ),
    )
