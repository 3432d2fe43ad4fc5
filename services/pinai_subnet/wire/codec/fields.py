"""Field checks that several codecs share: fixed-length bytes, amounts, times, enums. Not ids (`protocol.ids`)."""

import re
from enum import IntEnum
from typing import TypeVar

from pinai_subnet.protocol.errors import InvalidInput

_AMOUNT = re.compile(r"[0-9]{1,78}")
_UINT256 = 1 << 256
_MAX_SECONDS = 1 << 62

E = TypeVar("E", bound=IntEnum)


def exact_bytes(value: bytes, length: int, field: str) -> bytes:
    """Return the bytes if there are exactly `length` of them; raise `InvalidInput` SN-S002 otherwise."""
    if len(value) != length:
        raise InvalidInput("SN-S002", f"{field}: {len(value)} bytes; expected exactly {length}")
    return value


def signature_bytes(value: bytes, field: str) -> bytes:
    """Return a signature of the right length; raise `InvalidInput` SN-N110 otherwise. Who signed is not checked."""
    if len(value) != 65:
        raise InvalidInput("SN-N110", f"{field}: {len(value)} bytes; expected 65 (r, s, v)")
    return value


def uint256(text: str, field: str) -> int:
    """Return the number of a decimal uint256 text; raise `InvalidInput` SN-S003 otherwise."""
    if not _AMOUNT.fullmatch(text) or (amount := int(text)) >= _UINT256:
        raise InvalidInput(
            "SN-S003", f"{field}: {text[:90]!r} is not an amount; expected a decimal uint256"
        )
    return amount


def unix_seconds(value: int, field: str) -> int:
    """Return a time that is not negative and no overflow in disguise; raise `InvalidInput` SN-S004 otherwise."""
    if not 0 <= value < _MAX_SECONDS:
        raise InvalidInput("SN-S004", f"{field}: {value} is not a time; expected unix seconds")
    return value


def enum_value(kind: type[E], value: int, field: str) -> E:
    """Return the member of a wire enum; raise `InvalidInput` SN-S002 for a number that has no name."""
    try:
        return kind(value)
    except ValueError as exc:
        names = ", ".join(f"{member.name}={member.value}" for member in kind)
        raise InvalidInput(
            "SN-S002", f"{field}: {value} is unknown; expected one of {names}"
        ) from exc
