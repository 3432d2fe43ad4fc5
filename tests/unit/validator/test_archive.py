"""Questions that the archive gets from outside, whatever they are."""

from pathlib import Path

import pytest

from pinai_subnet.runtime.sqlite import SqliteDatabase
from pinai_subnet.validator.archive import MIGRATIONS, Archive


@pytest.mark.parametrize("number", [-1, 0, 2**63 - 1, 2**63, 2**64 - 1, 10**40])
async def test_an_epoch_of_any_number_is_unknown_and_never_an_error(
    tmp_path: Path, number: int
) -> None:
    async with SqliteDatabase(tmp_path / "archive.sqlite", MIGRATIONS, identity="x") as database:
        assert await Archive(database).epoch(number) is None
