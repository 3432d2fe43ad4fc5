"""The load: many agents report to random validators while these die, and every answer goes into the history.

Runs in a thread of its own, so that the faults are not held up. Nothing here knows of a fault.
"""

import asyncio
import secrets
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from math import inf
from random import Random
from typing import Any

import grpc
from tests.chaos.history import Kind, Operation, Outcome
from tests.chaos.work import Agent, Draft, Piece, Workshop
from tests.network_kit import LocalTestNetwork

from pinai_subnet.runtime.grpc_server import channel_options
from pinai_subnet.wire.authentication import sign_metadata
from pinai_subnet.wire.codec.assignments import encode_record
from pinai_subnet.wire.pb.pinai import ledger_pb2, ledger_pb2_grpc
from pinai_subnet.wire.pb.subnet import service_pb2 as validator_pb2
from pinai_subnet.wire.pb.subnet import service_pb2_grpc as validator_pb2_grpc

CALL_SECONDS = 4.0
"""Shorter than a validator waits for its quorum, so that many outcomes stay unknown."""
_CONFIRM_SECONDS = 30.0
_CONFIRM_ATTEMPTS = 8
_GROUP = 20
"""Assignments in one call of the matcher."""
_BATCH = 4
_EARLY = 0.03
"""How often a report is sent before its assignment."""
_AGAIN = 0.25
"""How often an acknowledged report is followed by another one."""
_RACE = 0.1
"""How often two reports on one assignment are sent at once."""
_BATCHED = 0.2
_UNARY_METHOD = "/subnet.v1.ValidatorService/SubmitExecutionReport"
_BATCH_METHOD = "/subnet.v1.ValidatorService/SubmitExecutionReportBatch"
_STATUSES = {
    "accepted": Outcome.ACCEPTED,
    "duplicate": Outcome.DUPLICATE,
    "rejected": Outcome.UNASSIGNED,
}
_RECONNECT = [
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 500),
]


