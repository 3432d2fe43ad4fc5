"""A worker that serves very many settled intents: the matcher's journal and a validator's archive, real, behind routes.

Both hold that many intents of three bids each, and the ledger has forgotten them all. RootLayer answers from memory.
"""

import asyncio
import contextlib
import random
import secrets
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from tests.integration.matcher.harness import DOMAIN, SUBNET, World, intent, key

from pinai_subnet.matcher import window as windows
from pinai_subnet.matcher.assigner import Assigner
from pinai_subnet.matcher.auction import AuctionRules, Candidate, Strategy, rank
from pinai_subnet.matcher.case import Attempt, AttemptState, Case, Round
from pinai_subnet.protocol.bids import Bid
from pinai_subnet.protocol.ids import AgentId, AssignmentId, BidId, IntentId
from pinai_subnet.runtime.health import Health
from pinai_subnet.runtime.http_server import HttpServer, create_app
from pinai_subnet.runtime.metrics import Metrics
from pinai_subnet.runtime.sqlite import SqliteDatabase
from pinai_subnet.validator.archive import MIGRATIONS, Archive, AssignmentRow, EpochRow
from pinai_subnet.validator.queries import Queries
from pinai_subnet.wire.status import http_problem

RULES = AuctionRules(strategy=Strategy.WEIGHTED)
PER_EPOCH = 100
BATCH = 1000
ADDRESSES = [key(place + 1).address for place in range(3)]


def settled(number: int) -> Case:
    """Return one intent that three agents bid on and one has finished."""
    value, at_ms = intent(), 1_700_000_000_000 + number * 10
    bids = _bids(value.intent_id, at_ms)
    candidates = tuple(
        Candidate(
            bid_id=bid.bid_id,
            agent_id=bid.agent_id,
            price=bid.price,
            received_at_ms=bid.received_at_ms,
        )
        for bid in bids
    )
    opened = windows.open_window(
        now_ms=at_ms,
        assign_by_ms=at_ms + 60_000,
        rules=windows.WindowRules(duration_ms=2000, reopen_max_ms=2000),
    )
    case = Case(
        intent=value,
        window=windows.complete(opened, now_ms=at_ms + 900),
        seen_at_ms=at_ms,
        assign_by_ms=at_ms + 60_000,
        deadline_ms=at_ms + 60_000,
        bids={bid.agent_id: bid for bid in bids},
        eligible=("agent-0", "agent-1", "agent-2", "agent-3"),
        candidates=candidates,
        auction=RULES,
        ranking=rank(candidates, RULES, value.intent_id),
        rounds=[Round(number=1, opened_at_ms=at_ms, closed_at_ms=at_ms + 500, early=True, bids=3)],
    )
    case.attempts.append(_attempt(case, bids[0]))
    return case


def _attempt(case: Case, bid: Bid) -> Attempt:
    """Return a settled assignment; all carry the signatures of one, for making them takes longer than all the rest."""
    drafted = _signed()
    assignment = replace(
        drafted.record.assignment,
        assignment_id=AssignmentId("0x" + secrets.token_hex(32)),
        intent_id=case.intent.intent_id,
        bid_id=bid.bid_id,
        agent_address=bid.agent_address,
    )
    return Attempt(
        record=replace(drafted.record, assignment=assignment, agent_id=bid.agent_id),
        created_at_ms=case.seen_at_ms + 501,
        recorded_at_ms=case.seen_at_ms + 510,
        state=AttemptState.SETTLED,
    )


@cache
def _signed() -> Attempt:
    value = intent()
    opened = windows.open_window(
        now_ms=0, assign_by_ms=1, rules=windows.WindowRules(duration_ms=1, reopen_max_ms=1)
    )
    case = Case(intent=value, window=opened, seen_at_ms=0, assign_by_ms=1, deadline_ms=1000)
    bid = _bids(value.intent_id, 0)[0]
    assigner = Assigner(signer=key(1000), subnet_id=SUBNET, domain=DOMAIN)
    return assigner.draft(case, bid, now_seconds=1.0)


def _bids(intent_id: IntentId, at_ms: int) -> list[Bid]:
    return [
        Bid(
            bid_id=BidId("0x" + secrets.token_hex(32)),
            intent_id=intent_id,
            agent_id=AgentId(f"agent-{place}"),
            agent_address=ADDRESSES[place],
            price=10 + place,
            token="PIN",
            settle_chain="",
            submitted_at=at_ms // 1000,
            received_at_ms=at_ms + place,
            nonce=secrets.token_hex(16),
            metadata={},
        )
        for place in range(3)
    ]


def judged(case: Case, epoch: int) -> dict[str, Any]:
    """Return the validators' record of its assignment."""
    record, at_ms = case.attempts[0].record, case.seen_at_ms
    verdicts = [
        {
            "validator_id": f"validator-{place}",
            "passed": True,
            "code": "",
            "reason": "",
            "rules": ["a_rule"] * 20,
            "policy_id": "default",
            "at_ms": at_ms + 700,
            "signature": "0x" + "ab" * 65,
            "sealed": True,
        }
        for place in (1, 2, 3)
    ]
    report = {
        "report_id": "0x" + secrets.token_hex(32),
        "caller_report_id": "mine",
        "status": "SUCCESS",
        "result_bytes": 5,
        "result_hash": "0x" + "cd" * 32,
        "error": None,
    }
    return {
        "assignment_id": record.assignment.assignment_id,
        "intent_id": case.intent.intent_id,
        "agent_id": record.agent_id,
        "agent_address": record.assignment.agent_address,
        "attempt": 1,
        "stage": "SETTLED",
        "code": "",
        "reason": "",
        "epoch": epoch,
        "times_ms": {"ASSIGNED": at_ms + 510, "REPORTED": at_ms + 600, "SETTLED": at_ms + 900},
        "received_by": "validator-1",
        "report": report,
        "verdicts": verdicts,
    }


