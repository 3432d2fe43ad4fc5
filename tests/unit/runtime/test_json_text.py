"""JSON from outside is read or refused in one way, whatever the interpreter's own guard is set to."""

import json
import sys

import pytest

from pinai_subnet.runtime.json_text import MAX_DEPTH, parse_json


@pytest.mark.parametrize("document", [{}, [], {"a": [1, "]]]}{", None, 2.5]}, "text", 7, None])
def test_what_json_says_is_returned(document: object) -> None:
    assert parse_json(json.dumps(document).encode()) == document


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b'{"a": }', b'"' + b"\\" * 9, b"]" * 9])
def test_what_is_no_json_is_one_kind_of_error(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - which words, json decides
        parse_json(data)


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_deep_nesting_is_refused_also_where_a_library_has_raised_the_limit(opening: bytes) -> None:
    """Known to end the process otherwise: the parser overruns the stack."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(1_000_000)
    try:
        with pytest.raises(ValueError, match=f"deeper than {MAX_DEPTH}"):
            parse_json(opening * 300_000)
    finally:
        sys.setrecursionlimit(before)


def test_nesting_up_to_the_limit_is_read() -> None:
    assert parse_json(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)
