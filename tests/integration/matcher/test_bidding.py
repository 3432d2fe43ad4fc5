"""Bids over real gRPC: what is taken, what is refused in band, what stays sealed, who wins."""

import time
from pathlib import Path

import grpc
import pytest
from tests.integration.matcher.harness import (
    DOMAIN,
    MATCHER,
    SUBNET,
    World,
    eventually,
    hex32,
    intent,
    key,
    roster_agent,
)

from pinai_subnet.matcher.settings import MatcherPolicy
from pinai_subnet.protocol.assignments import record_digest
from pinai_subnet.protocol.digests import assignment_digest
from pinai_subnet.protocol.signatures import recover, recover_eip191
from pinai_subnet.wire.authentication import AuthMode
from pinai_subnet.wire.pb.subnet import bid_pb2, matcher_pb2


async def test_the_cheapest_bid_gets_a_signed_assignment_and_its_agent_the_task(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)
    async with world.run() as matcher:
        cheap, dear = matcher.agent("cheap"), matcher.agent("dear")
        await cheap.stream_tasks()
        await cheap.stream_intents()
        wanted = world.root_layer.submit(intent())
        assert await cheap.update() == ("NEW_INTENT", wanted.intent_id)
        assert (await dear.bid(wanted.intent_id, 20)).accepted
        ack = await cheap.bid(wanted.intent_id, 10)
        assert (ack.accepted, ack.status) == (True, bid_pb2.BID_STATUS_ACCEPTED)
        assert ack.recorded_at > 0

        task = await cheap.task()
        assert (task.intent_id, task.agent_id) == (wanted.intent_id, "cheap")
        assert (task.intent_data, task.intent_type) == (b"payload", "echo")
        assert (task.deadline, task.created_at > 0) == (wanted.deadline, True)
        assert [await cheap.update() for _ in range(2)] == [
            ("MATCHED", wanted.intent_id),
            ("WINDOW_CLOSED", wanted.intent_id),
        ]

        (record,) = world.ledger.records
        assignment = record.assignment
        assert assignment.assignment_id == task.task_id
        digest = assignment_digest(
            assignment_id=assignment.assignment_id,
            intent_id=assignment.intent_id,
            bid_id=assignment.bid_id,
            agent=cheap.address,
            status=1,
            matcher=MATCHER.address,
            domain=DOMAIN,
        )
        assert recover_eip191(digest, assignment.signature) == MATCHER.address
        signed = record_digest(record, subnet_id=SUBNET)
        assert recover(signed, record.record_signature) == MATCHER.address
        await eventually(lambda: world.root_layer.posted == [assignment])


async def test_late_and_unknown_bids_are_refused_in_band(tmp_path: Path) -> None:
    """Agent-interop row 8."""
    world = World(tmp_path)
    async with world.run() as matcher:
        agent = matcher.agent("agent-1")
        wanted = world.root_layer.submit(intent())
        await matcher.opened(wanted.intent_id)
        assert (await agent.bid(wanted.intent_id)).accepted
        await matcher.until_phase(wanted.intent_id, "assigned")
        late = await agent.bid(wanted.intent_id)
        assert (late.accepted, late.status) == (False, bid_pb2.BID_STATUS_REJECTED)
        assert late.reason == "Bidding window closed (SN-M002)"
        assert late.recorded_at == 0
        assert (await agent.bid(hex32())).reason == "Intent not found (SN-M001)"


