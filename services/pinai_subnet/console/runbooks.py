"""The runbooks' pages, one for each alert, as HTML. Knows as much of Markdown as the pages use; all text is escaped."""

import re
from collections.abc import Iterator
from pathlib import Path

from markupsafe import Markup, escape

_PACKAGED = Path(__file__).with_name("runbooks")
_IN_THE_SOURCES = Path(__file__).resolve().parents[3] / "deployment" / "observability" / "runbooks"
_BLOCKS = re.compile(r"```[a-z]*\n(?P<listing>.*?)\n```|(?P<paragraph>[^\n]+)", re.DOTALL)
_MARKED = re.compile(
    r"\*\*(?P<strong>[^*]+)\*\*|`(?P<code>[^`]+)`|\[(?P<text>\w+)\]\((?P<page>\w+)\.md\)"
)


class Runbooks:
    """All pages, read once at the start."""

    def __init__(self) -> None:
        """Read them from the package, or from a source tree; an installation without them cannot start."""
        directory = _PACKAGED if _PACKAGED.is_dir() else _IN_THE_SOURCES
        self._pages = {
            path.stem: html_of(path.read_text(encoding="utf-8"))
            for path in sorted(directory.glob("*.md"))
        }
        if not self._pages:
            raise FileNotFoundError(f"no runbooks in {directory}")

    @property
    def names(self) -> tuple[str, ...]:
        """The alerts' names."""
        return tuple(self._pages)

    def find(self, name: str) -> Markup | None:
        """Return one page without its heading."""
        return self._pages.get(name)


def html_of(text: str) -> Markup:
    """Return a page's listings and paragraphs; its heading, the first line, is left out."""
    return Markup("\n").join(_blocks(text.partition("\n")[2]))


def _blocks(text: str) -> Iterator[Markup]:
    for block in _BLOCKS.finditer(text):
        if block["listing"] is not None:
            yield Markup("<pre><code>{}</code></pre>").format(block["listing"])
        else:
            yield Markup("<p>{}</p>").format(_inline(block["paragraph"]))


def _inline(text: str) -> Markup:
    found, last = Markup(), 0
    for match in _MARKED.finditer(text):
        found += escape(text[last : match.start()])
        last = match.end()
        if match["strong"]:
            found += Markup("<strong>{}</strong>").format(match["strong"])
        elif match["code"]:
            found += Markup("<code>{}</code>").format(match["code"])
        else:
            found += Markup('<a href="/runbooks/{}">{}</a>').format(match["page"], match["text"])
    return found + escape(text[last:])
