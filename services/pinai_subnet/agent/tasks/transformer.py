"""The small program that evaluates JMESPath expressions. Started as a script of its own; imports nothing of ours.

It reads requests from standard input and writes answers to standard output, each a 4-byte big-endian length and that
many bytes of JSON. It is killed from outside when a request takes too long, and limits its own memory.

Argument: a JSON object with `memory_bytes` and `max_result_bytes`.
"""

import json
import resource
import sys
from typing import Any, BinaryIO

import jmespath
from jmespath.exceptions import JMESPathError


class _TooLarge(Exception):
    """The result exceeds the limit."""


def main() -> None:
    """Answer requests until the input ends."""
    limits = json.loads(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_AS, (limits["memory_bytes"],) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    source, target = sys.stdin.buffer, sys.stdout.buffer
    _write(target, b"+")  # the interpreter's own start is not the first request's time
    while (request := _read(source)) is not None:
        _write(target, _answer(request, limits["max_result_bytes"]))


def _write(target: BinaryIO, answer: bytes) -> None:
    target.write(len(answer).to_bytes(4, "big") + answer)
    target.flush()


def _read(source: BinaryIO) -> bytes | None:
    head = source.read(4)
    return source.read(int.from_bytes(head, "big")) if len(head) == 4 else None


def _answer(request: bytes, limit: int) -> bytes:
    """Return the result's JSON after a `+`, or the reason after a `-`."""
    try:
        payload = json.loads(request)
        result = jmespath.search(payload["expression"], payload["data"])
        return b"+" + _encoded(result, limit)
    except JMESPathError as exc:
        return b"-" + f"expression: {exc}"[:500].encode()
    except _TooLarge:
        return b"-" + f"the result is larger than {limit} bytes".encode()
    except (RecursionError, MemoryError):
        return b"-payload or result is nested too deeply or too large"
    except (TypeError, ValueError, AttributeError, KeyError, OverflowError) as exc:
        return b"-" + f"{type(exc).__name__}: {exc}"[:500].encode()


def _encoded(result: Any, limit: int) -> bytes:
    """Encode piece by piece: a small expression can describe a result of any size."""
    encoder = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)
    pieces: list[str] = []
    size = 0
    for piece in encoder.iterencode(result):
        size += len(piece)
        if size > limit:
            raise _TooLarge
        pieces.append(piece)
    return "".join(pieces).encode("ascii")


if __name__ == "__main__":
    main()
