"""When a validation batch counts, and each of its items (wire-contract 3.7, 4.5). Rules only, no storage."""

from collections.abc import Mapping

from pinai_subnet.ports.root_layer import SignedBatch
from pinai_subnet.protocol.assignments import Assignment, AssignmentStatus
from pinai_subnet.protocol.batches import BatchItem
from pinai_subnet.protocol.digests import batch_digest, items_hash, single_validation_digest
from pinai_subnet.protocol.errors import InvalidInput, NotFound, WrongState
from pinai_subnet.protocol.ids import Address
from pinai_subnet.protocol.intents import Intent
from pinai_subnet.protocol.network import NetworkParameters
from pinai_subnet.protocol.quorum import required_signatures, signer_bitmap
from pinai_subnet.protocol.signatures import recover_eip191
from pinai_subnet.rootlayer.intake import check_subnet

_MAX_EPOCH = 2**63 - 1


def check_batch(
    batch: SignedBatch, network: NetworkParameters, former: Mapping[Address, Address] | None = None
) -> bytes:
    """Return the batch's digest; raise `InvalidInput` unless enough members of the set have signed exactly this.

    `network` holds the set of the batch's epoch, `former` the keys that count for a member's own in it.
    """
    _check_form(batch, network)
    computed = items_hash(batch.items)
    if computed != batch.items_hash:
        raise InvalidInput(
            "SN-S031",
            f"epoch {batch.epoch}: items_hash is 0x{batch.items_hash.hex()}, the items give 0x{computed.hex()}",
        )
    digest = batch_digest(
        subnet_id=batch.subnet_id,
        items_hash=computed,
        root_height=batch.epoch,
        root_hash=batch.root_hash,
        domain=network.domain,
    )
    _check_signatures(batch, digest, network, former or {})
    return digest


def check_bundle(bundle: SignedBatch, network: NetworkParameters) -> bytes:
    """Return the digest of the older one-item form, signed over that item alone; raise as `check_batch` does."""
    _check_form(bundle, network)
    digest = single_validation_digest(
        bundle.items[0],
        subnet_id=bundle.subnet_id,
        root_height=bundle.epoch,
        root_hash=bundle.root_hash,
        domain=network.domain,
    )
    _check_signatures(bundle, digest, network, {})
    return digest


def check_item(item: BatchItem, *, intent: Intent | None, assignment: Assignment | None) -> None:
    """Raise unless the item completes an open intent by the active assignment that RootLayer knows."""
    if intent is not None and intent.status.terminal:
        raise WrongState("SN-S040", f"intent {intent.intent_id} is {intent.status.name}")
    if assignment is None or intent is None:
        raise NotFound("SN-S036", f"assignment {item.assignment_id} is unknown")
    if assignment.intent_id != item.intent_id or assignment.agent_address != item.agent:
        raise InvalidInput(
            "SN-S037",
            f"assignment {item.assignment_id} is for intent {assignment.intent_id} and agent "
            f"{assignment.agent_address}, the item for {item.intent_id} and {item.agent}",
        )
    if assignment.status is not AssignmentStatus.ACTIVE:
        raise WrongState("SN-S038", f"assignment {item.assignment_id} has failed")


def _check_form(batch: SignedBatch, network: NetworkParameters) -> None:
    check_subnet(batch.subnet_id, network)
    if batch.epoch > _MAX_EPOCH:
        raise InvalidInput("SN-S030", f"root_height {batch.epoch} is too large")
    if len(batch.aggregator_id) > 128 or len(batch.signer_bitmap) > 64:
        raise InvalidInput("SN-S030", "aggregator_id or signer_bitmap is too long")
    intents = [item.intent_id for item in batch.items]
    for index, intent_id in enumerate(intents):
        if intent_id in intents[:index]:
            raise InvalidInput("SN-S041", f"intent {intent_id} appears twice in one batch")


def _check_signatures(
    batch: SignedBatch,
    digest: bytes,
    network: NetworkParameters,
    former: Mapping[Address, Address],
) -> None:
    members = {validator.address: i for i, validator in enumerate(network.validators)}
    required = required_signatures(
        len(members), network.threshold_numerator, network.threshold_denominator
    )
    signed: set[Address] = set()
    for named, signature in batch.signatures:
        validator = former.get(named, named)
        if validator not in members:
            raise InvalidInput("SN-S033", f"{validator} is no validator of this network")
        if validator in signed:
            raise InvalidInput("SN-S034", f"{validator} appears twice among the signatures")
        signer = recover_eip191(digest, signature)
        if signer != named:
            raise InvalidInput(
                "SN-S032",
                f"the signature named {validator} was made by {signer}, or for another batch",
            )
        signed.add(validator)
    if len(signed) < required:
        raise InvalidInput(
            "SN-S035",
            f"epoch {batch.epoch}: {len(signed)} valid signatures, {required} are required",
        )
    indexes = [members[address] for address in signed]
    if batch.signer_bitmap and batch.signer_bitmap != signer_bitmap(indexes, len(members)):
        raise InvalidInput("SN-S030", "signer_bitmap does not name the signers of the batch")
