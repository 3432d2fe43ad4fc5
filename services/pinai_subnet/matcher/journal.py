"""Everything open, durably: what changed in memory is marked and written in groups, so that a restart resumes it.

Marks are free and never wait; `durable` waits until all marks made before it are on disk. Encoding happens when a group
is written, so an intent that moved twice in between costs one write. How rows look is in `store`.
"""

import asyncio
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from pinai_subnet.matcher import store
from pinai_subnet.matcher.agents import AgentState
from pinai_subnet.matcher.case import Attempt, Case
from pinai_subnet.protocol.assignments import Assignment
from pinai_subnet.protocol.bids import Bid
from pinai_subnet.protocol.ids import AgentId, AssignmentId, IntentId
from pinai_subnet.runtime.sqlite import SqliteDatabase
from pinai_subnet.runtime.stop import Stop

_Statement = tuple[str, tuple[object, ...]]

CURSOR = "outcome_sequence"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """What a restart finds."""

    cases: Sequence[Case]
    agents: Sequence[AgentState]
    outbox: Sequence[tuple[int, Assignment]]
    cursor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Which stored intents to list; empty texts match everything."""

    phase: str = ""
    intent_type: str = ""
    limit: int = 50
    offset: int = 0


class Journal:
    """The matcher's memory on disk. One loop (`run`) writes; everybody else marks and, where it matters, waits."""

    def __init__(self, database: SqliteDatabase) -> None:
        """Use an open database made with `store.MIGRATIONS`."""
        self._database = database
        self._new: dict[IntentId, Case] = {}
        self._cases: dict[IntentId, Case] = {}
        self._bids: dict[tuple[IntentId, AgentId], Bid] = {}
        self._attempts: dict[AssignmentId, Attempt] = {}
        self._agents: dict[AgentId, AgentState] = {}
        self._outbox: dict[int, Assignment | None] = {}
        self._cursor: int | None = None
        self._marked = 0
        self._written = 0
        self._ended = False
        self._wake = asyncio.Event()
        self._waiters: list[tuple[int, asyncio.Future[None]]] = []

    def opened(self, case: Case) -> None:
        """Mark a new intent."""
        self._new[case.intent.intent_id] = case
        self._mark()

    def moved(self, case: Case) -> None:
        """Mark a changed intent."""
        self._cases[case.intent.intent_id] = case
        self._mark()

    def bid(self, bid: Bid) -> None:
        """Mark a standing bid."""
        self._bids[bid.intent_id, bid.agent_id] = bid
        self._mark()

    def attempt(self, attempt: Attempt) -> None:
        """Mark a new or changed assignment."""
        self._attempts[attempt.assignment_id] = attempt
        self._mark()

    def agent(self, state: AgentState) -> None:
        """Mark a changed agent."""
        self._agents[state.agent_id] = state
        self._mark()

    def post(self, position: int, assignment: Assignment) -> None:
        """Mark an assignment that RootLayer must hear of."""
        self._outbox[position] = assignment
        self._mark()

    def posted(self, position: int) -> None:
        """Mark one that RootLayer has answered."""
        self._outbox[position] = None
        self._mark()

    def cursor(self, sequence: int) -> None:
        """Mark how far the validators' outcomes have been taken."""
        self._cursor = sequence
        self._mark()

    async def durable(self) -> None:
        """Wait until everything marked so far is on disk; raise what kept it from getting there."""
        if self._ended:
            # Who still works while the process stops writes for itself.
            await self.flush()
        if self._written >= self._marked:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append((self._marked, future))
        await future

    async def run(self, stop: Stop) -> None:
        """Write marked changes until stopped and nothing is left; a failed write ends the process."""
        try:
            with stop.calling(self._wake.set):
                while True:
                    await self._wake.wait()
                    self._wake.clear()
                    await self.flush()
                    if stop.is_set:
                        return
        finally:
            self._ended = True
            self._release(RuntimeError("the journal has stopped"))

    async def flush(self) -> None:
        """Write what is marked now."""
        while self._written < self._marked:
            upto = self._marked
            statements = self._statements()
            try:
                await self._database.write(lambda connection, s=statements: _execute(connection, s))  # type: ignore[misc]
            except BaseException as exc:
                self._release(exc if isinstance(exc, Exception) else RuntimeError("interrupted"))
                raise
            self._written = upto
            self._release(None)

    async def resume(self) -> Resumed:
        """Read everything that is open."""
        return await self._database.read(_resume)

    async def case(self, intent_id: IntentId) -> Case | None:
        """Read one intent, also an ended one."""
        return await self._database.read(lambda connection: store.read_case(connection, intent_id))

    async def listing(self, listing: Listing) -> tuple[int, list[Case]]:
        """Read one page of intents, newest first, and how many there are in all."""
        return await self._database.read(lambda connection: _list(connection, listing))

    async def known(self, intent_ids: Sequence[IntentId]) -> set[IntentId]:
        """Return which of these intents are stored."""
        return await self._database.read(lambda connection: _known(connection, intent_ids))

    async def prune(self, before_ms: int) -> int:
        """Delete intents that ended before this moment; return how many."""
        return await self._database.write(lambda connection: _prune(connection, before_ms))

    async def forget_agents(self, before_ms: int) -> None:
        """Delete agents not seen since this moment."""
        statement = "DELETE FROM agents WHERE seen_at_ms < ?"
        await self._database.write(lambda c: c.execute(statement, (before_ms,)).rowcount)

    def _mark(self) -> None:
        self._marked += 1
        self._wake.set()

    def _release(self, error: Exception | None) -> None:
        waiting = self._waiters
        self._waiters = []
        for upto, future in waiting:
            if future.done():
                continue
            if error is not None:
                future.set_exception(error)
            elif upto <= self._written:
                future.set_result(None)
            else:
                self._waiters.append((upto, future))

    def _statements(self) -> list[_Statement]:
        new, cases, self._new, self._cases = self._new, self._cases, {}, {}
        bids, attempts, self._bids, self._attempts = self._bids, self._attempts, {}, {}
        agents, outbox, self._agents, self._outbox = self._agents, self._outbox, {}, {}
        statements = [_insert_case(case) for case in new.values()]
        statements += [_update_case(case) for key, case in cases.items() if key not in new]
        statements += [_upsert_bid(bid) for bid in bids.values()]
        statements += [_upsert_attempt(attempt) for attempt in attempts.values()]
        statements += [_upsert_agent(state) for state in agents.values()]
        statements += [_outbox_row(position, entry) for position, entry in outbox.items()]
        if self._cursor is not None:
            statements.append(
                ("INSERT OR REPLACE INTO marks VALUES (?, ?)", (CURSOR, self._cursor))
            )
            self._cursor = None
        return statements


