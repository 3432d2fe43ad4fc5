"""Every number of the shipped configuration reaches an object that works with it: a setting nobody reads is found here.

Each role is started in this process from files in which every number is another one. Then everything that the process
holds is looked through, the settings themselves left out. That an object does with its number what the comment in the
file says is shown by the tests of that object.
"""

import asyncio
import gc
import re
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel
from tests.integration.bootstrap.roles import ROLES, make_home, started

from pinai_subnet.cli.home import Home

UNITS = (1, 1000, 60, 3600, 86_400, 86_400_000, 1_048_576, 0.5)
"""A number may be kept in another unit: milliseconds, days as seconds, MiB as bytes; half an expiry per generation."""
LISTENING = {"listen", "http"}
"""Sections of ports: proven by every test that talks to a process."""
RANGES = {
    "health.warn_free_percent": 71.03,
    "seal.max_items": 97,
    "seal.max_open_epochs": 7,
    "intake.commands_in_flight": 9,
    "verify.group": 983,
    "replication.election_min_seconds": 0.3109,
    "replication.election_max_seconds": 0.6211,
    "replication.heartbeat_seconds": 0.0511,
    "validator.default.min_confidence": 0.7103,
    "validator.default.weights.lease": 0.3107,
    "validator.default.weights.evidence": 0.4109,
    "validator.default.weights.output": 0.3113,
    "matcher.strategy.min_score": 0.1103,
    "pricing.jitter": 0.1109,
    "limits.stream_queue": 1013,
    "limits.min_deadline_seconds": 3,
    "page_rows": 113,
    "tasks.max_attempts": 13,
    "assignments.assignment_batch_max": 89,
    "assignments.record_batch_max": 491,
    "intake.group_reports": 977,
}
"""Keys that allow only a small range, or have to fit to others."""
SHARED_FILES = {
    "matcher": {"auth_config.yaml": ("",), "policy_config.yaml": ("matcher.",)},
    "validator": {"auth_config.yaml": ("",), "policy_config.yaml": ("validator.",)},
    "registry": {},
    "rootlayer": {},
    "console": {},
    "agent": {},
}


def numbers(node: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, float]]:
    """Every number of a document that is written as one, or is the default of a variable, with its dotted key."""
    if isinstance(node, dict):
        for key, item in node.items():
            yield from numbers(item, (*path, str(key)))
    elif isinstance(node, int | float) and not isinstance(node, bool):
        yield ".".join(path), node
    elif isinstance(node, str) and node.startswith("${") and ":-" in node:
        default = node.removesuffix("}").partition(":-")[2]
        if default.replace(".", "", 1).isdigit():
            yield ".".join(path), float(default) if "." in default else int(default)


def changed(document: dict[str, Any], first: int) -> dict[str, float]:
    """Give every number of a document another value, different from all others; return them by key."""
    given: dict[str, float] = {}
    for offset, (key, _) in enumerate(list(numbers(document))):
        parts = key.split(".")
        if parts[0] in LISTENING:
            continue
        value = RANGES.get(key, first + offset)
        section = document
        for part in parts[:-1]:
            section = section[part]
        section[parts[-1]] = given[key] = value
    return given


def prepare(home: Home, role: str) -> dict[str, float]:
    """Change the files of a role; return the numbers that must arrive."""
    expected: dict[str, float] = {}
    prefixes: dict[str, tuple[str, ...]] = {f"{role}.yaml": ("",), **SHARED_FILES[role]}
    for number, (name, wanted) in enumerate(prefixes.items()):
        path = home.config / name
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        given = changed(document, 7001 + 1000 * number)
        path.write_text(yaml.safe_dump(document, sort_keys=False, width=10_000), encoding="utf-8")
        expected |= {
            f"{name}:{key}": value
            for key, value in given.items()
            if any(key.startswith(prefix) for prefix in wanted)
        }
        if name == "auth_config.yaml":
            expected = _with_longer_expiry(path, expected)
    return expected


def _with_longer_expiry(path: Path, expected: dict[str, float]) -> dict[str, float]:
    """A nonce is remembered at least twice as long as a request is valid."""
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    document["nonce_expiry_seconds"] = 20_001
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return expected | {"auth_config.yaml:nonce_expiry_seconds": 20_001}


_LEFT_OUT = (types.ModuleType, type, types.BuiltinFunctionType)


def held_numbers(root: object) -> set[float]:
    """Every number reachable from an object without passing through settings, modules, classes or globals."""
    found: set[float] = set()
    seen: set[int] = set()
    todo: list[object] = [root]
    while todo:
        thing = todo.pop()
        if isinstance(thing, float | int) and not isinstance(thing, bool):
            found.add(float(thing))
            continue
        if isinstance(thing, str) and thing.startswith("{"):  # the command line of a worker
            found |= {float(text) for text in re.findall(r"\d+", thing[:1000])}
        if id(thing) in seen or isinstance(thing, (*_LEFT_OUT, BaseModel, str, bytes)):
            continue
        seen.add(id(thing))
        if isinstance(thing, types.FrameType):
            todo += list(thing.f_locals.values())
        elif isinstance(thing, types.FunctionType):
            todo += [cell.cell_contents for cell in thing.__closure__ or () if _filled(cell)]
        else:
            todo += gc.get_referents(thing)
    return found


def _filled(cell: types.CellType) -> bool:
    try:
        return bool(cell.cell_contents is not None)
    except ValueError:
        return False


@pytest.mark.parametrize("name", list(ROLES))
async def test_every_number_of_the_configuration_arrives(name: str, tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    expected = prepare(home, name)
    async with started(home, name) as (process, result):
        await asyncio.sleep(0.2)  # loops take up what they were given
        arrived = held_numbers([process, result])
    lost = {
        key: value
        for key, value in expected.items()
        if not any(_near(value * unit, arrived) for unit in UNITS)
    }
    assert lost == {}


def _near(value: float, numbers: set[float]) -> bool:
    return value in numbers or round(value, 6) in numbers or float(int(value)) in numbers