async def test_repeated_bids_are_duplicates_or_updates_never_errors(tmp_path: Path) -> None:
    """Agent-interop row 9, A10: one bid per agent and intent."""
    world = World(tmp_path)
    async with world.run() as matcher:
        agent, other = matcher.agent("agent-1"), matcher.agent("agent-2")
        wanted = world.root_layer.submit(intent())
        await matcher.opened(wanted.intent_id)
        first = await agent.bid(wanted.intent_id, 10)
        again = await agent.bid(wanted.intent_id, 10)
        assert again.accepted
        assert again.bid_id == first.bid_id
        assert (await other.bid(wanted.intent_id, 9)).accepted
        assert (await agent.bid(wanted.intent_id, 8)).accepted
        told = await matcher.until_phase(wanted.intent_id, "assigned")
        assert [(o["agent_id"], o["price"], o["rank"]) for o in told["offers"]] == [
            ("agent-1", "8", 1),
            ("agent-2", "9", 2),
        ]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"price": 101}, "SN-M003"),
        ({"metadata": {"chain_address": "agent-1"}}, "SN-N102"),
        ({"metadata": {"chain_address": key(77).address}}, "SN-M006"),
        ({"token": "0x" + "11" * 20}, "SN-M013"),
        ({"bid_id": "0x12"}, "SN-N101"),
        ({"agent_id": ""}, "SN-N103"),
        ({"nonce": "n" * 200}, "SN-M023"),
    ],
)
async def test_bad_bids_are_refused_with_a_code(
    tmp_path: Path, changes: dict[str, object], code: str
) -> None:
    """A10, L8: a bad lowest bid cannot win and cannot block the intent."""
    world = World(tmp_path)
    async with world.run() as matcher:
        bad, good = matcher.agent("agent-1"), matcher.agent("agent-2")
        await good.stream_tasks()
        wanted = world.root_layer.submit(intent(budget=100))
        await matcher.opened(wanted.intent_id)
        price = int(str(changes.pop("price", 0)))
        ack = await bad.bid(wanted.intent_id, price, **changes)
        assert not ack.accepted
        assert f"({code})" in ack.reason
        assert (await good.bid(wanted.intent_id, 50)).accepted
        assert (await good.task()).intent_id == wanted.intent_id


async def test_a_keyless_bid_without_any_address_is_refused(tmp_path: Path) -> None:
    """L8: validated at bid time; an agent id that is an address, or a registered address, is enough."""
    world = World(tmp_path)
    world.roster.add("registered", address=None)
    async with world.run() as matcher:
        nobody = matcher.agent("agent-1", keyless=True)
        wanted = world.root_layer.submit(intent())
        await matcher.opened(wanted.intent_id)
        assert "(SN-M005)" in (await nobody.bid(wanted.intent_id, metadata={})).reason
        go = matcher.agent(key(5).address, 5, keyless=True)
        assert (await go.bid(wanted.intent_id, 3, metadata={})).accepted
        assert (await nobody.bid(wanted.intent_id, 5)).accepted


async def test_open_windows_reveal_only_the_callers_own_bids(tmp_path: Path) -> None:
    """A11, V9: sealed until the close, on the snapshot and on the stream of bids."""
    world = World(tmp_path)
    async with world.run(windows={"bidding_window_seconds": 0.8}) as matcher:
        mine, theirs, nobody = (
            matcher.agent("mine"),
            matcher.agent("theirs"),
            matcher.agent("nobody", keyless=True),
        )
        wanted = world.root_layer.submit(intent())
        await matcher.opened(wanted.intent_id)
        streamed: list[tuple[str, int]] = []
        call = mine.stub.StreamBids(matcher_pb2.StreamBidsRequest(intent_id=wanted.intent_id))
        await theirs.bid(wanted.intent_id, 9)
        await mine.bid(wanted.intent_id, 10)
        ask = matcher_pb2.GetIntentSnapshotRequest(intent_id=wanted.intent_id, include_closed=True)
        seen = (await mine.stub.GetIntentSnapshot(ask)).snapshot
        assert [b.agent_id for b in seen.bids] == ["mine"]
        assert not seen.bidding_closed
        assert not (await nobody.stub.GetIntentSnapshot(ask)).snapshot.bids
        event = await call.read()
        streamed.append((event.bid.agent_id, event.type))
        assert streamed == [("mine", matcher_pb2.BidEvent.EVENT_ACCEPTED)]
        assert (await matcher.story(wanted.intent_id))["offers"] == []

        await matcher.until_phase(wanted.intent_id, "assigned")
        after = [(await call.read()).bid for _ in range(2)]
        assert {b.agent_id: b.status for b in after} == {
            "theirs": bid_pb2.BID_STATUS_WINNER,
            "mine": bid_pb2.BID_STATUS_RUNNER_UP,
        }
        closed = (await nobody.stub.GetIntentSnapshot(ask)).snapshot
        assert closed.bidding_closed
        assert len(closed.bids) == 2
        hidden = matcher_pb2.GetIntentSnapshotRequest(intent_id=wanted.intent_id)
        assert not (await nobody.stub.GetIntentSnapshot(hidden)).HasField("snapshot")
        call.cancel()


