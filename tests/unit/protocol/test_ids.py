"""Strict text forms of addresses."""

import pytest

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
