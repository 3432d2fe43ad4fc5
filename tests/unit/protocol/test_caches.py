"""What is remembered to save work is bounded: addresses come from outside."""

from typing import Any

import pytest
from tests.unit.validator.ledger_world import signer

from pinai_subnet.protocol import ids, signatures


@pytest.mark.parametrize(
    ("cache", "value"),
    [
        (ids._checksummed, lambda number: f"{number:040x}"),
        (signatures._address, lambda number: number.to_bytes(64, "big")),
    ],
    ids=["checksums", "addresses"],
)
def test_a_cache_remembers_up_to_a_number(cache: Any, value: Any) -> None:
    most = cache.cache_info().maxsize
    assert signer("somebody").address
    for number in range(most + 10):
        cache(value(number))
    assert cache.cache_info().currsize == most
