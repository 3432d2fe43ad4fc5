"""The inputs that the published test vectors share (wire-contract section 6)."""

from coincurve import PrivateKey

from pinai_subnet.protocol.batches import BatchItem
from pinai_subnet.protocol.digests import ChainDomain
from pinai_subnet.protocol.ids import (
    Address,
    AssignmentId,
    BidId,
    IntentId,
    SubnetId,
    parse_address,
)

KEY = PrivateKey(b"\x11" * 32)
SIGNER = Address("0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A")
PUBLIC_KEY = bytes.fromhex(
    "044f355bdcb7cc0af728ef3cceb9615d90684bb5b2ca5f859ab0f0b704075871aa"
    "385b6b1b8ead809ca67454d9683fcf2ba03456d6fe2c4abe2b07f0fbdbb2f1c1"
)
SUBNET = SubnetId("0x" + "00" * 31 + "02")
AGENT = parse_address("0x" + "22" * 20, "agent")
DOMAIN = ChainDomain(
    chain_id=84532,
    intent_manager=Address("0xB2f092E696B33b7a95e1f961369Bb59611CAd093"),
    checkpoint_manager=Address("0x6A61BA20D910576A6c0B39175A6CF98358bB4008"),
)
INTENT = IntentId("0x" + "a1" * 32)
ASSIGNMENT = AssignmentId("0x" + "b1" * 32)
BID = BidId("0x" + "c1" * 32)
RESULT_HASH = b"\xd1" * 32
PROOF_HASH = b"\xe1" * 32
ROOT_HASH = b"\xf1" * 32
ITEMS = (
    BatchItem(
        intent_id=INTENT,
        assignment_id=ASSIGNMENT,
        agent=AGENT,
        result_hash=RESULT_HASH,
        proof_hash=PROOF_HASH,
        executed_at=1800000000,
    ),
    BatchItem(
        intent_id=IntentId("0x" + "a2" * 32),
        assignment_id=AssignmentId("0x" + "b2" * 32),
        agent=AGENT,
        result_hash=RESULT_HASH,
        proof_hash=PROOF_HASH,
        executed_at=1800000001,
    ),
)