async def test_a_batch_stops_at_the_first_refusal_unless_partial_is_fine(tmp_path: Path) -> None:
    world = World(tmp_path)
    async with world.run(windows={"bidding_window_seconds": 2}) as matcher:
        agent = matcher.agent("agent-1")
        known = [world.root_layer.submit(intent()).intent_id for _ in range(2)]
        for one in known:
            await matcher.opened(one)
        bids = [agent.bid_message(i, 5) for i in (known[0], hex32(), known[1])]
        strict = matcher_pb2.SubmitBidBatchRequest(bids=bids, batch_id="b1")
        answer = await agent.stub.SubmitBidBatch(strict)
        assert [a.accepted for a in answer.acks] == [True, False, False]
        assert "stopped due to previous failure" in answer.acks[2].reason
        assert (answer.success, answer.failed) == (1, 2)
        assert await agent.stub.SubmitBidBatch(strict) == answer
        partial = matcher_pb2.SubmitBidBatchRequest(bids=bids, partial_ok=True)
        answer = await agent.stub.SubmitBidBatch(partial)
        assert [a.accepted for a in answer.acks] == [True, False, True]
        with pytest.raises(grpc.aio.AioRpcError) as conflict:
            await agent.stub.SubmitBidBatch(
                matcher_pb2.SubmitBidBatchRequest(bids=bids[:1], batch_id="b1")
            )
        assert conflict.value.code() is grpc.StatusCode.ALREADY_EXISTS
        with pytest.raises(grpc.aio.AioRpcError) as empty:
            await agent.stub.SubmitBidBatch(matcher_pb2.SubmitBidBatchRequest())
        assert empty.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_window_closes_early_once_every_connected_agent_has_bid(tmp_path: Path) -> None:
    world = World(tmp_path)
    slow = {"bidding_window_seconds": 20, "early_close": True}
    async with world.run(windows=slow) as matcher:
        one, two = matcher.agent("one"), matcher.agent("two")
        for agent in (one, two):
            await agent.stream_tasks()
            await agent.stream_intents()
        await eventually(lambda: len(matcher.parts.tasks.connected_ids()) == 2)
        wanted = world.root_layer.submit(intent())
        await one.update()
        await one.bid(wanted.intent_id, 5)
        assert (await matcher.story(wanted.intent_id))["phase"] == "open"
        await two.bid(wanted.intent_id, 6)
        assert (await one.task()).intent_id == wanted.intent_id
        assert (await matcher.story(wanted.intent_id))["windows"][0]["early"] is True


async def test_an_agent_that_listens_to_other_types_is_not_awaited(tmp_path: Path) -> None:
    world = World(tmp_path)
    slow = {"bidding_window_seconds": 20, "early_close": True}
    async with world.run(windows=slow) as matcher:
        one, other = matcher.agent("one"), matcher.agent("other")
        await one.stream_tasks()
        await one.stream_intents("echo")
        await other.stream_tasks()
        await other.stream_intents("render", subnet_id=SUBNET)
        await eventually(lambda: len(matcher.parts.updates) == 2)
        wanted = world.root_layer.submit(intent())
        assert (await one.update())[0] == "NEW_INTENT"
        await one.bid(wanted.intent_id, 5)
        assert (await one.task()).intent_id == wanted.intent_id
        assert other.updates.empty()


async def test_updates_honour_subnet_and_type(tmp_path: Path) -> None:
    """V9, agent-interop row 15."""
    world = World(tmp_path)
    async with world.run(windows={"bidding_window_seconds": 5}) as matcher:
        every, render, foreign = (matcher.agent(n) for n in ("every", "render", "foreign"))
        await every.stream_intents(subnet_id=SUBNET)
        await render.stream_intents("render")
        await foreign.stream_intents(subnet_id="0x" + "00" * 31 + "08")
        await eventually(lambda: len(matcher.parts.updates) == 3)
        echo = world.root_layer.submit(intent())
        drawn = world.root_layer.submit(intent(intent_type="render"))
        assert [(await every.update())[1] for _ in range(2)] == [echo.intent_id, drawn.intent_id]
        assert await render.update() == ("NEW_INTENT", drawn.intent_id)
        late = matcher.agent("late")
        await late.stream_intents("echo")
        assert await late.update() == ("EXISTING_INTENT", echo.intent_id)
        assert foreign.updates.empty()
        assert render.updates.empty()


