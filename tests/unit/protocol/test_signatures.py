"""Signatures: equal to the reference library, and strict about their one encoding."""

import pytest
from coincurve import PrivateKey
from eth_account import Account
from eth_account.messages import encode_defunct
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.protocol.vectors import KEY, PUBLIC_KEY, SIGNER

from pinai_subnet.protocol.digests import eip191, keccak256
from pinai_subnet.protocol.errors import InvalidInput
from pinai_subnet.protocol.signatures import (
    CURVE_ORDER,
    address_of,
    public_key65,
    recover,
    recover_eip191,
    recover_header,
    sign,
    sign_eip191,
    sign_header,
)

DIGEST = keccak256(b"anything")
SIGNATURE = sign(KEY, DIGEST)

secrets = st.integers(1, CURVE_ORDER - 1).map(lambda number: number.to_bytes(32, "big"))
hashes = st.binary(min_size=32, max_size=32)


def altered(*, r: int | None = None, s: int | None = None, v: int | None = None) -> bytes:
    parts = SIGNATURE[:32], SIGNATURE[32:64], SIGNATURE[64:]
    return (
        (parts[0] if r is None else r.to_bytes(32, "big"))
        + (parts[1] if s is None else s.to_bytes(32, "big"))
        + (parts[2] if v is None else bytes((v,)))
    )


def test_key_and_address_equal_the_published_vector() -> None:
    assert public_key65(KEY) == PUBLIC_KEY
    assert address_of(PUBLIC_KEY) == SIGNER


@settings(max_examples=25)
@given(secret=secrets, digest=hashes)
def test_signatures_equal_the_reference_library(secret: bytes, digest: bytes) -> None:
    key = PrivateKey(secret)
    account = Account.from_key(secret)
    assert address_of(public_key65(key)) == account.address
    assert sign(key, digest) == bytes(account.unsafe_sign_hash(digest).signature)
    assert sign_eip191(key, digest) == bytes(
        account.sign_message(encode_defunct(primitive=digest)).signature
    )


@settings(max_examples=25)
@given(secret=secrets, digest=hashes)
def test_every_form_recovers_its_signer(secret: bytes, digest: bytes) -> None:
    key = PrivateKey(secret)
    address = address_of(public_key65(key))
    assert recover(digest, sign(key, digest)) == address
    assert recover_eip191(digest, sign_eip191(key, digest)) == address
    assert recover_header(digest, sign_header(key, digest)) == address
    assert recover(eip191(digest), sign_eip191(key, digest)) == address


def test_the_forms_differ_only_in_v() -> None:
    header = sign_header(KEY, DIGEST)
    assert header[:64] == SIGNATURE[:64]
    assert header[64] + 27 == SIGNATURE[64]


def test_a_signature_over_another_digest_is_somebody_elses() -> None:
    assert recover(keccak256(b"other"), SIGNATURE) != SIGNER


@pytest.mark.parametrize(
    ("signature", "code"),
    [
        (b"", "SN-N110"),
        (SIGNATURE[:64], "SN-N110"),
        (SIGNATURE + b"\0", "SN-N110"),
        (KEY.sign(DIGEST, hasher=None), "SN-N110"),
        (altered(v=0), "SN-N111"),
        (altered(v=1), "SN-N111"),
        (altered(v=26), "SN-N111"),
        (altered(v=29), "SN-N111"),
        (altered(v=255), "SN-N111"),
        (
            altered(s=CURVE_ORDER - int.from_bytes(SIGNATURE[32:64], "big"), v=55 - SIGNATURE[64]),
            "SN-N112",
        ),
        (altered(s=CURVE_ORDER // 2 + 1), "SN-N112"),
        (altered(r=0), "SN-N113"),
        (altered(s=0), "SN-N113"),
        (altered(r=0, s=0), "SN-N113"),
        (altered(r=CURVE_ORDER), "SN-N113"),
        (altered(s=CURVE_ORDER), "SN-N113"),
        (altered(r=2**256 - 1), "SN-N113"),
        (altered(s=2**256 - 1), "SN-N113"),
        # No point of the curve has this x coordinate.
        (altered(r=5), "SN-N113"),
    ],
)
def test_any_other_encoding_is_refused(signature: bytes, code: str) -> None:
    """S1: the form that is signed is the form that verifies, and it is the only one."""
    with pytest.raises(InvalidInput) as caught:
        recover(DIGEST, signature)
    assert caught.value.code == code


@pytest.mark.parametrize("v", [2, 3, 27, 28])
def test_a_header_signature_has_v_0_or_1(v: int) -> None:
    with pytest.raises(InvalidInput) as caught:
        recover_header(DIGEST, altered(v=v))
    assert caught.value.code == "SN-N111"


def outcome(signature: bytes) -> str:
    """Return the recovered address or the code of the refusal; let any other exception out."""
    try:
        return recover(DIGEST, signature)
    except InvalidInput as error:
        return error.code


@settings(max_examples=60)
@given(signature=st.binary(min_size=60, max_size=70) | st.binary(min_size=65, max_size=65))
def test_no_bytes_break_the_recovery(signature: bytes) -> None:
    assert outcome(signature).startswith(("0x", "SN-N110", "SN-N111", "SN-N112", "SN-N113"))


@settings(max_examples=40)
@given(r=st.integers(1, CURVE_ORDER - 1), s=st.integers(1, CURVE_ORDER // 2))
def test_a_wellformed_signature_names_a_signer_or_is_impossible(r: int, s: int) -> None:
    found = outcome(altered(r=r, s=s))
    assert found != SIGNER
    assert found.startswith(("0x", "SN-N113"))


@pytest.mark.parametrize("length", [0, 31, 33])
def test_only_a_32_byte_digest_is_signed_or_recovered(length: int) -> None:
    for attempt in (
        lambda: sign(KEY, bytes(length)),
        lambda: sign_eip191(KEY, bytes(length)),
        lambda: recover(bytes(length), SIGNATURE),
        lambda: recover_eip191(bytes(length), SIGNATURE),
    ):
        with pytest.raises(InvalidInput) as caught:
            attempt()
        assert caught.value.code == "SN-N115"


@pytest.mark.parametrize(
    "public_key",
    [
        b"",
        PUBLIC_KEY[1:],
        b"\x06" + PUBLIC_KEY[1:],
        KEY.public_key.format(compressed=True),
        PUBLIC_KEY[:-1] + b"\0",
        bytes(65),
    ],
)
def test_a_malformed_public_key_has_no_address(public_key: bytes) -> None:
    with pytest.raises(InvalidInput) as caught:
        address_of(public_key)
    assert caught.value.code == "SN-N114"
