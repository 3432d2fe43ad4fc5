"""Every queue, cache and table is listed with what bounds it; every limit is in the code and reached by a test."""

import ast
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest
from tests.architecture.bounds import CONTAINERS, LIMITS

from pinai_subnet.validator.limits import LedgerLimits

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "services" / "pinai_subnet"
_COLLECTIONS = {"dict", "list", "set", "deque", "OrderedDict", "Counter", "defaultdict"}
_COLLECTIONS |= {"Queue", "PriorityQueue", "LifoQueue", "SimpleQueue"}
_ONE_SHOT = ("cli", "wire/pb", "wire/catalogue")
"""Commands that end, generated code, constant tables."""


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Subscript):
        return _name(node.value)
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _collects(value: ast.expr | None) -> bool:
    """Say whether a value is a new collection that can grow."""
    if isinstance(value, ast.Dict | ast.List | ast.DictComp):
        return True
    if not isinstance(value, ast.Call):
        return False
    if _name(value.func) == "field":
        return any(
            keyword.arg == "default_factory" and _name(keyword.value) in _COLLECTIONS
            for keyword in value.keywords
        )
    return _name(value.func) in _COLLECTIONS


def _attributes(owner: ast.ClassDef) -> Iterator[str]:
    for node in ast.walk(owner):
        if isinstance(node, ast.AnnAssign):
            target, value = node.target, node.value
        elif isinstance(node, ast.Assign):
            target, value = node.targets[0], node.value
        else:
            continue
        if not _collects(value):
            continue
        if isinstance(target, ast.Attribute) and _name(target.value) == "self":
            yield target.attr
        elif isinstance(target, ast.Name) and node in owner.body:
            yield f"{owner.name}.{target.id}"


def containers() -> set[str]:
    """Return every container of the processes that live long."""
    found = set()
    for path in sorted(SOURCE.rglob("*.py")):
        module = path.relative_to(SOURCE).as_posix()
        if module.startswith(_ONE_SHOT):
            continue
        text = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ClassDef):
                found |= {f"{module}:{name}" for name in _attributes(node)}
            if isinstance(node, ast.FunctionDef) and any(
                "cache" in ast.unparse(decorator) for decorator in node.decorator_list
            ):
                found.add(f"{module}:{node.name}")
        found |= {f"{module}:table {name}" for name in re.findall(r"CREATE TABLE ([a-z]\w*)", text)}
    return found


def test_every_container_is_listed_with_what_bounds_it() -> None:
    assert containers() == set(CONTAINERS)


def test_every_bound_of_a_container_is_a_limit_or_a_reason_in_words() -> None:
    for container, bounds in CONTAINERS.items():
        assert bounds, container
        for bound in bounds:
            assert bound in LIMITS or " " in bound, (container, bound)


def test_every_limit_bounds_a_container() -> None:
    """Except those of single things: a report, a command."""
    used = {bound for bounds in CONTAINERS.values() for bound in bounds}
    assert set(LIMITS) - used == set()


@pytest.mark.parametrize("limit", LIMITS)
def test_a_limit_is_in_the_code(limit: str) -> None:
    module, _, name = limit.partition(":")
    assert re.search(rf"\b{name}\b", (SOURCE / module).read_text(encoding="utf-8"))


@pytest.mark.parametrize("test", sorted({test for tests in LIMITS.values() for test in tests}))
def test_the_test_that_reaches_a_limit_exists(test: str) -> None:
    path, _, name = test.partition("::")
    assert re.search(
        rf"^(async )?def {name}\(", (ROOT / "tests" / path).read_text("utf-8"), re.MULTILINE
    )


def test_every_number_that_limits_the_ledger_is_listed() -> None:
    """Times are no bounds of memory; `test_ledger_time` holds them."""
    listed = {limit.partition(":")[2] for limit in LIMITS if "validator/limits.py" in limit}
    numbers = {one.name for one in fields(LedgerLimits) if not one.name.endswith("_ms")}
    assert numbers == listed


def test_no_cache_is_without_a_size() -> None:
    for path in SOURCE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"@(functools\.)?cache\b|@lru_cache(\(\))?\n|maxsize=None", text), path
