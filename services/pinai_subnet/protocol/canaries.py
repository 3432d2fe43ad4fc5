"""The canary: an intent of the network's own that travels the whole path and costs nobody anything.

Its id says what it is, so that nobody needs to be told: the validators never hand it to RootLayer, the matcher never
posts its assignment, and no such intent is ever taken from RootLayer.
"""

from pinai_subnet.protocol.ids import IntentId

CANARY_TYPE = "pinai.canary"
"""The reserved intent type: agents hear of it only when they ask for it by name, and only the matcher's own may bid."""

CANARY_AGENT = "canary"
"""The reserved agent id, which belongs to the matcher's key."""

_PREFIX = "0x" + b"pinai/canary".hex()
NONCE_BYTES = 20


def canary_id(nonce: bytes) -> IntentId:
    """Return the id of a canary; 20 random bytes make it unique."""
    if len(nonce) != NONCE_BYTES:
        raise ValueError(f"a canary's nonce has {NONCE_BYTES} bytes")
    return IntentId(_PREFIX + nonce.hex())


def is_canary(intent_id: str) -> bool:
    """Say whether an intent is a canary."""
    return intent_id.startswith(_PREFIX)
