"""subnet.v1 `Bid` to a value and back. Form only: whether a bid counts is the matcher's admission."""

from pinai_subnet.protocol.bids import Bid, BidStatus
from pinai_subnet.protocol.errors import InvalidInput, SubnetError
from pinai_subnet.protocol.ids import (
    Address,
    AgentId,
    BidId,
    IntentId,
    parse_address,
    parse_bytes32,
    parse_name,
)
from pinai_subnet.wire.codec.fields import unix_seconds
from pinai_subnet.wire.pb.subnet import bid_pb2

ADDRESS_KEY = "chain_address"
"""The metadata key under which agents name the address that is paid."""

MAX_TEXT = 128
MAX_METADATA_BYTES = 4096
MAX_METADATA_ENTRIES = 32


def decode_bid(message: bid_pb2.Bid, *, received_at_ms: int, known_address: Address | None) -> Bid:
    """Return the bid; raise `InvalidInput`.

    The paid address is `chain_address` of the metadata, else an agent id that is an address itself (Go agents), else
    `known_address`: the request's signer or the one registered for the agent. Without any: SN-M005.
    """
    for name, text in (
        ("token", message.token),
        ("settle_chain", message.settle_chain),
        ("nonce", message.nonce),
    ):
        if len(text) > MAX_TEXT:
            raise InvalidInput("SN-M023", f"{name}: {len(text)} characters; at most {MAX_TEXT}")
    metadata = dict(message.metadata)
    size = sum(len(key) + len(value) for key, value in metadata.items())
    if len(metadata) > MAX_METADATA_ENTRIES or size > MAX_METADATA_BYTES:
        raise InvalidInput(
            "SN-M023",
            f"metadata: {len(metadata)} entries, {size} characters; at most"
            f" {MAX_METADATA_ENTRIES} and {MAX_METADATA_BYTES}",
        )
    agent_id = AgentId(parse_name(message.agent_id, "agent_id"))
    return Bid(
        bid_id=BidId(parse_bytes32(message.bid_id, "bid_id")),
        intent_id=IntentId(parse_bytes32(message.intent_id, "intent_id")),
        agent_id=agent_id,
        agent_address=_address(agent_id, metadata.get(ADDRESS_KEY, ""), known_address),
        price=message.price,
        token=message.token,
        settle_chain=message.settle_chain,
        submitted_at=unix_seconds(message.submitted_at, "submitted_at"),
        received_at_ms=received_at_ms,
        nonce=message.nonce,
        metadata=metadata,
    )


def encode_bid(bid: Bid, status: BidStatus) -> bid_pb2.Bid:
    """Return the message with the standing the bid has now."""
    return bid_pb2.Bid(
        bid_id=bid.bid_id,
        intent_id=bid.intent_id,
        agent_id=bid.agent_id,
        price=bid.price,
        token=bid.token,
        settle_chain=bid.settle_chain,
        submitted_at=bid.submitted_at,
        nonce=bid.nonce,
        status=bid_pb2.BidStatus.ValueType(status.value),
        metadata=dict(bid.metadata),
    )


def _address(agent_id: str, named: str, known: Address | None) -> Address:
    if named:
        return parse_address(named, f"metadata {ADDRESS_KEY}")
    try:
        return parse_address(agent_id, "agent_id")
    except SubnetError as exc:
        if known is not None:
            return known
        raise InvalidInput(
            "SN-M005",
            f"the bid of {agent_id} names no address to pay; put it into the metadata as {ADDRESS_KEY},"
            " sign the request, or register the agent with a signature",
        ) from exc
