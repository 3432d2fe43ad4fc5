"""Reads a hostile JSON payload: bounded nesting, strict UTF-8, one kind of failure. Not what the payload means."""

import json
import re
from itertools import accumulate

from pinai_subnet.agent.work import TaskFailed

MAX_DEPTH = 200
_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_NO_BRACKET = re.compile(r"[^\[\]{}]+")
_STEP = {"[": 1, "{": 1, "]": -1, "}": -1}


def read_json(payload: bytes, *, code: str) -> dict[str, object]:
    """Return the JSON object; raise `TaskFailed` with `code` for anything else.

    Nesting is counted before parsing: the interpreter's own guard against deep recursion can be switched off by any
    library that raises its limit, and a parser that overruns the stack ends the process.
    """
    try:
        text = payload.decode()
        brackets = _NO_BRACKET.sub("", _STRINGS.sub("", text))
        if max(accumulate(map(_STEP.__getitem__, brackets)), default=0) > MAX_DEPTH:
            raise TaskFailed(code, f"the payload is nested deeper than {MAX_DEPTH} levels")
        document = json.loads(text)
    except ValueError as exc:
        raise TaskFailed(code, f"the payload is not JSON: {exc}") from exc
    if not isinstance(document, dict):
        raise TaskFailed(code, "the payload is not a JSON object")
    return document
