"""Templates to HTML, and how times, amounts and long ids read on a page. Every value is escaped; knows no route."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from pinai_subnet.wire.catalogue import CATALOGUE

_MARKED = re.compile(r"SN-[A-Z][0-9]{3}|`(?P<command>[^`\n]{1,200})`")
_UNITS = ((172_800.0, 86_400.0, "d"), (3600.0, 3600.0, "h"), (60.0, 60.0, "min"))
"""From which length on, the size of the unit, its name."""
NOTHING = ""
"""What is not told: an empty cell, which the style sheet marks on a wide screen and leaves out on a phone."""
_GAP = "\u00a0"
"""Between a number and its unit, so that they stay together."""
MAX_TEXT = 400
"""Longest text of somebody else that a page shows; the rest is cut off, and said to be."""


def make_environment(static: Callable[[str], str]) -> Environment:
    """Return the templates; `static` gives the address of a file that the console serves itself."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "amount": amount,
        "bytes": byte_size,
        "clip": clipped,
        "codes": with_codes,
        "day": day_text,
        "duration": duration,
        "number": number,
        "percent": percent,
        "sentence": lambda text: str(text)[:1].upper() + str(text)[1:],
        "segment": lambda text: quote(str(text), safe=""),
        "short": short_id,
        "time": time_text,
        "iso": iso_text,
    }
    environment.globals |= {"static": static}
    return environment


def duration(seconds: float | None) -> str:
    """Return a length of time as people say it: `4 ms`, `0.74 s`, `12.3 s`, `4 min`, `3 h`, `12 d`."""
    if seconds is None:
        return NOTHING
    sign, seconds = ("-", -seconds) if seconds < 0 else ("", seconds)
    if seconds < 0.1:
        return f"{sign}{seconds * 1000:.0f}{_GAP}ms"
    if seconds < 10:
        return f"{sign}{seconds:.2f}{_GAP}s"
    if seconds < 60:
        return f"{sign}{seconds:.1f}{_GAP}s"
    for least, size, unit in _UNITS:
        if seconds >= least:
            return f"{sign}{seconds / size:.0f}{_GAP}{unit}"
    return NOTHING


def _moment(at_ms: float | None) -> datetime | None:
    try:
        return None if at_ms is None else datetime.fromtimestamp(at_ms / 1000, UTC)
    except (OverflowError, OSError, ValueError):
        return None


def time_text(at_ms: float | None) -> str:
    """Return the time of day in UTC."""
    at = _moment(at_ms)
    return NOTHING if at is None else f"{at:%H:%M:%S}"


def day_text(at_ms: float | None) -> str:
    """Return date and time in UTC."""
    at = _moment(at_ms)
    return NOTHING if at is None else f"{at:%Y-%m-%d %H:%M:%S}"


def iso_text(at_ms: float | None) -> str:
    """Return the time for machines."""
    at = _moment(at_ms)
    return "" if at is None else at.isoformat(timespec="milliseconds")


def number(value: float | None) -> str:
    """Return a count with thin spaces between groups of three digits."""
    return NOTHING if value is None else f"{value:,}".replace(",", "\u202f")


def percent(ratio: float | None, digits: int = 0) -> str:
    """Return a share of one as a percentage."""
    return NOTHING if ratio is None else f"{ratio * 100:.{digits}f}{_GAP}%"


def byte_size(value: float | None) -> str:
    """Return an amount of data."""
    if value is None:
        return NOTHING
    for unit in ("B", "kB", "MB", "GB"):
        if abs(value) < 1000:
            return f"{value:.0f}{_GAP}B" if unit == "B" else f"{value:.1f}{_GAP}{unit}"
        value /= 1000
    return f"{value:.1f}{_GAP}TB"


def amount(wei: object) -> str:
    """Return an amount of the smallest unit in whole coins, exactly; a text that is no number as it is."""
    text = str(wei)
    if not (text.isascii() and text.isdigit()) or len(text) > 60:
        return clipped(text, 60)
    whole, fraction = divmod(int(text), 10**18)
    digits = f"{fraction:018d}".rstrip("0")
    return f"{whole}.{digits}" if digits else str(whole)


def short_id(text: object) -> str:
    """Return the beginning and the end of a long id; a short one whole."""
    whole = str(text)
    return whole if len(whole) <= 18 else f"{whole[:10]}…{whole[-6:]}"


def clipped(text: object, limit: int = MAX_TEXT) -> str:
    """Return a text, cut off where it is too long to be read."""
    whole = str(text)
    return whole if len(whole) <= limit else f"{whole[:limit]}… ({len(whole)} characters)"


def with_codes(text: object) -> Markup:
    """Return a text, escaped, in which every code of the catalogue leads to its page and `commands` look like ones."""
    whole = clipped(text)
    found, last = Markup(""), 0
    for match in _MARKED.finditer(whole):
        found += escape(whole[last : match.start()])
        last = match.end()
        if match["command"] is not None:
            found += Markup("<code>{}</code>").format(match["command"])
        elif match[0] in CATALOGUE:
            found += Markup('<a class="code" href="/codes/{0}">{0}</a>').format(match[0])
        else:
            found += escape(match[0])
    return found + escape(whole[last:])


class Renderer:
    """Renders templates with what every page needs."""

    def __init__(self, environment: Environment, always: Mapping[str, Any]) -> None:
        """Give `always` to every template."""
        self._environment = environment
        self._always = dict(always)

    def render(self, template: str, **values: Any) -> str:
        """Return the HTML."""
        return self._environment.get_template(template).render(self._always | values)
