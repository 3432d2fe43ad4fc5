"""How cases, attempts, bids and agents look in SQLite: table definitions and encodings. Not when they are written."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

import msgspec

from pinai_subnet.matcher.agents import AgentState
from pinai_subnet.matcher.auction import AuctionRules, Candidate, Scored
from pinai_subnet.matcher.case import Attempt, Case, Decline, RefusedBid, Round
from pinai_subnet.matcher.refusal import Refusal
from pinai_subnet.matcher.window import Window
from pinai_subnet.matcher.wishes import NONE, Wishes
from pinai_subnet.protocol.assignments import Assignment
from pinai_subnet.protocol.bids import Bid
from pinai_subnet.protocol.ids import AgentId
from pinai_subnet.protocol.intents import Intent, IntentStatus

DATABASE = "matcher.sqlite"
"""Its file in the data directory."""

MIGRATIONS = (
    """
CREATE TABLE intents (
  intent_id TEXT PRIMARY KEY, intent_type TEXT NOT NULL, phase TEXT NOT NULL, final INTEGER NOT NULL,
  seen_at_ms INTEGER NOT NULL, finished_at_ms INTEGER NOT NULL, intent BLOB NOT NULL, state BLOB NOT NULL);
CREATE INDEX intents_by_age ON intents (seen_at_ms DESC, intent_id);
CREATE INDEX intents_by_end ON intents (final, finished_at_ms);
CREATE TABLE bids (
  intent_id TEXT NOT NULL, agent_id TEXT NOT NULL, bid BLOB NOT NULL, PRIMARY KEY (intent_id, agent_id)) WITHOUT ROWID;
CREATE TABLE attempts (
  assignment_id TEXT PRIMARY KEY, intent_id TEXT NOT NULL, number INTEGER NOT NULL,
  attempt BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX attempts_by_intent ON attempts (intent_id, number);
CREATE TABLE agents (
  agent_id TEXT PRIMARY KEY, seen_at_ms INTEGER NOT NULL, agent BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE outbox (position INTEGER PRIMARY KEY, assignment BLOB NOT NULL);
CREATE TABLE marks (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
""",
    """
ALTER TABLE bids ADD COLUMN received_at_ms INTEGER NOT NULL DEFAULT 0;
CREATE INDEX bids_by_agent ON bids (agent_id, received_at_ms DESC);
""",
    # Everything that lists are found by and outcomes counted by, so that neither reads a single intent.
    """
CREATE INDEX intents_listed ON intents (seen_at_ms DESC, intent_id, phase, intent_type);
CREATE INDEX intents_ended ON intents (final, finished_at_ms, intent_type, intent_id, phase, seen_at_ms);
DROP INDEX intents_by_age;
DROP INDEX intents_by_end;
""",
)

T = TypeVar("T")


@dataclass(slots=True, kw_only=True)
class CaseState:
    """The part of a case that changes and has no table of its own."""

    window: Window
    seen_at_ms: int
    assign_by_ms: int
    deadline_ms: int
    excluded: dict[AgentId, Refusal] = field(default_factory=dict)
    declined: dict[AgentId, Decline] = field(default_factory=dict)
    wishes: Wishes = NONE
    candidates: tuple[Candidate, ...] = ()
    auction: AuctionRules | None = None
    ranking: tuple[Scored, ...] = ()
    eligible: tuple[str, ...] = ()
    ineligible: dict[str, Refusal] = field(default_factory=dict)
    rounds: list[Round] = field(default_factory=list)
    refused: list[RefusedBid] = field(default_factory=list)


_STATE_FIELDS = tuple(f.name for f in fields(CaseState))
_INTENT_FIELDS = tuple(f.name for f in fields(Intent))
_AMOUNTS = ("tips", "budget")
_encode = msgspec.msgpack.Encoder().encode


def encode(value: Any) -> bytes:
    """Return the stored form of a plain value."""
    return _encode(value)


def decode(data: bytes, kind: type[T]) -> T:
    """Return the value that `encode` stored."""
    return msgspec.msgpack.decode(data, type=kind)


def encode_intent(intent: Intent) -> bytes:
    """Return the stored form; amounts are texts because they may exceed 64 bits."""
    row = {name: getattr(intent, name) for name in _INTENT_FIELDS}
    row.update({name: str(row[name]) for name in _AMOUNTS})
    return _encode(row)


def decode_intent(data: bytes) -> Intent:
    """Return the intent that `encode_intent` stored."""
    row: dict[str, Any] = msgspec.msgpack.decode(data)
    row.update({name: int(row[name]) for name in _AMOUNTS})
    row["status"] = IntentStatus(row["status"])
    return Intent(**row)


def encode_state(case: Case) -> bytes:
    """Return the stored form of what changes in a case."""
    return _encode(CaseState(**{name: getattr(case, name) for name in _STATE_FIELDS}))


def case_from(
    intent: bytes, state: bytes, bids: Sequence[bytes], attempts: Sequence[bytes]
) -> Case:
    """Put a case together again."""
    stored = decode(state, CaseState)
    decoded = (decode(bid, Bid) for bid in bids)
    return Case(
        intent=decode_intent(intent),
        bids={bid.agent_id: bid for bid in decoded},
        attempts=[decode(attempt, Attempt) for attempt in attempts],
        **{name: getattr(stored, name) for name in _STATE_FIELDS},
    )


def read_case(connection: sqlite3.Connection, intent_id: str) -> Case | None:
    """Return one stored case."""
    row = connection.execute(
        "SELECT intent, state FROM intents WHERE intent_id = ?", (intent_id,)
    ).fetchone()
    return None if row is None else _whole(connection, intent_id, row[0], row[1])


def read_open_cases(connection: sqlite3.Connection) -> list[Case]:
    """Return every case that has not ended, oldest first."""
    rows = connection.execute(
        "SELECT intent_id, intent, state FROM intents WHERE final = 0 ORDER BY seen_at_ms, intent_id"
    ).fetchall()
    return [_whole(connection, *row) for row in rows]


def read_agents(connection: sqlite3.Connection) -> list[AgentState]:
    """Return every agent, the least recently seen first."""
    rows = connection.execute("SELECT agent FROM agents ORDER BY seen_at_ms").fetchall()
    return [decode(row[0], AgentState) for row in rows]


def read_outbox(connection: sqlite3.Connection) -> list[tuple[int, Assignment]]:
    """Return what RootLayer has not answered yet, in order."""
    rows = connection.execute(
        "SELECT position, assignment FROM outbox ORDER BY position"
    ).fetchall()
    return [(row[0], decode(row[1], Assignment)) for row in rows]


def _whole(connection: sqlite3.Connection, intent_id: str, intent: bytes, state: bytes) -> Case:
    bids = connection.execute(
        "SELECT bid FROM bids WHERE intent_id = ? ORDER BY agent_id", (intent_id,)
    ).fetchall()
    attempts = connection.execute(
        "SELECT attempt FROM attempts WHERE intent_id = ? ORDER BY number", (intent_id,)
    ).fetchall()
    return case_from(intent, state, [b[0] for b in bids], [a[0] for a in attempts])
