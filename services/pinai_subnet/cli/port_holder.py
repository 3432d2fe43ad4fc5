"""Who has a TCP port of this host: read from /proc, for a message that names the process. Ends nobody."""

from contextlib import suppress
from pathlib import Path

_LISTEN = "0A"


def holder_of(port: int) -> str:
    """Return `pid 4121 (name)` of who listens on a port; empty where that cannot be seen."""
    inodes = _inodes(port)
    if not inodes:
        return ""
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        with suppress(OSError):
            for descriptor in (process / "fd").iterdir():
                with suppress(OSError):
                    if str(descriptor.readlink()) in inodes:
                        name = (process / "comm").read_text(encoding="utf-8", errors="replace")
                        return f"pid {process.name} ({name.strip()})"
    return ""


def _inodes(port: int) -> set[str]:
    wanted = f":{port:04X}"
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with suppress(OSError):
            for line in Path(table).read_text(encoding="ascii").splitlines()[1:]:
                words = line.split()
                if words[1].endswith(wanted) and words[3] == _LISTEN:
                    found.add(f"socket:[{words[9]}]")
    return found
