"""A key that signs. Where the key lives (memory, file, remote custody) is an adapter's matter."""

from typing import Protocol

from pinai_subnet.protocol.ids import Address


class Signer(Protocol):
    """Signs 32-byte digests with one secp256k1 key. Synchronous and fast (< 1 ms); never exposes the key."""

    @property
    def address(self) -> Address:
        """EIP-55 address of the key."""
        ...

    @property
    def public_key(self) -> bytes:
        """65 bytes, uncompressed, 0x04 prefix."""
        ...

    def sign(self, digest: bytes) -> bytes:
        """Sign a 32-byte digest as it is: 65 bytes r||s||v, low-S, v in {27, 28}, RFC 6979 nonce."""
        ...

    def sign_eip191(self, digest: bytes) -> bytes:
        """Sign a 32-byte digest wrapped by EIP-191 personal-message prefix; same encoding as `sign`."""
        ...