class Load:
    """Agents, a matcher, and what they experienced."""

    def __init__(
        self,
        network: LocalTestNetwork,
        random: Random,
        *,
        agents: int,
        pieces_each: int,
        pause: float,
    ) -> None:
        """Each agent works through its pieces, with about this pause between two reports."""
        self.history: list[Operation] = []
        self.answers: Counter[str] = Counter()
        """Outcome and code, counted."""
        self.agents: Sequence[Agent] = ()
        self._random = random
        self._pause = pause
        self._sizes = (agents, pieces_each)
        self._targets = {
            str(one.id): one.grpc_endpoint for one in network.session.network.parameters.validators
        }
        self._workshop = Workshop(network, random)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None
        self._reporters: dict[str, Any] = {}
        self._ledgers: dict[str, Any] = {}

    # -- from outside ------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Give RootLayer all intents and assignments."""
        self.agents = asyncio.run(self._workshop.agents(*self._sizes))

    def start(self) -> None:
        """Begin to report."""
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Send nothing new, wait for what is under way; raise what broke the load itself."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
        if self._failure is not None:
            raise self._failure

    def confirm(self) -> None:
        """Report once more on everything that was begun, after the network has healed."""
        self._stopping.clear()
        asyncio.run(self._connected(self._confirm_all))

    @property
    def pieces(self) -> dict[str, Piece]:
        """All work, by assignment."""
        return {piece.key: piece for agent in self.agents for piece in agent.pieces}

    def _run(self) -> None:
        try:
            asyncio.run(self._connected(self._work))
        except BaseException as error:  # noqa: BLE001 - the main thread raises it
            self._failure = error

    async def _connected(self, work: Callable[[], Awaitable[None]]) -> None:
        options = [*channel_options(), *_RECONNECT]
        async with AsyncExitStack() as stack:
            for name, target in self._targets.items():
                channel = await stack.enter_async_context(
                    grpc.aio.insecure_channel(target, options=options)
                )
                self._reporters[name] = validator_pb2_grpc.ValidatorServiceStub(channel)
                self._ledgers[name] = ledger_pb2_grpc.LedgerServiceStub(channel)
            await work()

    async def _work(self) -> None:
        recorded: dict[str, asyncio.Event] = {key: asyncio.Event() for key in self.pieces}
        await _all(
            [
                self._record_all(recorded),
                *(self._report_all(agent, recorded) for agent in self.agents),
            ]
        )

    # -- the matcher -------------------------------------------------------------------------------

    async def _record_all(self, recorded: dict[str, asyncio.Event]) -> None:
        """Record assignments a little ahead of the agents, round robin among them."""
        rounds = zip(*(agent.pieces for agent in self.agents), strict=True)
        pieces = [piece for row in rounds for piece in row]
        groups = [pieces[first : first + _GROUP] for first in range(0, len(pieces), _GROUP)]
        pace = self._pause * _GROUP / len(self.agents)
        for group in groups:
            if not await self._insist(group):
                break
            for piece in group:
                recorded[piece.key].set()
            await asyncio.sleep(pace / 2)
        for event in recorded.values():
            event.set()

    async def _insist(self, group: Sequence[Piece]) -> bool:
        """Record until it is done; False where the load was stopped before."""
        while not self._stopping.is_set():
            if await self._record(group):
                return True
            await asyncio.sleep(0.1)
        return False

    async def _record(self, group: Sequence[Piece]) -> bool:
        name = self._any()
        request = ledger_pb2.RecordAssignmentsRequest(
            records=[encode_record(piece.record) for piece in group],
            request_id=secrets.token_hex(16),
        )
        asked = _Asked(kind=Kind.RECORD, client="matcher", validator=name, at=time.monotonic())
        try:
            answer = await self._ledgers[name].RecordAssignments(request, timeout=CALL_SECONDS)
        except grpc.aio.AioRpcError as error:
            for piece in group:
                self._note(piece, asked, _code(error))
            return False
        for piece, result in zip(group, answer.results, strict=True):
            outcome = Outcome.RECORDED if result.accepted else Outcome.REFUSED
            self._note(piece, asked, result.code, outcome=outcome)
        return all(result.accepted for result in answer.results)

    # -- the agents --------------------------------------------------------------------------------

    async def _report_all(self, agent: Agent, recorded: dict[str, asyncio.Event]) -> None:
        waiting = list(agent.pieces)
        while waiting and not self._stopping.is_set():
            await asyncio.sleep(self._random.uniform(0.5, 1.5) * self._pause)
            count = _BATCH if self._random.random() < _BATCHED else 1
            pieces, waiting = waiting[:count], waiting[count:]
            if self._random.random() < _EARLY:
                await self._send(agent, [(piece, piece.draft()) for piece in pieces])
            for piece in pieces:
                await recorded[piece.key].wait()
            await self._finish(agent, pieces)

    async def _finish(self, agent: Agent, pieces: Sequence[Piece]) -> None:
        """Report until every piece is acknowledged: the same again after an unknown outcome, or something else."""
        if self._stopping.is_set():
            return
        drafts = {piece.key: piece.draft() for piece in pieces}
        if self._random.random() < _RACE:
            rivals = [(piece, piece.draft()) for piece in pieces]
            ours = [(piece, drafts[piece.key]) for piece in pieces]
            await asyncio.gather(self._send(agent, ours), self._send(agent, rivals))
        left = list(pieces)
        while left and not self._stopping.is_set():
            done = await self._send(agent, [(piece, drafts[piece.key]) for piece in left])
            left = [piece for piece in left if piece.key not in done]
            if left:
                await asyncio.sleep(self._random.uniform(0.02, 0.2))
                if self._random.random() < 0.3:
                    drafts |= {piece.key: piece.draft() for piece in left}
        if not left and self._random.random() < _AGAIN:
            await self._send(agent, [(piece, piece.draft()) for piece in pieces])

    async def _confirm_all(self) -> None:
        begun = {one.key for one in self.history}
        await _all(
            [
                self._confirm(agent, [piece for piece in agent.pieces if piece.key in begun])
                for agent in self.agents
            ]
        )

    async def _confirm(self, agent: Agent, pieces: Sequence[Piece]) -> None:
        for first in range(0, len(pieces), _GROUP):
            left = list(pieces[first : first + _GROUP])
            for _ in range(_CONFIRM_ATTEMPTS):
                drafts = [(piece, piece.draft()) for piece in left]
                done = await self._send(agent, drafts, seconds=_CONFIRM_SECONDS)
                answered = done | {
                    one.key
                    for one in self.history[-len(left) :]
                    if one.outcome is Outcome.UNASSIGNED
                }
                left = [piece for piece in left if piece.key not in answered]
                if not left:
                    break
                await asyncio.sleep(0.5)

    async def _send(
        self, agent: Agent, drafts: Sequence[tuple[Piece, Draft]], *, seconds: float = CALL_SECONDS
    ) -> set[str]:
        """Send reports to some validator and note what came back; return what is acknowledged now."""
        name = self._any()
        stub = self._reporters[name]
        method, call, request = (
            (_UNARY_METHOD, stub.SubmitExecutionReport, drafts[0][1].message)
            if len(drafts) == 1
            else (
                _BATCH_METHOD,
                stub.SubmitExecutionReportBatch,
                validator_pb2.ExecutionReportBatchRequest(
                    reports=[draft.message for _, draft in drafts],
                    batch_id=secrets.token_hex(8),
                    partial_ok=True,
                ),
            )
        )
        metadata = sign_metadata(
            agent.signer, self._workshop.facts.subnet_id, method, request, now=time.time()
        )
        asked = _Asked(kind=Kind.REPORT, client=agent.name, validator=name, at=time.monotonic())
        try:
            answer = await call(request, metadata=metadata, timeout=seconds)
        except grpc.aio.AioRpcError as error:
            for piece, draft in drafts:
                self._note(piece, asked, _code(error), value=draft.report_id)
            return set()
        receipts = [answer] if len(drafts) == 1 else list(answer.receipts)
        done = set()
        for (piece, draft), receipt in zip(drafts, receipts, strict=True):
            # A receipt names no reason. Of all reasons this load meets one only: the assignment is not known.
            outcome = _STATUSES[receipt.status]
            promised = outcome is not Outcome.UNASSIGNED
            seen = receipt.report_id if promised else ""
            self._note(piece, asked, outcome=outcome, value=draft.report_id, seen=seen)
            if promised:
                done.add(piece.key)
        return done

    # -- both --------------------------------------------------------------------------------------

    def _any(self) -> str:
        return self._random.choice(list(self._targets))

    def _note(
        self,
        piece: Piece,
        asked: "_Asked",
        code: str = "",
        *,
        outcome: Outcome = Outcome.UNKNOWN,
        value: str = "",
        seen: str = "",
    ) -> None:
        self.answers[" ".join(filter(None, (asked.kind.value, outcome.value, code)))] += 1
        self.history.append(
            Operation(
                key=piece.key,
                kind=asked.kind,
                outcome=outcome,
                invoked=asked.at,
                returned=inf if outcome is Outcome.UNKNOWN else time.monotonic(),
                value=value,
                seen=seen,
                client=asked.client,
                validator=asked.validator,
                code=code,
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """Who asked whom, and when."""

    kind: Kind
    client: str
    validator: str
    at: float


async def _all(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    async with asyncio.TaskGroup() as group:
        for one in work:
            group.create_task(one)


def _code(error: grpc.aio.AioRpcError) -> str:
    """Return the status and, where the network gave one, its code."""
    details = error.details() or ""
    place = details.find("SN-")
    return error.code().name + (f" {details[place : place + 7]}" if place >= 0 else "")
