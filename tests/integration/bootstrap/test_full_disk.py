"""Matcher, registry, RootLayer and agent on a full disk: coded refusals, nothing promised that is not stored, and back.

operators.md row 10. The validator's part is in integration/consensus/test_full_disk.py and in the scenario `disk-full`.
"""

import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from tests.full_disk import Disk
from tests.integration.agent.fakes import FakeMatcher, FakeValidator, a_task, serving, until
from tests.integration.agent.test_agent import options
from tests.integration.agent.test_agent import running as running_agent
from tests.integration.matcher.harness import World, eventually, intent
from tests.integration.registry.test_registry_process import running as running_registry
from tests.rootlayer_kit import running_rootlayer, signed_intent

from pinai_subnet.agent.journal import MIGRATIONS, SqliteJournal
from pinai_subnet.matcher import journal as matcher_journal
from pinai_subnet.runtime.clock import ManualClock
from pinai_subnet.runtime.sqlite import SqliteDatabase
from pinai_subnet.wire.codec.intents import encode_submission
from pinai_subnet.wire.pb.rootlayer import service_pb2_grpc
from pinai_subnet.wire.pb.subnet import matcher_pb2

MANY = 3000
PADDING = "x" * 600


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    monkeypatch.setattr(matcher_journal, "_NO_ROOM_SECONDS", 0.05)
    return Disk().install(monkeypatch)


async def repeated(call: Callable[[], Awaitable[None]]) -> None:
    """Call until it fails: pages that are there already take a little more."""
    for _ in range(MANY):
        await call()


def code_of(error: grpc.aio.AioRpcError) -> str:
    return str(dict(error.trailing_metadata() or ())["x-error-code"])


async def test_a_registry_without_room_refuses_and_forgets_nobody_it_has_answered(
    disk: Disk, tmp_path: Path
) -> None:
    clock = ManualClock()

    def entry(number: int) -> dict[str, Any]:
        return {
            "id": f"agent-{number}",
            "capabilities": [f"c{n}" + PADDING[:100] for n in range(6)],
            "endpoint": "127.0.0.1:7000",
        }

    async with running_registry(tmp_path, clock) as registry:
        first = await registry.http.post("/agents", json=entry(0))
        assert first.status_code < 300, first.text
        disk.full = True
        promised = {"agent-0"}
        for number in range(1, 45):
            answer = await registry.http.post("/agents", json=entry(number))
            if answer.status_code == 503:
                break
            promised.add(f"agent-{number}")
        assert answer.status_code == 503
        assert answer.json()["code"] == "SN-H011"
        assert answer.headers["retry-after"]
        assert (await registry.http.get("/agents")).status_code == 200
        disk.full = False
        assert (await registry.http.post("/agents", json=entry(49))).status_code < 300
        promised.add("agent-49")
    async with running_registry(tmp_path, clock) as registry:
        listed = (await registry.http.get("/agents")).json()
        assert promised <= {one["id"] for one in listed["agents"]}


async def test_a_rootlayer_without_room_refuses_and_keeps_every_intent_it_took(
    disk: Disk, tmp_path: Path
) -> None:
    taken: list[str] = []
    async with running_rootlayer(tmp_path / "data") as running:
        channel = grpc.aio.insecure_channel(running.grpc_target)
        pool: Any = service_pb2_grpc.IntentPoolServiceStub(channel)

        async def submit() -> None:
            made = signed_intent(deadline=int(time.time()) + 600, intent_raw=PADDING.encode())
            await pool.SubmitIntent(encode_submission(made))
            taken.append(made.intent_id)

        await submit()
        disk.full = True
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await repeated(submit)
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert code_of(refused.value) == "SN-H011"
        async with httpx.AsyncClient(base_url=running.http_base) as http:
            assert (await http.get(f"/api/v1/intents/query/{taken[0]}")).status_code == 200
        disk.full = False
        await submit()
        await channel.close()
    async with (
        running_rootlayer(tmp_path / "data") as running,
        httpx.AsyncClient(base_url=running.http_base) as http,
    ):
        for intent_id in taken:
            assert (await http.get(f"/api/v1/intents/query/{intent_id}")).status_code == 200


async def test_a_matcher_without_room_refuses_bids_and_goes_on_by_itself(
    disk: Disk, tmp_path: Path
) -> None:
    world = World(tmp_path)
    accepted: list[str] = []
    async with world.run(windows={"bidding_window_seconds": 20}) as matcher:
        agents = [matcher.agent(f"agent-{n}") for n in range(3)]
        wanted = [world.root_layer.submit(intent()) for _ in range(30)]
        for one in wanted:
            await matcher.opened(one.intent_id)
        disk.full = True

        async def bid(place: int) -> None:
            agent = agents[place % 3]
            message = agent.bid_message(wanted[place // 3].intent_id, 10 + place)
            message.metadata["padding"] = PADDING * 2
            ack = await agent.stub.SubmitBid(matcher_pb2.SubmitBidRequest(bid=message))
            assert ack.ack.accepted, ack
            accepted.append(message.bid_id)

        places = iter(range(89))
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await repeated(lambda: bid(next(places)))
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert code_of(refused.value) == "SN-H011"
        assert matcher.parts.journal.without_room is not None
        story = await matcher.story(wanted[0].intent_id)
        assert story["phase"] == "open"
        disk.full = False
        await eventually(lambda: matcher.parts.journal.without_room is None)
        await bid(89)
    async with world.run(windows={"bidding_window_seconds": 20}) as matcher:
        kept = {
            bid.bid_id for case in matcher.parts.board.open_cases() for bid in case.bids.values()
        }
        assert set(accepted) <= kept


async def test_an_agent_without_room_declines_new_tasks_and_reports_what_it_took_when_it_can(
    disk: Disk, tmp_path: Path
) -> None:
    matcher, validator = FakeMatcher(), FakeValidator()
    async with (
        SqliteDatabase(tmp_path / "a.sqlite", MIGRATIONS, identity="me") as database,
        serving(matcher, validator) as port,
        running_agent(options(port, port), journal=SqliteJournal(database)),
    ):
        disk.full = True
        for number in range(1, 60):
            matcher.give(a_task(number, data=PADDING.encode() * 4))
            await until(lambda n=number: len(matcher.responses) >= n)  # type: ignore[misc]
            if not matcher.responses[-1].accepted:
                break
        declined = matcher.responses[-1]
        assert not declined.accepted
        assert "SN-H011" in declined.reason
        disk.full = False
        matcher.give(a_task(99, data=b"after"))
        wanted = {one.task_id for one in matcher.responses if one.accepted}
        await until(lambda: wanted <= {one.assignment_id for one in validator.reports})
        await until(lambda: any(r.result_data == b"after" for r in validator.reports))
