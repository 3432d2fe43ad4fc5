"""Digests of our own records: one injective encoding for everything the chain's digests do not cover. Signs nothing.

`commitment(tag, a, b, ...)` is sha256 over the tag and every part, each preceded by its length as 4 big-endian bytes.
No two different lists of parts share a pre-image, and no two kinds of record share a tag (known defect S3).
"""

from hashlib import sha256

from pinai_subnet.protocol.words import big_endian


def commitment(tag: bytes, *parts: bytes) -> bytes:
    """Return the 32-byte digest of a tagged list of parts."""
    hashed = sha256(len(tag).to_bytes(4, "big") + tag)
    for part in parts:
        hashed.update(len(part).to_bytes(4, "big"))
        hashed.update(part)
    return hashed.digest()


def number(value: int, field: str) -> bytes:
    """Return a part that holds an unsigned 64-bit number; raise `InvalidInput` SN-N116 when it does not fit."""
    return big_endian(value, 64, field)


def texts(*values: str) -> tuple[bytes, ...]:
    """Return one part per text, in UTF-8."""
    return tuple(value.encode() for value in values)
