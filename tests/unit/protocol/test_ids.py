"""Strict text forms of addresses."""

import pytest
from eth_utils.address import to_checksum_address
from hypothesis import given
from hypothesis import strategies as st

from pinai_subnet.protocol.checksums import checksummed
from pinai_subnet.protocol.errors import InvalidInput
from pinai_subnet.protocol.ids import parse_address

RIGHT = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
WRONG = "0x5aaeb6053F3E94C9b9A09f33669435E7Ef1BeAed"


def test_an_address_in_any_single_case_is_read_as_its_checksummed_form() -> None:
    for text in (RIGHT, RIGHT.lower(), "0x" + RIGHT[2:].upper()):
        assert parse_address(text, "field") == RIGHT


def test_a_wrong_checksum_is_refused_each_time_with_the_field_that_had_it() -> None:
    for field in ("first", "second", "first"):
        with pytest.raises(InvalidInput, match=f"{field}: {WRONG} has a wrong EIP-55 checksum"):
            parse_address(WRONG, field)
        assert parse_address(WRONG.lower(), field) == RIGHT


@pytest.mark.parametrize(
    "text",
    [
        RIGHT,
        "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
        "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
        "0x52908400098527886E0F7030069857D2E4169EE7",
        "0xde709f2102306220921060314715629080e2fb77",
    ],
)
def test_the_published_examples_of_eip_55_are_written_as_published(text: str) -> None:
    assert checksummed(bytes.fromhex(text[2:])) == text


@given(st.binary(min_size=20, max_size=20))
def test_every_address_is_written_as_the_ethereum_library_writes_it(raw: bytes) -> None:
    assert checksummed(raw) == to_checksum_address(raw)
