"""Which backup was checked last against this network, remembered in its home. Checks nothing itself."""

import json
import time
from pathlib import Path

from pinai_subnet.cli.home import Home
from pinai_subnet.insight.network_status import BackupView
from pinai_subnet.runtime.files import write_private

_FILE = "last-verified-backup.json"


def remember_verified(home: Home, file: Path, *, index: int, how: str) -> None:
    """Keep that a backup was found good now; a home that cannot be written keeps its older word."""
    fact = {
        "file": str(file),
        "index": index,
        "how": how,
        "verified_at_ms": int(time.time() * 1000),
    }
    try:
        write_private(home.root / _FILE, json.dumps(fact).encode())
    except OSError:
        # The check itself was good, and its result has been told; a read-only home is no reason to fail it.
        return


def last_verified(home: Home) -> BackupView | None:
    """Return the newest check that is remembered; None where there was none or its note cannot be read."""
    try:
        fact = json.loads((home.root / _FILE).read_text(encoding="utf-8"))
        return BackupView(
            file=str(fact["file"]),
            index=int(fact["index"]),
            verified_at_ms=int(fact["verified_at_ms"]),
            how=str(fact["how"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
