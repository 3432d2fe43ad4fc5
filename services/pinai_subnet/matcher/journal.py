"""Everything open, durably: what changed in memory is marked and written in groups, so that a restart resumes it.

Marks are free and never wait; `durable` waits until all marks made before it are on disk. Encoding happens when a group
is written, so an intent that moved twice in between costs one write. How rows look is in `store`.
"""

import asyncio
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field

from pinai_subnet.matcher import reading, store
from pinai_subnet.matcher.agents import AgentState
from pinai_subnet.matcher.case import Attempt, Case
from pinai_subnet.protocol.assignments import Assignment
from pinai_subnet.protocol.bids import Bid
from pinai_subnet.protocol.ids import AgentId, AssignmentId, IntentId
from pinai_subnet.runtime.errors import NoRoom
from pinai_subnet.runtime.logs import get_logger
from pinai_subnet.runtime.sqlite import SqliteDatabase
from pinai_subnet.runtime.stop import Stop

_Statement = tuple[str, tuple[object, ...]]

CURSOR = "outcome_sequence"
_NO_ROOM_SECONDS = 1.0
"""Pause between two attempts on a full disk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """What a restart finds."""

    cases: Sequence[Case]
    agents: Sequence[AgentState]
    outbox: Sequence[tuple[int, Assignment]]
    cursor: int


@dataclass(slots=True)
class _Marks:
    """What changed in memory since the last write, one entry for each thing however often it changed."""

    new: dict[IntentId, Case] = field(default_factory=dict)
    cases: dict[IntentId, Case] = field(default_factory=dict)
    bids: dict[tuple[IntentId, AgentId], Bid] = field(default_factory=dict)
    attempts: dict[AssignmentId, Attempt] = field(default_factory=dict)
    agents: dict[AgentId, AgentState] = field(default_factory=dict)
    outbox: dict[int, Assignment | None] = field(default_factory=dict)
    cursor: int | None = None

    def and_then(self, later: "_Marks") -> "_Marks":
        """Return these marks with later ones over them."""
        return _Marks(
            new=self.new | later.new,
            cases=self.cases | later.cases,
            bids=self.bids | later.bids,
            attempts=self.attempts | later.attempts,
            agents=self.agents | later.agents,
            outbox=self.outbox | later.outbox,
            cursor=self.cursor if later.cursor is None else later.cursor,
        )

    def statements(self) -> list[_Statement]:
        """Return what writes them, encoded as things are now."""
        statements = [_insert_case(case) for case in self.new.values()]
        statements += [
            _update_case(case) for key, case in self.cases.items() if key not in self.new
        ]
        statements += [_upsert_bid(bid) for bid in self.bids.values()]
        statements += [_upsert_attempt(attempt) for attempt in self.attempts.values()]
        statements += [_upsert_agent(state) for state in self.agents.values()]
        statements += [_outbox_row(position, entry) for position, entry in self.outbox.items()]
        if self.cursor is not None:
            statements.append(("INSERT OR REPLACE INTO marks VALUES (?, ?)", (CURSOR, self.cursor)))
        return statements


class Journal:
    """The matcher's memory on disk. One loop (`run`) writes; everybody else marks and, where it matters, waits.

    A full disk ends nothing: marks stay until they are written, and what comes from outside is refused meanwhile.
    """

    def __init__(self, database: SqliteDatabase) -> None:
        """Use an open database made with `store.MIGRATIONS`."""
        self._database = database
        self._marks = _Marks()
        self.without_room: NoRoom | None = None
        """Why nothing is written at the moment; None while the disk takes it."""
        self._log = get_logger()
        self._marked = 0
        self._written = 0
        self._ended = False
        self._wake = asyncio.Event()
        self._waiters: list[tuple[int, asyncio.Future[None]]] = []

    def opened(self, case: Case) -> None:
        """Mark a new intent."""
        self._marks.new[case.intent.intent_id] = case
        self._mark()

    def moved(self, case: Case) -> None:
        """Mark a changed intent."""
        self._marks.cases[case.intent.intent_id] = case
        self._mark()

    def bid(self, bid: Bid) -> None:
        """Mark a standing bid."""
        self._marks.bids[bid.intent_id, bid.agent_id] = bid
        self._mark()

    def attempt(self, attempt: Attempt) -> None:
        """Mark a new or changed assignment."""
        self._marks.attempts[attempt.assignment_id] = attempt
        self._mark()

    def agent(self, state: AgentState) -> None:
        """Mark a changed agent."""
        self._marks.agents[state.agent_id] = state
        self._mark()

    def post(self, position: int, assignment: Assignment) -> None:
        """Mark an assignment that RootLayer must hear of."""
        self._marks.outbox[position] = assignment
        self._mark()

    def posted(self, position: int) -> None:
        """Mark one that RootLayer has answered."""
        self._marks.outbox[position] = None
        self._mark()

    def cursor(self, sequence: int) -> None:
        """Mark how far the validators' outcomes have been taken."""
        self._marks.cursor = sequence
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
                    if not await self._flushed():
                        await stop.wait(_NO_ROOM_SECONDS)
                        self._wake.set()
                    if stop.is_set:
                        return
        finally:
            self._ended = True
            self._release(RuntimeError("the journal has stopped"))

    async def _flushed(self) -> bool:
        """Write what is marked; False where the disk has no room, which keeps all marks for the next attempt."""
        try:
            await self.flush()
        except NoRoom as exc:
            if self.without_room is None:
                self._log.error("journal_without_room", code=exc.code, reason=exc.message)
            self.without_room = exc
            return False
        if self.without_room is not None:
            self._log.info("journal_has_room")
        self.without_room = None
        return True

    def require_room(self) -> None:
        """Raise `NoRoom` while the disk takes nothing: what comes from outside is not even begun then."""
        if self.without_room is not None:
            raise NoRoom(self.without_room.code, self.without_room.message)

    async def durable_in_time(self) -> None:
        """Wait as `durable`, also for as long as the disk has no room: for work that is under way already."""
        while True:
            try:
                return await self.durable()
            except NoRoom:
                await asyncio.sleep(_NO_ROOM_SECONDS)

    async def flush(self) -> None:
        """Write what is marked now."""
        while self._written < self._marked:
            upto = self._marked
            taken, self._marks = self._marks, _Marks()
            statements = taken.statements()
            try:
                await self._database.write(lambda connection, s=statements: _execute(connection, s))  # type: ignore[misc]
            except BaseException as exc:
                self._marks = taken.and_then(self._marks)
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

    async def listing(self, listing: reading.Listing) -> tuple[int, list[Case]]:
        """Read one page of intents, newest first, and how many there are in all."""
        return await self._database.read(lambda connection: reading.page(connection, listing))

    async def known(self, intent_ids: Sequence[IntentId]) -> set[IntentId]:
        """Return which of these intents are stored."""
        return await self._database.read(lambda connection: _known(connection, intent_ids))

    async def ended(self, *, limit: int, offset: int) -> tuple[int, list[Case]]:
        """Read one page of ended intents, the last to end first, and how many there are in all."""
        return await self._database.read(lambda c: reading.ended(c, limit=limit, offset=offset))

    async def bids_of(
        self, agent_id: AgentId, *, limit: int, offset: int
    ) -> tuple[int, list[Case]]:
        """Read the intents on which an agent has bid, its newest bid first, and how many there are in all."""
        return await self._database.read(
            lambda c: reading.bids_of(c, agent_id, limit=limit, offset=offset)
        )

    async def prune(self, before_ms: int, *, keep: int) -> int:
        """Delete intents that ended before this moment, and the first to end beyond `keep`; return how many."""
        return await self._database.write(lambda c: reading.prune(c, before_ms, keep=keep))

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
        "INSERT OR REPLACE INTO bids VALUES (?, ?, ?, ?)",
        (bid.intent_id, bid.agent_id, store.encode(bid), bid.received_at_ms),
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


def _known(connection: sqlite3.Connection, intent_ids: Sequence[IntentId]) -> set[IntentId]:
    statement = "SELECT 1 FROM intents WHERE intent_id = ?"
    return {name for name in intent_ids if connection.execute(statement, (name,)).fetchone()}
