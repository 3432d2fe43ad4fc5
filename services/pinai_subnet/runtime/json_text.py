"""Reads JSON that came from outside: strict UTF-8, bounded nesting, one kind of failure. Not what it means."""

import json
import re
from itertools import accumulate
from typing import Any

MAX_DEPTH = 200
_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_NO_BRACKET = re.compile(r"[^\[\]{}]+")
_STEP = {"[": 1, "{": 1, "]": -1, "}": -1}


def parse_json(data: bytes | bytearray) -> Any:
    """Return what the text says; raise `ValueError` for no UTF-8, no JSON, and more than `MAX_DEPTH` levels.

    Nesting is counted before parsing: the interpreter's own guard against deep recursion can be switched off by any
    library that raises its limit, and a parser that overruns the stack ends the process.
    """
    text = data.decode()
    brackets = _NO_BRACKET.sub("", _STRINGS.sub("", text))
    if max(accumulate(map(_STEP.__getitem__, brackets)), default=0) > MAX_DEPTH:
        raise ValueError(f"nested deeper than {MAX_DEPTH} levels")
    return json.loads(text)
