"""Frozen libraries lose their docstrings and nothing else."""

import importlib.util
import sys
from importlib.machinery import SourceFileLoader, SourcelessFileLoader
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[3]
LIBRARY = '''"""Of the module."""
from __future__ import annotations


class Documented:
    """Of the class."""

    text = "stays"

    def checked(self, value: int) -> int:
        """Of the method."""
        "a second one"
        assert value > 0, "asserted"
        return value


async def only_documented() -> None:
    """Of the function."""
'''


def run(loader: SourceFileLoader | SourcelessFileLoader) -> ModuleType:
    """Return the module that a loader makes."""
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


@pytest.fixture
def lean(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The freezer's helper, which is no part of a package; nothing is left beside it."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    path = str(ROOT / "deployment/freeze/lean.py")
    return run(SourceFileLoader("lean", path))


@pytest.fixture
def library(tmp_path: Path) -> str:
    path = tmp_path / "library" / "__init__.py"
    path.parent.mkdir()
    path.write_text(LIBRARY, encoding="utf-8")
    return str(path)


def test_docstrings_go_and_the_rest_works(lean: ModuleType, library: str, tmp_path: Path) -> None:
    [(name, path, kind)] = lean.without_docstrings([("library", library, "PYMODULE")], tmp_path)
    assert (name, Path(path).name, kind) == ("library", "__init__.pyc", "PYMODULE")
    found = run(SourcelessFileLoader(name, path))
    thing, function = found.Documented, found.only_documented
    documents = [found.__doc__, thing.__doc__, thing.checked.__doc__, function.__doc__]
    assert documents == [None, None, None, None]
    assert thing.text == "stays"
    assert thing().checked(3) == 3


def test_assertions_and_line_numbers_stay(lean: ModuleType, library: str, tmp_path: Path) -> None:
    [(name, path, _)] = lean.without_docstrings([("library", library, "PYMODULE")], tmp_path)
    with pytest.raises(AssertionError, match="asserted") as raised:
        run(SourcelessFileLoader(name, path)).Documented().checked(0)
    line = 1 + LIBRARY.splitlines().index('        assert value > 0, "asserted"')
    assert raised.traceback[-1].lineno + 1 == line


def test_our_own_modules_and_namespaces_are_left_alone(
    lean: ModuleType, library: str, tmp_path: Path
) -> None:
    entries = [
        ("pinai_subnet.protocol", library, "PYMODULE"),
        ("google", "-", "PYMODULE"),
        ("namespace", None, "PYMODULE"),
    ]
    assert lean.without_docstrings(entries, tmp_path) == entries
