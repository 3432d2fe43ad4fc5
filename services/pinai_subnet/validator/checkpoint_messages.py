"""Epochs of the ledger as the published checkpoint messages. Encoding only."""

from pinai_subnet.protocol.network import NetworkParameters
from pinai_subnet.protocol.quorum import signer_bitmap
from pinai_subnet.validator.records import EpochState
from pinai_subnet.wire.codec.checkpoints import encode_header, encode_signature
from pinai_subnet.wire.pb.subnet import checkpoint_pb2


def checkpoint_message(
    epoch: EpochState, parameters: NetworkParameters
) -> checkpoint_pb2.CheckpointHeader:
    """Return the header with its counted signatures in the order of the set."""
    members = parameters.validators
    signers = [place for place, member in enumerate(members) if member.id in epoch.signatures]
    return encode_header(
        epoch.header,
        signatures=[epoch.signatures[members[place].id].header_signature for place in signers],
        bitmap=signer_bitmap(signers, len(members)),
        weight=sum(members[place].weight for place in signers),
    )


def signature_messages(
    epoch: EpochState, parameters: NetworkParameters
) -> list[checkpoint_pb2.Signature]:
    """Return every counted header signature in the order of the set."""
    return [
        encode_signature(
            signature=epoch.signatures[member.id].header_signature,
            public_key=member.public_key,
            header_digest=epoch.header_hash,
            signer_id=member.id,
        )
        for member in parameters.validators
        if member.id in epoch.signatures
    ]
