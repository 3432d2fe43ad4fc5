"""Every role refuses a damaged file of its own with a code, the file's name and a way out, and changes nothing.

operators.md row 24. The journal, meta and snapshot are in unit/consensus, the sign-once store in unit/adapters and the
databases byte by byte in integration/runtime/test_sqlite.py; here it is what an operator sees.
"""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.integration.bootstrap.roles import ROLES, make_home, started

from pinai_subnet.cli.home import Home
from pinai_subnet.wire.catalogue import CATALOGUE

CODES = {
    ".sqlite": {"SN-H006", "SN-H004", "SN-H005", "SN-H008"},
    ".log": {"SN-K103", "SN-K104"},
    ".json": {"SN-H004", "SN-H006"},
    "REJOIN": {"SN-R090"},
    "meta": {"SN-R011", "SN-R016", "SN-R004"},
    ".seg": {"SN-R010", "SN-R012", "SN-R004", "SN-R016", "SN-R011"},
}
IGNORED = {"process.lock", "lock"}


def files_of(home: Home) -> list[Path]:
    found = (path for path in home.data.rglob("*") if path.is_file())
    return sorted(p for p in found if p.name not in IGNORED and p.suffix != ".seal")


def expected(path: Path) -> set[str]:
    return next(codes for end, codes in CODES.items() if path.name.endswith(end))


def changed(data: bytes) -> Mapping[str, bytes]:
    """The kinds of damage of one file."""
    middle = len(data) // 2
    flipped = bytearray(data)
    flipped[middle] ^= 0x10
    return {
        "flipped bit": bytes(flipped),
        "zeroed": bytes(len(data)),
        "cut in half": data[:middle],
    }


async def refusal(home: Home, role: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Return what a start says that ends with status 78."""
    capsys.readouterr()
    with pytest.raises(AssertionError, match="did not start: 78"):
        async with started(home, role):
            pass
    return capsys.readouterr().err


def put_back(home: Home, kept: Mapping[Path, bytes]) -> None:
    for path in [p for p in home.data.rglob("*") if p.is_file()]:
        if path not in kept:
            path.unlink()
    for path, data in kept.items():
        path.write_bytes(data)


@pytest.mark.parametrize("role", [role for role in ROLES if role != "console"])
async def test_a_damaged_file_is_named_with_a_code_and_left_as_it_is(
    role: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = make_home(tmp_path / "home")
    async with started(home, role):
        await asyncio.sleep(0.3)
    kept = {p: p.read_bytes() for p in home.data.rglob("*") if p.is_file()}
    files = files_of(home)
    assert any(path.suffix == ".sqlite" for path in files)
    for path in files:
        for kind, data in changed(kept[path]).items():
            path.write_bytes(data)
            said = await refusal(home, role, capsys)
            code = said.split()[0]
            assert code in expected(path), (path.name, kind, said)
            assert code in CATALOGUE
            assert path.name in said, (kind, said)
            assert "fix:" in said
            stays = path.read_bytes() if path.exists() else None
            assert stays in (data, None), (path.name, kind)
            put_back(home, kept)
    async with started(home, role):
        await asyncio.sleep(0.1)
