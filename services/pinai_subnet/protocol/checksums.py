"""The EIP-55 text of an address: its hexadecimal digits, the letters' case saying whether they are right.

Knows no other form of identifier.
"""

from eth_hash.auto import keccak


def checksummed(address: bytes) -> str:
    """Return the EIP-55 text of 20 address bytes."""
    digits = address.hex()
    marks = keccak(digits.encode("ascii")).hex()
    return "0x" + "".join(
        digit.upper() if mark > "7" else digit for digit, mark in zip(digits, marks, strict=False)
    )
