"""Every code that the product can raise is explained, and nothing is explained that cannot happen."""

import re
from pathlib import Path

from pinai_subnet.wire.catalogue import CATALOGUE
from pinai_subnet.wire.catalogue import config as _first_area
from pinai_subnet.wire.catalogue.page import page

SOURCES = Path(_first_area.__file__).parents[2]
CODE = re.compile(r"SN-[A-Z]\d{3}")


def codes_in_sources() -> dict[str, str]:
    """Code -> one file that mentions it, outside the catalogue."""
    found = {}
    for file in sorted(SOURCES.rglob("*.py")):
        relative = file.relative_to(SOURCES).as_posix()
        if relative.startswith(("wire/catalogue/", "wire/pb/")):
            continue
        for code in CODE.findall(file.read_text(encoding="utf-8")):
            found.setdefault(code, relative)
    for file in sorted((SOURCES.parents[1] / "deployment").rglob("*.sh")):
        for code in CODE.findall(file.read_text(encoding="utf-8")):
            found.setdefault(code, file.name)
    return found


def test_every_code_in_the_sources_is_in_the_catalogue() -> None:
    missing = {code: file for code, file in codes_in_sources().items() if code not in CATALOGUE}
    assert not missing


def test_every_code_in_the_catalogue_is_used() -> None:
    assert sorted(set(CATALOGUE) - set(codes_in_sources())) == []


def test_every_entry_is_complete() -> None:
    for code, entry in CATALOGUE.items():
        assert CODE.fullmatch(code)
        assert entry.title
        assert not entry.title.endswith(".")
        assert len(entry.cause) > 20
        assert len(entry.remedy) > 20


def test_no_code_is_listed_twice() -> None:
    listed = []
    for file in sorted((SOURCES / "wire/catalogue").glob("*.py")):
        listed += re.findall(r'code="(SN-[A-Z]\d{3})"', file.read_text(encoding="utf-8"))
    assert sorted(listed) == sorted(set(listed))


def test_the_page_of_codes_is_fresh_and_has_all_of_them() -> None:
    """`make docs` writes it."""
    text = (SOURCES.parents[1] / "deployment/ERRORS.md").read_text(encoding="utf-8")
    assert text == page(CATALOGUE)
    assert set(re.findall(r"^### (SN-[A-Z]\d{3}) ", text, re.M)) == set(CATALOGUE)