def _execute(connection: sqlite3.Connection, statements: Sequence[_Statement]) -> None:
    for sql, parameters in statements:
        connection.execute(sql, parameters)


def _insert_case(case: Case) -> _Statement:
    window = case.window
    return (
        "INSERT OR REPLACE INTO intents VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            case.intent.intent_id,
            case.intent.intent_type,
            window.phase.value,
            int(window.phase.final),
            case.seen_at_ms,
            window.finished_at_ms,
            store.encode_intent(case.intent),
            store.encode_state(case),
        ),
    )


def _update_case(case: Case) -> _Statement:
    window = case.window
    return (
        "UPDATE intents SET phase = ?, final = ?, finished_at_ms = ?, state = ? WHERE intent_id = ?",
        (
            window.phase.value,
            int(window.phase.final),
            window.finished_at_ms,
            store.encode_state(case),
            case.intent.intent_id,
        ),
    )


def _upsert_bid(bid: Bid) -> _Statement:
    return (
        "INSERT OR REPLACE INTO bids VALUES (?, ?, ?)",
        (bid.intent_id, bid.agent_id, store.encode(bid)),
    )


def _upsert_attempt(attempt: Attempt) -> _Statement:
    return (
        "INSERT OR REPLACE INTO attempts VALUES (?, ?, ?, ?)",
        (
            attempt.assignment_id,
            attempt.record.assignment.intent_id,
            attempt.record.attempt,
            store.encode(attempt),
        ),
    )


def _upsert_agent(state: AgentState) -> _Statement:
    return (
        "INSERT OR REPLACE INTO agents VALUES (?, ?, ?)",
        (state.agent_id, state.seen_at_ms, store.encode(state)),
    )


def _outbox_row(position: int, assignment: Assignment | None) -> _Statement:
    if assignment is None:
        return "DELETE FROM outbox WHERE position = ?", (position,)
    return "INSERT OR REPLACE INTO outbox VALUES (?, ?)", (position, store.encode(assignment))


def _resume(connection: sqlite3.Connection) -> Resumed:
    row = connection.execute("SELECT value FROM marks WHERE name = ?", (CURSOR,)).fetchone()
    return Resumed(
        cases=store.read_open_cases(connection),
        agents=store.read_agents(connection),
        outbox=store.read_outbox(connection),
        cursor=row[0] if row else 0,
    )


def _list(connection: sqlite3.Connection, listing: Listing) -> tuple[int, list[Case]]:
    where = "WHERE (? = '' OR phase = ?) AND (? = '' OR intent_type = ?)"
    given = (listing.phase, listing.phase, listing.intent_type, listing.intent_type)
    total = connection.execute(f"SELECT count(*) FROM intents {where}", given).fetchone()[0]  # noqa: S608 - a constant
    rows = connection.execute(
        f"SELECT intent_id FROM intents {where} ORDER BY seen_at_ms DESC, intent_id LIMIT ? OFFSET ?",  # noqa: S608 - as above
        (*given, listing.limit, listing.offset),
    ).fetchall()
    cases = [store.read_case(connection, row[0]) for row in rows]
    return total, [case for case in cases if case is not None]


def _known(connection: sqlite3.Connection, intent_ids: Sequence[IntentId]) -> set[IntentId]:
    statement = "SELECT 1 FROM intents WHERE intent_id = ?"
    return {name for name in intent_ids if connection.execute(statement, (name,)).fetchone()}


def _prune(connection: sqlite3.Connection, before_ms: int) -> int:
    old = "(SELECT intent_id FROM intents WHERE final = 1 AND finished_at_ms < ?)"
    connection.execute(f"DELETE FROM bids WHERE intent_id IN {old}", (before_ms,))  # noqa: S608 - a constant
    connection.execute(f"DELETE FROM attempts WHERE intent_id IN {old}", (before_ms,))  # noqa: S608 - a constant
    ended = "DELETE FROM intents WHERE final = 1 AND finished_at_ms < ?"
    return connection.execute(ended, (before_ms,)).rowcount
