"""A signer whose key lives in this process's memory. Never prints, pickles or returns the key."""

from coincurve import PrivateKey

from pinai_subnet.ports.signer import Signer
from pinai_subnet.protocol.ids import Address
from pinai_subnet.protocol.signatures import address_of, public_key65, sign, sign_eip191


class LocalSigner(Signer):
    """Signs with a 32-byte secp256k1 key held in memory."""

    __slots__ = ("_address", "_key", "_public_key")

    def __init__(self, private_key: bytes) -> None:
        """Take the raw 32 bytes; coincurve refuses a value outside the curve's order."""
        self._key = PrivateKey(private_key)
        self._public_key = public_key65(self._key)
        self._address = address_of(self._public_key)

    def __repr__(self) -> str:
        """Name the address only."""
        return f"LocalSigner({self._address})"

    @property
    def address(self) -> Address:
        """EIP-55 address of the key."""
        return self._address

    @property
    def public_key(self) -> bytes:
        """65 bytes, uncompressed, 0x04 prefix."""
        return self._public_key

    def sign(self, digest: bytes) -> bytes:
        """Sign a 32-byte digest as it is: r||s||v, low-S, v in {27, 28}."""
        return sign(self._key, digest)

    def sign_eip191(self, digest: bytes) -> bytes:
        """Sign a 32-byte digest under the EIP-191 prefix; same encoding."""
        return sign_eip191(self._key, digest)
