"""`${VAR}` inside one already parsed text. Not YAML: a value can never change the structure around it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_TOKEN = re.compile(
    r"\$\$"
    r"|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?:(?P<operator>:-|:\?)(?P<argument>[^${}]*))?\}"
    r"|(?P<malformed>\$\{[^}]*\}?)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expansion:
    """The result of expanding one text."""

    text: str
    names: tuple[str, ...]
    """Variables that were asked for."""
    missing: tuple[tuple[str, str], ...]
    """Variables that have no value, each with the message of `${VAR:?message}` or an empty text."""
    malformed: tuple[str, ...]
    """Forms that are not `${VAR}`, `${VAR:-default}` or `${VAR:?message}`."""


def expand(text: str, environ: Mapping[str, str]) -> Expansion:
    """Expand `${VAR}`, `${VAR:-default}`, `${VAR:?message}` and `$$`; a lone `$` stays.

    An empty variable counts as missing, so that a forgotten value is never taken for a chosen one; write `${VAR:-}`
    where empty is meant. Values are not expanded again. A default is plain text without braces.
    """
    names: list[str] = []
    missing: list[tuple[str, str]] = []
    malformed: list[str] = []

    def replace(match: re.Match[str]) -> str:
        if match.group(0) == "$$":
            return "$"
        if match.group("malformed"):
            malformed.append(match.group("malformed"))
            return ""
        name, operator = match.group("name"), match.group("operator")
        names.append(name)
        value = environ.get(name, "")
        if value:
            return value
        if operator == ":-":
            return match.group("argument")
        missing.append((name, (match.group("argument") or "").strip()))
        return ""

    expanded = _TOKEN.sub(replace, text)
    return Expansion(
        text=expanded, names=tuple(names), missing=tuple(missing), malformed=tuple(malformed)
    )
