"""secp256k1 signatures over 32-byte digests: make, recover, refuse (wire-contract 3.1). Holds no key and no policy.

One value has one encoding: 65 bytes r, s, v, low S, and v as its context wants it. Everything else is refused, so a
signature can be compared bytewise and counted once.
"""

from functools import lru_cache

from coincurve import PrivateKey, PublicKey

from pinai_subnet.protocol.checksums import checksummed
from pinai_subnet.protocol.digests import eip191, keccak256
from pinai_subnet.protocol.errors import InvalidInput
from pinai_subnet.protocol.ids import Address
from pinai_subnet.protocol.words import hash32

CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141

_V_OFFSET = 27
_V_OFFSET_HEADER = 0


def sign(private_key: PrivateKey, digest: bytes) -> bytes:
    """Sign a 32-byte digest as it is: 65 bytes, low S, v 27 or 28, RFC 6979 nonce."""
    return _sign(private_key, digest, _V_OFFSET)


def sign_eip191(private_key: PrivateKey, digest: bytes) -> bytes:
    """Sign a 32-byte digest in its EIP-191 form; encoded as `sign` does."""
    return _sign(private_key, eip191(digest), _V_OFFSET)


def sign_header(private_key: PrivateKey, digest: bytes) -> bytes:
    """Sign a 32-byte digest as the published agents do for request headers: as `sign`, but v 0 or 1."""
    return _sign(private_key, digest, _V_OFFSET_HEADER)


def recover(digest: bytes, signature: bytes) -> Address:
    """Return who signed `digest` with v 27 or 28; raise `InvalidInput` SN-N110 to SN-N113 for a bad signature."""
    return _recover(digest, signature, _V_OFFSET)


def recover_eip191(digest: bytes, signature: bytes) -> Address:
    """Return who signed the EIP-191 form of `digest`; raises as `recover`."""
    return _recover(eip191(digest), signature, _V_OFFSET)


def recover_header(digest: bytes, signature: bytes) -> Address:
    """Return who signed `digest` with v 0 or 1, as in request headers of agents; raises as `recover`."""
    return _recover(digest, signature, _V_OFFSET_HEADER)


def public_key65(private_key: PrivateKey) -> bytes:
    """Return the public key of a private one: 65 bytes, uncompressed, 0x04 prefix."""
    return bytes(private_key.public_key.format(compressed=False))


def address_of(public_key: bytes) -> Address:
    """Return the address of a 65-byte public key; raise `InvalidInput` SN-N114 unless it is a point of the curve."""
    if len(public_key) != 65 or public_key[0] != 0x04:
        raise InvalidInput(
            "SN-N114",
            f"a public key is 65 bytes that start with 04; got {len(public_key)} bytes"
            f" starting with {public_key[:1].hex() or 'nothing'}",
        )
    try:
        PublicKey(public_key)
    except ValueError as error:
        raise InvalidInput("SN-N114", "the public key is not a point of secp256k1") from error
    return _address(public_key)


@lru_cache(maxsize=4096)
def _address(public_key: bytes) -> Address:
    # A network has few keys and many signatures: the checksummed text costs more than the recovery itself.
    return Address(checksummed(keccak256(public_key[1:])[-20:]))


def _sign(private_key: PrivateKey, digest: bytes, v_offset: int) -> bytes:
    compact = private_key.sign_recoverable(hash32(digest, "digest"), hasher=None)
    return bytes(compact[:64]) + bytes((compact[64] + v_offset,))


def _recover(digest: bytes, signature: bytes, v_offset: int) -> Address:
    hash32(digest, "digest")
    if len(signature) != 65:
        raise InvalidInput("SN-N110", f"a signature is 65 bytes r, s, v; got {len(signature)}")
    recovery_id = signature[64] - v_offset
    if recovery_id not in (0, 1):
        raise InvalidInput(
            "SN-N111",
            f"the signature's v is {signature[64]}; expected {v_offset} or {v_offset + 1}",
        )
    r = int.from_bytes(signature[:32], "big")
    s = int.from_bytes(signature[32:64], "big")
    if not (0 < r < CURVE_ORDER and 0 < s < CURVE_ORDER):
        raise InvalidInput("SN-N113", "the signature's r or s is zero or beyond the curve's order")
    if s > CURVE_ORDER // 2:
        raise InvalidInput("SN-N112", "the signature has a high s; only the low form counts")
    try:
        public_key = PublicKey.from_signature_and_message(
            signature[:64] + bytes((recovery_id,)), digest, hasher=None
        )
    except ValueError as error:
        raise InvalidInput("SN-N113", "no key can have made this signature") from error
    return _address(bytes(public_key.format(compressed=False)))
