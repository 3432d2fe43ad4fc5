"""Structured logs on stderr, with keys and tokens removed. Not what is worth logging."""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any, TextIO, cast

import structlog
from structlog.typing import EventDict, Processor

from pinai_subnet.runtime.log_file import open_output
from pinai_subnet.runtime.log_repeats import HoldBackRepeats
from pinai_subnet.runtime.secret_names import MASK, is_secret_name

_LABELLED = re.compile(
    r"(?P<label>\w*(?:key|secret|token|passw(?:or)?d|passphrase|private)\w*"
    r"[\"']?\s*(?:=|:|is)?\s*[\"'(b]*)"
    r"(?P<value>(?:0[xX])?[0-9a-fA-F]{64}(?![0-9a-fA-F]))",
    re.IGNORECASE,
)
_PASSWORD = re.compile(
    r"(?P<label>\b\w*(?:passw(?:or)?d|secret|token)[\"']?\s*[=:]\s*[\"']?)(?P<value>[^\s\"',;)}]+)",
    re.IGNORECASE,
)
_BEARER = re.compile(r"(?P<label>\bbearer\s+)(?P<value>[A-Za-z0-9._~+/=-]+)", re.IGNORECASE)
_USERINFO = re.compile(r"(?P<label>://[^/\s:@]*:)(?P<value>[^/\s@]+)(?=@)")
_PATTERNS = (_LABELLED, _PASSWORD, _BEARER, _USERINFO)
_MAX_DEPTH = 8
_MAX_KIND = 200

MAX_MB = 50.0
FILES = 4.0
REPEAT_SECONDS = 10.0

_LEVELS = {"DEBUG", "INFO", "WARNING", "ERROR"}
_QUIET = (
    "uvicorn",
    "uvicorn.error",
    "uvicorn.access",
    "asyncio",
    "httpx",
    "httpcore",
    "grpc",
    "pysyncobj",
)


def redact_text(text: str) -> str:
    """Return the text without private keys, tokens and passwords; ids and digests stay."""
    for pattern in _PATTERNS:
        text = pattern.sub(_masked, text)
    return text


def redact(value: Any, name: str = "", depth: int = 0) -> Any:
    """Return a value as it may be logged under this field name; mappings and sequences are searched."""
    if name and is_secret_name(name) and value not in (None, "", False):
        return MASK
    if isinstance(value, BaseException):
        value = f"{type(value).__name__}: {value}"
    if isinstance(value, str):
        return redact_text(value)
    if depth >= _MAX_DEPTH:
        return value
    if isinstance(value, Mapping):
        return {key: redact(item, str(key), depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redact(item, name, depth + 1) for item in value]
    return value


def _masked(match: re.Match[str]) -> str:
    label = match.group("label")
    if re.search(r"public|pub_?key", label, re.IGNORECASE):
        return match.group(0)
    return label + MASK


def _redact_event(_: Any, __: str, event: EventDict) -> EventDict:
    return {key: redact(value, key) for key, value in event.items()}


class _AddProcess:
    """Puts the process name on every line."""

    def __init__(self, process: str) -> None:
        self._process = process

    def __call__(self, _: Any, __: str, event: MutableMapping[str, Any]) -> EventDict:
        event.setdefault("process", self._process)
        return event


def configure_logging(
    process: str, *, environ: Mapping[str, str], stream: TextIO | None = None
) -> None:
    """Set up logging once per process: JSON unless on a terminal, level by `LOG_LEVEL`, form by `LOG_FORMAT`.

    `LOG_FORMAT` is `json` or `console`; `LOG_LEVEL` is DEBUG, INFO (default), WARNING or ERROR. `LOG_FILE` names the
    file that is written, a new one whenever it has `LOG_MAX_MB`, `LOG_FILES` full ones kept. Equal warnings and errors
    are told once in `LOG_REPEAT_SECONDS`, then counted; 0 tells all. An unknown value falls back to the default, and a
    file that cannot be written to stderr: logging never keeps a process from starting.
    """
    out = _output(stream or sys.stderr, environ)
    repeats = HoldBackRepeats(
        interval_seconds=_number(environ, "LOG_REPEAT_SECONDS", REPEAT_SECONDS)
    )
    level = environ.get("LOG_LEVEL", "INFO").upper()
    level = level if level in _LEVELS else "INFO"
    form = environ.get("LOG_FORMAT", "").lower()
    as_json = form == "json" or (form != "console" and not out.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _AddProcess(process),
        structlog.processors.format_exc_info,
        _redact_event,
    ]
    renderer: Processor = (
        structlog.processors.JSONRenderer(sort_keys=False)
        if as_json
        else structlog.dev.ConsoleRenderer(colors=out.isatty())
    )
    structlog.configure(
        processors=[*shared[:-2], repeats, *shared[-2:], renderer],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level)),
        logger_factory=structlog.WriteLoggerFactory(file=out),
        cache_logger_on_first_use=False,
    )
    _route_standard_logging(shared, renderer, out, level, repeats)


def _output(stream: TextIO, environ: Mapping[str, str]) -> TextIO:
    name = environ.get("LOG_FILE", "")
    if not name:
        return stream
    max_bytes = int(_number(environ, "LOG_MAX_MB", MAX_MB) * 1_048_576)
    keep = int(_number(environ, "LOG_FILES", FILES))
    try:
        output = open_output(stream, Path(name), max_bytes=max(1, max_bytes), keep=keep)
    except OSError:
        return stream
    return cast("TextIO", output)


def _number(environ: Mapping[str, str], name: str, default: float) -> float:
    try:
        value = float(environ.get(name, "") or default)
    except ValueError:
        return default
    return value if 0 <= value < float("inf") else default


class _Repeats(logging.Filter):
    """Holds back repeated warnings of libraries as those of our own."""

    def __init__(self, repeats: HoldBackRepeats) -> None:
        super().__init__()
        self._repeats = repeats

    def filter(self, record: logging.LogRecord) -> bool:
        """Let the first of a kind pass: the same logger and the same text before its values are put in."""
        kind = (record.name, str(record.msg)[:_MAX_KIND])
        passes, held_back = self._repeats.admit(record.name, record.levelname.lower(), kind)
        if held_back:
            record.held_back = held_back
        return passes


def _route_standard_logging(
    shared: list[Processor],
    renderer: Processor,
    out: TextIO,
    level: str,
    repeats: HoldBackRepeats,
) -> None:
    """Give the libraries' loggers the same form; theirs are details, so only warnings pass at INFO."""
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    handler.addFilter(_Repeats(repeats))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    quiet = level if level == "DEBUG" else "WARNING"
    for name in _QUIET:
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True
        library.setLevel(quiet)


def get_logger(**fields: Any) -> structlog.typing.FilteringBoundLogger:
    """Return a logger with these fields on every line; made before or after `configure_logging` alike."""
    return cast("structlog.typing.FilteringBoundLogger", structlog.get_logger(**fields))
