"""Fixed-width encodings of hash pre-images: 32-byte ABI words and checked integers. Knows no message."""

from pinai_subnet.protocol.errors import InvalidInput
from pinai_subnet.protocol.ids import ZERO_BYTES32, address_bytes


def hash32(value: bytes, field: str) -> bytes:
    """Return exactly 32 bytes unchanged; raise `InvalidInput` SN-N115 for any other length."""
    if len(value) != 32:
        raise InvalidInput("SN-N115", f"{field}: expected a 32-byte hash, got {len(value)} bytes")
    return value


def hash32_or_zero(value: bytes, field: str) -> bytes:
    """Return 32 bytes, reading an empty value as zeros; raise `InvalidInput` SN-N115 for any other length."""
    return hash32(value, field) if value else ZERO_BYTES32


def big_endian(value: int, bits: int, field: str) -> bytes:
    """Return an unsigned big-endian integer of `bits` bits; raise `InvalidInput` SN-N116 when it does not fit."""
    if not 0 <= value < 1 << bits:
        raise InvalidInput("SN-N116", f"{field}: {value} is not an unsigned {bits}-bit number")
    return value.to_bytes(bits // 8, "big")


def uint_word(value: int, bits: int, field: str) -> bytes:
    """Return an ABI word holding an unsigned integer of at most `bits` bits; raise `InvalidInput` SN-N116."""
    return big_endian(value, bits, field).rjust(32, b"\0")


def address_word(address: str, field: str) -> bytes:
    """Return an ABI word holding an address; raise `InvalidInput` SN-N102 when it is malformed."""
    return bytes(12) + address_bytes(address, field)
