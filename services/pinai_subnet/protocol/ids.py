"""Identifiers and their strict text forms (wire-contract 3.2). Malformed text is a coded error, never repaired."""

import re
from functools import lru_cache
from typing import NewType

from pinai_subnet.protocol.checksums import checksummed
from pinai_subnet.protocol.errors import InvalidInput

IntentId = NewType("IntentId", str)
BidId = NewType("BidId", str)
AssignmentId = NewType("AssignmentId", str)
SubnetId = NewType("SubnetId", str)
AgentId = NewType("AgentId", str)
ValidatorId = NewType("ValidatorId", str)
ReportId = NewType("ReportId", str)
Address = NewType("Address", str)

ZERO_ADDRESS = Address("0x" + "0" * 40)
ZERO_BYTES32 = bytes(32)

_BYTES32 = re.compile(r"0x[0-9a-fA-F]{64}")
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}")
_SHOWN = 80


def _shown(value: str) -> str:
    return repr(value if len(value) <= _SHOWN else value[:_SHOWN] + "…")


def parse_bytes32(text: str, field: str) -> str:
    """Return the canonical lower-case form of a bytes32 hex text; raise `InvalidInput` SN-N101 otherwise."""
    if not _BYTES32.fullmatch(text):
        raise InvalidInput(
            "SN-N101", f"{field}: {_shown(text)} is not a bytes32 id; expected 0x and 64 hex digits"
        )
    return text.lower()


def bytes32(text: str, field: str = "id") -> bytes:
    """Return the 32 bytes of a bytes32 hex text; raise `InvalidInput` SN-N101 otherwise."""
    return bytes.fromhex(parse_bytes32(text, field)[2:])


def bytes32_hex(value: bytes) -> str:
    """Return the canonical text of exactly 32 bytes; raise `InvalidInput` SN-N101 for any other length."""
    if len(value) != 32:
        raise InvalidInput("SN-N101", f"expected 32 bytes, got {len(value)}")
    return "0x" + value.hex()


def parse_address(text: str, field: str) -> Address:
    """Return the EIP-55 form of an address text in any case; raise `InvalidInput` SN-N102 otherwise.

    A mixed-case text whose checksum is wrong is refused: it is a typing error somewhere.
    """
    if not _ADDRESS.fullmatch(text):
        raise InvalidInput(
            "SN-N102", f"{field}: {_shown(text)} is not an address; expected 0x and 40 hex digits"
        )
    address = _checksummed(text)
    digits = text[2:]
    if digits not in (digits.lower(), digits.upper()) and text != address:
        raise InvalidInput("SN-N102", f"{field}: {text} has a wrong EIP-55 checksum")
    return address


@lru_cache(maxsize=4096)
def _checksummed(text: str) -> Address:
    # A network has few addresses and reads each of them many times; the checksum is a hash.
    return Address(checksummed(bytes.fromhex(text[2:])))


def address_bytes(address: str, field: str = "address") -> bytes:
    """Return the 20 bytes of an address text; raise `InvalidInput` SN-N102 otherwise."""
    if not _ADDRESS.fullmatch(address):
        raise InvalidInput("SN-N102", f"{field}: {_shown(address)} is not an address")
    return bytes.fromhex(address[2:])


def parse_name(text: str, field: str) -> str:
    """Return an agent or validator name unchanged; raise `InvalidInput` SN-N103 unless it is 1-128 safe characters.

    Letters, digits and `._:@-`, starting with a letter or digit: safe in logs, URLs, labels and file names.
    """
    if not _NAME.fullmatch(text):
        raise InvalidInput(
            "SN-N103",
            f"{field}: {_shown(text)} is not a name; expected 1 to 128 of letters, digits and . _ : @ -",
        )
    return text