def sealed(epoch: int, assignments: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the epoch that carries these."""
    at_ms = assignments[-1]["times_ms"]["SETTLED"]
    return {
        "epoch": epoch,
        "header_hash": "0x" + secrets.token_hex(32),
        "checkpoint_hash": "0x" + secrets.token_hex(32),
        "batch_digest": "0x" + secrets.token_hex(32),
        "items": [{"assignment_id": one["assignment_id"]} for one in assignments],
        "sealed_by": "validator-1",
        "sealed_at_ms": at_ms - 100,
        "final_at_ms": at_ms - 50,
        "settled_at_ms": at_ms,
        "required_signatures": 2,
        "signatures": [
            {"validator_id": f"validator-{n}", "address": "0x", "at_ms": at_ms - 60}
            for n in (1, 2, 3)
        ],
        "results": [{"ok": True, "message": "", "receipt_id": "0x1"} for _ in assignments],
    }


class _Forgotten:
    """A ledger that has none of it any more."""

    def assignments_of(self, _intent_id: str) -> tuple[()]:
        return ()

    def epoch(self, _number: int) -> None:
        return None

    def read(self, work: Any) -> Any:
        return work(self)


async def serve(
    task: Mapping[str, Any], say: Callable[[Mapping[str, Any]], None]
) -> dict[str, Any]:
    """Fill and serve, say where everybody answers and which intents there are, and end when stdin is closed."""
    directory, intents = Path(task["directory"]), int(task["intents"])
    world, ids = World(directory), []
    async with contextlib.AsyncExitStack() as stack:
        matcher = await stack.enter_async_context(world.run())
        database = await stack.enter_async_context(
            SqliteDatabase(directory / "archive.sqlite", MIGRATIONS, identity="b")
        )
        archive = Archive(database)
        for begin in range(0, intents, BATCH):
            cases = [settled(n) for n in range(begin, min(begin + BATCH, intents))]
            ids += [case.intent.intent_id for case in cases]
            await _keep(matcher.parts.journal, archive, cases, begin)
            say({"intents": len(ids)})
        validator = await stack.enter_async_context(_served(_validator(archive)))
        rootlayer = await stack.enter_async_context(_served(_rootlayer()))
        say(
            {
                "matcher": f"127.0.0.1:{matcher.http.base_url.port}",
                "validator": validator,
                "rootlayer": rootlayer,
                "intent_ids": random.Random(7).choices(ids, k=int(task["asked"])),  # noqa: S311
            }
        )
        await asyncio.to_thread(sys.stdin.read)
    return {}


async def _keep(journal: Any, archive: Archive, cases: Sequence[Case], begin: int) -> None:
    for case in cases:
        journal.opened(case)
        for bid in case.bids.values():
            journal.bid(bid)
        journal.attempt(case.attempts[0])
    await journal.flush()
    for place in range(0, len(cases), PER_EPOCH):
        epoch = (begin + place) // PER_EPOCH + 1
        told = [judged(case, epoch) for case in cases[place : place + PER_EPOCH]]
        rows = [AssignmentRow(document=one, report=None, updated_at_ms=1) for one in told]
        number = EpochRow(document=sealed(epoch, told), checkpoint=b"", updated_at_ms=1)
        await archive.store(rows, [number], epoch)


def _validator(archive: Archive) -> FastAPI:
    async def caught_up() -> None:
        return None

    forgotten: Any = _Forgotten()
    queries = Queries(replica=forgotten, archive=archive, catch_up=caught_up)
    app = _app()
    app.add_api_route("/api/v1/intents/{intent_id}", queries.intent, methods=["GET"])
    app.add_api_route("/api/v1/epochs/{number}", queries.epoch, methods=["GET"])
    return app


def _rootlayer() -> FastAPI:
    async def record(intent_id: str) -> dict[str, Any]:
        return {"intentId": intent_id, "status": "INTENT_STATUS_COMPLETED"}

    async def history(intent_id: str) -> dict[str, Any]:
        return {"intentId": intent_id, "history": []}

    app = _app()
    app.add_api_route("/api/v1/intents/query/{intent_id}", record, methods=["GET"])
    app.add_api_route("/api/v1/intents/{intent_id}/history", history, methods=["GET"])
    return app


def _app() -> FastAPI:
    return create_app(
        title="bench",
        version="0",
        error_mapper=http_problem,
        health=Health(),
        metrics=Metrics("bench"),
    )


@contextlib.asynccontextmanager
async def _served(app: FastAPI) -> AsyncIterator[str]:
    server = HttpServer(app, host="127.0.0.1", port=0, grace_seconds=1)
    await server.start()
    try:
        yield f"127.0.0.1:{server.port}"
    finally:
        await server.stop()