async def test_a_listener_that_falls_behind_hears_everything_open_again(tmp_path: Path) -> None:
    """L22: a full queue is a resync, never a silent loss."""
    world = World(tmp_path)
    async with world.run(limits={"stream_queue": 3}, windows={"bidding_window_seconds": 9}) as run:
        listener = run.parts.updates.connect(
            signer=None, intent_types=frozenset(), subnet_matches=True
        )
        assert await run.parts.updates.next(listener) if run.parts.board.open_cases() else True
        wanted = {world.root_layer.submit(intent()).intent_id for _ in range(8)}
        await eventually(lambda: len(run.parts.board.open_cases()) == 8)
        told = await run.parts.updates.next(listener)
        assert told is not None
        assert {u.intent_id for u in told} == wanted
        assert {u.update_type.value for u in told} == {"EXISTING_INTENT"}


async def test_capabilities_decide_who_may_bid_and_the_story_says_why(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.policy = MatcherPolicy.model_validate(
        {
            "strategy": {"type": "weighted"},
            "eligibility": {
                "allow_unregistered": False,
                "capabilities_by_type": {"echo": ["text"]},
            },
        }
    )
    world.roster.add("able", "text")
    world.roster.add("unable", "video")
    async with world.run() as matcher:
        able, unable, stranger = (matcher.agent(n) for n in ("able", "unable", "stranger"))
        wanted = world.root_layer.submit(intent())
        await matcher.opened(wanted.intent_id)
        assert (await able.bid(wanted.intent_id, 10)).accepted
        assert "(SN-M008)" in (await unable.bid(wanted.intent_id, 1)).reason
        assert "(SN-M009)" in (await stranger.bid(wanted.intent_id, 1)).reason
        told = await matcher.until_phase(wanted.intent_id, "assigned")
        assert told["eligible"] == ["able"]
        assert told["ineligible"]["unable"]["code"] == "SN-M008"
        assert {r["code"] for r in told["refused_bids"]} == {"SN-M008", "SN-M009"}
        (offer,) = told["offers"]
        parts = offer["score_parts"]
        assert set(parts) == {"price", "reputation", "capability", "latency"}
        assert offer["score"] == pytest.approx(sum(p["points"] for p in parts.values()))


async def test_an_agent_that_registered_a_moment_ago_is_looked_up(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.policy = MatcherPolicy.model_validate({"eligibility": {"allow_unregistered": False}})
    async with world.run() as matcher:
        agent = matcher.agent("new")
        wanted = world.root_layer.submit(intent())
        await matcher.opened(wanted.intent_id)
        await eventually(lambda: matcher.parts.roster_watch.failure is None)
        world.roster.reload = {roster_agent("new").agent_id: roster_agent("new")}
        matcher.parts.roster_watch._asked_at = float("-inf")
        assert (await agent.bid(wanted.intent_id)).accepted


async def test_a_name_belongs_to_the_key_that_signed_for_it(tmp_path: Path) -> None:
    """A9, A10: no other key, and nobody unsigned, bids or listens under the name."""
    world = World(tmp_path)
    async with world.run(windows={"bidding_window_seconds": 9}) as matcher:
        owner, thief = matcher.agent("agent-1", 1), matcher.agent("agent-1", 2)
        unsigned = matcher.agent("agent-1", 1, keyless=True)
        wanted = world.root_layer.submit(intent())
        await matcher.opened(wanted.intent_id)
        assert (await owner.bid(wanted.intent_id, 9)).accepted
        assert "(SN-M007)" in (await thief.bid(wanted.intent_id, 1)).reason
        assert "(SN-M104)" in (await unsigned.bid(wanted.intent_id, 1)).reason
        await thief.stream_tasks(wait=False)
        await eventually(lambda: thief.ended == ["tasks PERMISSION_DENIED"])
        await unsigned.stream_tasks(wait=False)
        await eventually(lambda: unsigned.ended == ["tasks UNAUTHENTICATED"])


async def test_a_registered_key_keeps_its_name_from_the_first_call_on(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.roster.add("agent-1", "echo", address=key(1).address)
    async with world.run(windows={"bidding_window_seconds": 9}) as matcher:
        thief, owner = matcher.agent("agent-1", 2), matcher.agent("agent-1", 1)
        wanted = world.root_layer.submit(intent())
        await matcher.opened(wanted.intent_id)
        assert "(SN-M007)" in (await thief.bid(wanted.intent_id, 1)).reason
        assert (await owner.bid(wanted.intent_id, 9, metadata={})).accepted


async def test_only_a_matcher_publishes_matching_results(tmp_path: Path) -> None:
    """V9."""
    world = World(tmp_path)
    async with world.run() as matcher:
        agent = matcher.agent("agent-1")
        wanted = world.root_layer.submit(intent())
        await matcher.opened(wanted.intent_id)
        ack = await agent.bid(wanted.intent_id)
        await matcher.until_phase(wanted.intent_id, "assigned")
        result = matcher_pb2.MatchingResult(
            intent_id=wanted.intent_id, winning_bid_id=ack.bid_id, winning_agent_id="agent-1"
        )
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await agent.stub.PublishMatchingResult(result)
        assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
        peer = matcher.agent("matcher", 1000)
        same = await peer.stub.PublishMatchingResult(result)
        assert (same.accepted, same.status) == (True, bid_pb2.BID_STATUS_WINNER)
        result.winning_bid_id = hex32()
        assert not (await peer.stub.PublishMatchingResult(result)).accepted


async def test_empty_messages_are_typed_errors(tmp_path: Path) -> None:
    world = World(tmp_path)
    async with world.run() as matcher:
        agent = matcher.agent("agent-1")
        calls = [
            agent.stub.SubmitBid(matcher_pb2.SubmitBidRequest()),
            agent.stub.RespondToTask(matcher_pb2.RespondToTaskRequest()),
            agent.stub.GetIntentSnapshot(matcher_pb2.GetIntentSnapshotRequest()),
        ]
        for call in calls:
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await call
            assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_calls_beyond_the_burst_are_told_to_slow_down(tmp_path: Path) -> None:
    world = World(tmp_path)
    async with world.run(limits={"calls_per_second": 1, "burst": 3}) as matcher:
        busy, calm = matcher.agent("busy"), matcher.agent("calm")
        for _ in range(3):
            assert not (await busy.bid(hex32())).accepted
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await busy.bid(hex32())
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert not (await calm.bid(hex32())).accepted


async def test_intents_beyond_the_limit_wait_at_root_layer(tmp_path: Path) -> None:
    """M1: the listing offers them again, and they are taken once others have left memory."""
    world = World(tmp_path)
    async with world.run(
        limits={"max_intents": 2},
        intents={"keep_finished_seconds": 0.1, "reconcile_seconds": 0.2},
    ) as matcher:
        now = int(time.time())
        first = [world.root_layer.submit(intent(deadline=now + 2)) for _ in range(2)]
        for one in first:
            await matcher.opened(one.intent_id)
        agent = matcher.agent("agent-1")
        waiting = world.root_layer.submit(intent())
        refused = await agent.bid(waiting.intent_id)
        assert not refused.accepted
        assert "SN-M001" in refused.reason
        await matcher.opened(waiting.intent_id)
        assert (await agent.bid(waiting.intent_id)).accepted


async def test_without_authentication_names_belong_to_whoever_claims_them(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.mode = AuthMode.OFF
    async with world.run(windows={"bidding_window_seconds": 9}) as matcher:
        first, second = matcher.agent("agent-1", 1), matcher.agent("agent-1", 2)
        wanted = world.root_layer.submit(intent())
        await matcher.opened(wanted.intent_id)
        assert (await first.bid(wanted.intent_id, 9)).accepted
        assert (await second.bid(wanted.intent_id, 8)).accepted
