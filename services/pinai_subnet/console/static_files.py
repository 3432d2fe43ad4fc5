"""The few files a page loads, all from this host: our own, and the client library as its package carries it."""

from dataclasses import dataclass
from hashlib import sha256
from importlib import resources
from pathlib import Path

_OWN = Path(__file__).with_name("static")
_LIBRARY = resources.files("django_htmx") / "static" / "django_htmx"
_JAVASCRIPT = "text/javascript; charset=utf-8"
_SOURCES = {
    "console.css": (_OWN / "console.css", "text/css; charset=utf-8"),
    "console.js": (_OWN / "console.js", _JAVASCRIPT),
    "icon.svg": (_OWN / "icon.svg", "image/svg+xml"),
    "htmx.js": (_LIBRARY / "htmx-2.min.js", _JAVASCRIPT),
    "events.js": (_LIBRARY / "ext" / "hx-sse-2.min.js", _JAVASCRIPT),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticFile:
    """One file, with a version that changes when it does."""

    content: bytes
    media_type: str
    version: str


class StaticFiles:
    """All files, read once at the start."""

    def __init__(self) -> None:
        """Read them; a file that is missing from an installation ends the start."""
        self._files = {
            name: StaticFile(
                content=content, media_type=media_type, version=sha256(content).hexdigest()[:12]
            )
            for name, (path, media_type) in _SOURCES.items()
            for content in (path.read_bytes(),)
        }

    def find(self, name: str) -> StaticFile | None:
        """Return one file."""
        return self._files.get(name)

    def address(self, name: str) -> str:
        """Return where a page finds a file; it may be kept for ever."""
        return f"/static/{name}?v={self._files[name].version}"
