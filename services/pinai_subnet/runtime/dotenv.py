"""The one reader of `.env` files. Not how variables get into settings (see `settings`); values are never printed."""

import io
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from dotenv.parser import Binding, parse_stream

from pinai_subnet.runtime.errors import StartupError, StartupProblem, cannot_start

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class DotEnv:
    """What one `.env` file says."""

    values: dict[str, str]
    origins: dict[str, str]
    """For each variable its `file:line`."""
    notices: tuple[str, ...]
    """What was tolerated, for the operator to know."""


def read_dotenv(path: Path) -> DotEnv:
    """Read a `.env` file; raise `StartupError` with every problem (SN-C008 to SN-C011).

    Quotes, spaces, `export` and ` # comments` are understood; `$` is literal, nothing is expanded. CRLF and a byte
    order mark are tolerated with a notice. A key given twice is fatal. The file must be private to its owner.
    """
    try:
        mode = path.stat().st_mode
        raw = path.read_bytes()
    except OSError as exc:
        raise cannot_start(
            "SN-C008",
            f"cannot read {path}: {exc.strerror}",
            where=str(path),
            fix=f"create {path} or correct its path and permissions",
        ) from exc
    problems = []
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        problems.append(
            StartupProblem(
                "SN-C011",
                f"{path} has mode {stat.S_IMODE(mode):04o}: other users can access the secrets in it; expected 0600",
                str(path),
                f"chmod 600 {path}",
            )
        )
    try:
        read = parse_dotenv(raw, name=str(path))
    except StartupError as exc:
        raise StartupError([*problems, *exc.problems]) from exc
    if problems:
        raise StartupError(problems)
    return read


def parse_dotenv(raw: bytes, *, name: str) -> DotEnv:
    """Parse the bytes of a `.env` file called `name`; raise `StartupError` with every problem."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise cannot_start(
            "SN-C010",
            f"byte {exc.start} is not UTF-8",
            where=name,
            fix=f"save {name} as UTF-8 text",
        ) from exc
    notices = []
    if text.startswith("\ufeff"):
        text = text.removeprefix("\ufeff")
        notices.append(f"{name}: starts with a byte order mark; ignored")
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        notices.append(f"{name}: has Windows line ends (CRLF); read as plain line ends")
    return _collect(text, name, notices)


def _collect(text: str, name: str, notices: list[str]) -> DotEnv:
    values: dict[str, str] = {}
    lines: dict[str, int] = {}
    problems: list[StartupProblem] = []
    for binding in parse_stream(io.StringIO(text)):
        line = _line(binding)
        problem = _malformed(binding, f"{name}:{line}")
        if problem is not None:
            problems.append(problem)
        elif binding.key is not None and binding.key in values:
            problems.append(
                StartupProblem(
                    "SN-C009",
                    f"{binding.key} is set twice, at lines {lines[binding.key]} and {line}",
                    f"{name}:{line}",
                    "keep one of the two lines",
                )
            )
        elif binding.key is not None:
            values[binding.key] = binding.value or ""
            lines[binding.key] = line
    if problems:
        raise StartupError(problems)
    origins = {key: f"{name}:{line}" for key, line in lines.items()}
    return DotEnv(values=values, origins=origins, notices=tuple(notices))


def _line(binding: Binding) -> int:
    """Return the line on which the binding itself starts; the parser counts blank lines before it in."""
    text = binding.original.string
    blank = text[: len(text) - len(text.lstrip())]
    return binding.original.line + blank.count("\n")


def _malformed(binding: Binding, where: str) -> StartupProblem | None:
    """Return what is wrong with a line, without showing any of its value."""
    if binding.error:
        message = "this line is not NAME=value (an unclosed quote, or text after a closing quote?)"
    elif binding.key is None:
        return None
    elif not _NAME.fullmatch(binding.key):
        message = "the name before = has characters other than letters, digits and underscore"
    elif binding.value is None:
        message = f"{binding.key} has no = and no value"
    else:
        return None
    return StartupProblem("SN-C010", message, where, 'write NAME=value or NAME="value"')
