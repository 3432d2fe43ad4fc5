"""A backup closed with a key of the operator's: XChaCha20-Poly1305 over the whole file. Knows nothing of its content.

Layout: magic, a random nonce of 24 bytes, the cipher text, a tag of 16 bytes; the magic is authenticated with it. The
key is 32 random bytes that belong to backups only, never a validator's.
"""

from Crypto.Cipher import ChaCha20_Poly1305
from Crypto.Random import get_random_bytes

from pinai_subnet.ports.errors import Damaged, Refused

_MAGIC = b"PINAISEC"
_NONCE = 24
_TAG = 16


def seal(data: bytes, key: bytes) -> bytes:
    """Return the data closed with a key of 32 bytes."""
    nonce = get_random_bytes(_NONCE)
    cipher = ChaCha20_Poly1305.new(key=key, nonce=nonce)
    cipher.update(_MAGIC)
    closed, tag = cipher.encrypt_and_digest(data)
    return _MAGIC + nonce + closed + tag


def unseal(data: bytes, key: bytes | None) -> bytes:
    """Return what was closed, or the data itself where it is open.

    Raises `Refused` SN-K107 where it needs a key and none is given, `Damaged` SN-K108 where the key is another one or
    the bytes have changed.
    """
    if data[: len(_MAGIC)] != _MAGIC:
        return data
    if key is None:
        raise Refused("SN-K107", "the backup is encrypted; name its key with --key-file")
    nonce = data[len(_MAGIC) : len(_MAGIC) + _NONCE]
    closed, tag = data[len(_MAGIC) + _NONCE : -_TAG], data[-_TAG:]
    if len(data) < len(_MAGIC) + _NONCE + _TAG:
        raise Damaged("SN-K108", f"{len(data)} bytes are too few for an encrypted backup")
    cipher = ChaCha20_Poly1305.new(key=key, nonce=nonce)
    cipher.update(_MAGIC)
    try:
        return cipher.decrypt_and_verify(closed, tag)
    except ValueError as error:
        raise Damaged(
            "SN-K108", "the backup was encrypted with another key, or its bytes have changed"
        ) from error
