"""Structured logs on stderr, with keys and tokens removed. Not what is worth logging."""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO, cast

import structlog
from structlog.typing import EventDict, Processor

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

    `LOG_FORMAT` is `json` or `console`; `LOG_LEVEL` is DEBUG, INFO (default), WARNING or ERROR. An unknown value
    falls back to the default: logging never keeps a process from starting.
    """
    out = stream or sys.stderr
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
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level)),
        logger_factory=structlog.WriteLoggerFactory(file=out),
        cache_logger_on_first_use=False,
    )
    _route_standard_logging(shared, renderer, out, level)


def _route_standard_logging(
    shared: list[Processor], renderer: Processor, out: TextIO, level: str
) -> None:
    """Give the libraries' loggers the same form; theirs are details, so only warnings pass at INFO."""
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
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
