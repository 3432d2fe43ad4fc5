"""Pages of the journal: exactly what was asked for, and found without reading any intent but those shown."""

import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pinai_subnet.matcher import reading, statistics, store
from pinai_subnet.matcher.reading import Listing
from pinai_subnet.protocol.canaries import CANARY_TYPE

COUNT = 1000
TYPES = ("echo", "script", CANARY_TYPE)
NOTHING = b"not an intent: nobody may read it"


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    """A journal whose intents cannot be decoded."""
    found = sqlite3.connect(":memory:")
    for migration in store.MIGRATIONS:
        found.executescript(migration)
    rows = [
        (
            f"0x{number:064x}",
            TYPES[number % 3],
            "completed" if number % 10 else "failed",
            1,
            number,
            number + 5,
            NOTHING,
            NOTHING,
        )
        for number in range(COUNT)
    ]
    found.executemany("INSERT INTO intents VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
    yield found
    found.close()


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of the intents that a page reads."""
    found: list[int] = []
    monkeypatch.setattr(store, "read_case", lambda _, intent_id: found.append(int(intent_id, 16)))
    return found


def numbers(*, intent_type: str = "", phase: str = "") -> list[int]:
    """The intents of the fixture that fit, newest first."""
    return [
        number
        for number in reversed(range(COUNT))
        if phase in ("", "completed" if number % 10 else "failed")
        and (TYPES[number % 3] == intent_type or (not intent_type and number % 3 != 2))
    ]


@pytest.mark.parametrize("offset", [0, 50, 600, 5000])
@pytest.mark.parametrize("phase", ["", "failed", "open"])
@pytest.mark.parametrize("intent_type", ["", "script", CANARY_TYPE, "unheard-of"])
def test_a_page_holds_what_fits_newest_first_and_says_how_many_there_are(
    connection: sqlite3.Connection, shown: list[int], offset: int, phase: str, intent_type: str
) -> None:
    asked = Listing(phase=phase, intent_type=intent_type, limit=50, offset=offset)
    total, _ = reading.page(connection, asked)
    fitting = numbers(intent_type=intent_type, phase=phase)
    assert total == len(fitting)
    assert shown == fitting[offset : offset + 50]


def test_ended_intents_come_last_to_end_first(
    connection: sqlite3.Connection, shown: list[int]
) -> None:
    total, _ = reading.ended(connection, limit=20, offset=100)
    assert total == len(numbers())
    assert shown == numbers()[100:120]


@pytest.mark.parametrize(
    "ask",
    [
        lambda c: reading.page(c, Listing(offset=900)),
        lambda c: reading.page(c, Listing(phase="failed", intent_type="script")),
        lambda c: reading.ended(c, limit=50, offset=900),
        lambda c: statistics.count(c, 0),
    ],
    ids=["newest", "filtered", "ended", "outcomes"],
)
def test_finding_and_counting_read_an_index_only(
    connection: sqlite3.Connection, shown: list[int], ask: Callable[[sqlite3.Connection], Any]
) -> None:
    statements: list[str] = []
    connection.set_trace_callback(statements.append)
    ask(connection)
    connection.set_trace_callback(None)
    assert len(statements) == 2
    for statement in statements:
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")]
        assert len(plan) == 1, plan
        assert "USING COVERING INDEX" in plan[0], plan
    assert len(shown) <= 50
