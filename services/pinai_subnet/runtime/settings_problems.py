"""Turns pydantic's findings into problems an operator can act on: file, line, value seen, expected, nearest key."""

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any

import pydantic
from pydantic_core import ErrorDetails

from pinai_subnet.runtime.errors import StartupProblem
from pinai_subnet.runtime.secret_names import MASK, is_secret_name, looks_like_private_key
from pinai_subnet.runtime.settings_models import fields_at, is_secret_field
from pinai_subnet.runtime.yaml_text import Document, Path, dotted

_DURATION = re.compile(r"\s*[0-9.]+\s*(ms|s|sec|m|min|h|d)\s*")
_SHOWN = 60


def describe(
    model: type[pydantic.BaseModel],
    document: Document,
    errors: Sequence[ErrorDetails],
    variables: Mapping[Path, tuple[str, ...]],
) -> list[StartupProblem]:
    """Return one problem per finding; `variables` says which values came from which variables."""
    return [_problem(model, document, error, variables) for error in errors]


def _problem(
    model: type[pydantic.BaseModel],
    document: Document,
    error: ErrorDetails,
    variables: Mapping[Path, tuple[str, ...]],
) -> StartupProblem:
    path = _existing(document, error["loc"])
    if error["type"] == "extra_forbidden":
        return _unknown_key(model, document, path)
    if error["type"] == "missing":
        name = error["loc"][-1]
        return StartupProblem(
            "SN-C006",
            f"{dotted((*path, name))}: required key is missing",
            document.where(path),
            f"add `{name}:` here",
        )
    names = variables.get(path, ())
    secret = _is_secret(model, path, names)
    source = f" (from {', '.join(names)})" if names else ""
    expected = "the value was refused" if secret else _expected(error, path)
    label = dotted(path) or "file"
    if isinstance(error["input"], dict | list) or error["type"] in {
        "value_error",
        "assertion_error",
    }:
        seen = ""
    else:
        seen = f"got {_shown(error['input'], secret=secret)}{source}; "
    message = f"{label}: {seen}{expected}"
    return StartupProblem(
        "SN-C005", message, document.where(path), f"correct {label} in {document.name}"
    )


def _unknown_key(model: type[pydantic.BaseModel], document: Document, path: Path) -> StartupProblem:
    known = fields_at(model, path[:-1])
    near = difflib.get_close_matches(str(path[-1]), known, n=1, cutoff=0.6)
    message = f"{dotted(path)}: unknown key"
    if near:
        message += f"; did you mean {near[0]}?"
        fix = f"rename it to {near[0]}"
    else:
        fix = "remove it; known keys here: " + (", ".join(sorted(known)) or "none")
    return StartupProblem("SN-C004", message, document.where(path), fix)


def _existing(document: Document, location: Sequence[str | int]) -> Path:
    """Return the part of pydantic's location that is written in the file; it also names union members."""
    path: Path = ()
    for part in location:
        if (*path, part) in document.lines:
            path = (*path, part)
    return path


def _is_secret(model: type[pydantic.BaseModel], path: Path, variables: Sequence[str]) -> bool:
    named = any(isinstance(part, str) and is_secret_name(part) for part in path)
    return named or is_secret_field(model, path) or any(map(is_secret_name, variables))


def _expected(error: ErrorDetails, path: Path) -> str:
    value: Any = error["input"]
    name = next((part for part in reversed(path) if isinstance(part, str)), "")
    unit = name.rpartition("_")[2]
    if isinstance(value, str) and unit in {"seconds", "ms"} and _DURATION.fullmatch(value):
        return f"expected a plain number of {unit}, without a unit"
    message = error["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    return message.replace("Input should be", "expected", 1)


def _shown(value: object, *, secret: bool) -> str:
    if secret or (isinstance(value, str) and looks_like_private_key(value)):
        return MASK
    text = repr(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
