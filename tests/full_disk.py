"""A disk that is full for SQLite, in this process and without a file system of its own: files may not grow."""

import sqlite3
from dataclasses import dataclass
from typing import Any

import pytest

from pinai_subnet.runtime import sqlite as module


@dataclass(slots=True)
class Disk:
    """Says whether database files may grow; made before the databases are opened."""

    full: bool = False

    def install(self, monkeypatch: pytest.MonkeyPatch) -> "Disk":
        """Let every database that is opened from now on live on this disk."""
        real = module._commit_group

        def limited(connection: sqlite3.Connection, group: list[Any]) -> list[Any]:
            # SQLite takes a smaller number as "not one page more than there are".
            connection.execute(f"PRAGMA max_page_count = {1 if self.full else 1 << 30}")
            return real(connection, group)

        monkeypatch.setattr(module, "_commit_group", limited)
        monkeypatch.setattr(module, "_NO_ROOM_SECONDS", 0.05)
        return self
