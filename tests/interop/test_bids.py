"""Intents and bids: which updates a stream tells, and what every bid is answered, early, late, twice or in a batch."""

import asyncio

import grpc
import pytest
from tests.interop.by_hand import HoldingAgent, answer, bid, open_intent
from tests.interop.kit import Caller, RealNetwork, new_id, new_key, types
from tests.interop.sdk_like import PythonSdkAgent

from pinai_subnet.wire.pb.subnet import bid_pb2, matcher_pb2

pytestmark = pytest.mark.asyncio(loop_scope="session")

REJECTED = bid_pb2.BID_STATUS_REJECTED


async def test_bids_on_every_update_are_answered_in_band(network: RealNetwork) -> None:
    """Row 8; point 9: the winner and the loser bid again on MATCHED and WINDOW_CLOSED."""
    agents = [
        PythonSdkAgent(network.sdk("late-bids", agent_id=f"late-{n}", price=n)) for n in (1, 2)
    ]
    async with agents[0], agents[1]:
        intent_id = await network.submit("late-bids")
        await network.completed(intent_id)
        for agent in agents:
            await agent.seen.until(lambda seen: len(seen.acks) == 3)
    for agent in agents:
        first, *late = agent.seen.acks
        assert first.accepted
        for ack in late:
            assert (ack.accepted, ack.status, ack.recorded_at) == (False, REJECTED, 0)
            assert ack.reason.startswith("Bidding window closed")
        assert [ack.bid_id for ack in agent.seen.acks] == [b.bid_id for b in agent.seen.bids]
        assert agent.seen.errors == []
    assert [len(agent.seen.tasks) for agent in agents] == [1, 0]


async def test_a_repeated_bid_is_a_duplicate_or_an_update_and_stays_one_bid(
    network: RealNetwork,
) -> None:
    """Row 9: never an error, one bid for each agent."""
    key = new_key()
    caller = Caller(network=network, key=key)
    # Another agent is awaited, so that the window stays open.
    async with HoldingAgent(
        network.sdk("slow-window", agent_id="never-bids", bids=False, private_key=None)
    ):
        intent_id = await open_intent(network, "slow-window")
        acks = [
            (await caller.matcher("SubmitBid", bid(intent_id, "repeats", key=key, price=p))).ack
            for p in (20, 20, 15)
        ]
        open_story = await network.story(intent_id)
        snapshot = await caller.matcher(
            "GetIntentSnapshot", matcher_pb2.GetIntentSnapshotRequest(intent_id=intent_id)
        )
        story = await network.until(intent_id, lambda story: story["offers"])
    assert [ack.accepted for ack in acks] == [True] * 3
    assert acks[1].reason.startswith("duplicate of")
    assert acks[1].bid_id == acks[0].bid_id
    assert open_story["phase"] == "open"
    assert [b.price for b in snapshot.snapshot.bids] == [15]
    (offer,) = story["offers"]
    assert (offer["bid_id"], offer["price"]) == (acks[2].bid_id, "15")


async def test_a_bid_on_an_unknown_intent_or_with_bad_content_is_refused_in_band(
    network: RealNetwork,
) -> None:
    """Row 8: a reason and REJECTED, whatever is wrong."""
    caller = Caller(network=network, key=new_key())
    intent_id = await open_intent(network, "slow-window")
    bad = {
        "SN-M001": bid(new_id(), "wrong"),
        "SN-M003": bid(intent_id, "wrong", price=2**64 - 1),
        "SN-N1": bid("intent-1", "wrong"),
    }
    for code, request in bad.items():
        ack = (await caller.matcher("SubmitBid", request)).ack
        assert (ack.accepted, ack.status, ack.recorded_at) == (False, REJECTED, 0)
        assert code in ack.reason


async def test_intent_types_and_subnet_id_filter_the_updates(network: RealNetwork) -> None:
    """Row 15: empty means all; a type nobody asked for and another subnet's stream stay silent."""
    filters: list[tuple[tuple[str, ...], str]] = [
        (("wanted",), network.subnet_id),
        (("wanted", "unwanted"), network.subnet_id),
        ((), ""),
        ((), new_id()),
    ]
    agents = [
        HoldingAgent(
            network.sdk("x", agent_id=f"filter-{n}", intent_types=wanted, subnet_id=subnet, bids=True,
                        private_key=None)
        )
        for n, (wanted, subnet) in enumerate(filters)
    ]  # fmt: skip
    async with agents[0], agents[1], agents[2], agents[3]:
        unwanted = await network.submit("unwanted", seconds=4)
        wanted_id = await network.submit("wanted", seconds=4)
        heard = [lambda seen, i=i: types(seen.updates, i) for i in (unwanted, wanted_id)]
        await agents[0].seen.until(heard[1])
        await agents[1].seen.until(lambda seen: heard[0](seen) and heard[1](seen))
        await agents[2].seen.until(lambda seen: heard[0](seen) and heard[1](seen))
    assert types(agents[0].seen.updates, unwanted) == []
    assert agents[3].seen.updates == []


async def test_an_agent_that_connects_late_hears_of_existing_intents(network: RealNetwork) -> None:
    """Row 16: EXISTING_INTENT for an open window."""
    intent_id = await open_intent(network, "slow-window")
    async with PythonSdkAgent(network.sdk("slow-window", agent_id="latecomer")) as agent:
        await network.completed(intent_id)
    assert types(agent.seen.updates, intent_id)[0] == "EXISTING_INTENT"
    assert agent.seen.acks[0].accepted


async def test_a_window_without_a_bid_opens_again_as_a_new_intent(network: RealNetwork) -> None:
    """Row 16: WINDOW_CLOSED, no MATCHED, then NEW_INTENT, on which an agent can bid."""

    class Second(PythonSdkAgent):
        """Bids only once the window has opened again."""

        async def _bid(self, update: matcher_pb2.MatcherIntentUpdate) -> None:
            if types(self.seen.updates, update.intent_id).count("NEW_INTENT") == 2:
                await super()._bid(update)

    async with Second(network.sdk("brief", agent_id="second-chance")) as agent:
        intent_id = await network.submit("brief")
        await network.completed(intent_id)
    texts = types(agent.seen.updates, intent_id)
    assert texts == ["NEW_INTENT", "WINDOW_CLOSED", "NEW_INTENT", "MATCHED", "WINDOW_CLOSED"]


async def test_a_failed_assignment_without_another_bid_opens_the_window_again(
    network: RealNetwork,
) -> None:
    """Row 16: upstream stays silent; NEW_INTENT lets other agents bid."""
    key = new_key()
    first = HoldingAgent(network.sdk("rejected", agent_id="rejects", private_key=key))
    async with first:
        intent_id = await network.submit("rejected")
        await first.seen.until(lambda seen: seen.tasks)
        async with PythonSdkAgent(network.sdk("rejected", agent_id="takes-over")) as second:
            no = answer(first.seen.tasks[0], "rejects", accepted=False)
            reply = await Caller(network=network, key=key).matcher("RespondToTask", no)
            assert reply.success
            settled = await network.completed(intent_id)
        # First as new, or as existing where it was there before the agent's stream was; then as new.
        heard = [one for one in types(first.seen.updates, intent_id) if one.endswith("_INTENT")]
        assert len(heard) == 2
        assert heard[-1] == "NEW_INTENT"
        # The agent that failed here may not try again, and hears so in band.
        assert [ack.accepted for ack in first.seen.acks] == [True] + [False] * (
            len(first.seen.acks) - 1
        )
    assert settled["agent_id"] == second.config.agent_id
    # Its stream may have opened just before the window did or just after.
    assert types(second.seen.updates, intent_id)[0] in ("NEW_INTENT", "EXISTING_INTENT")


async def test_a_batch_of_bids_has_aligned_answers_and_stops_at_the_first_refusal(
    network: RealNetwork,
) -> None:
    """Row 23: `partial_ok` is false unless set; what was taken before stays."""
    key = new_key()
    caller = Caller(network=network, key=key)
    first, third, fourth = await asyncio.gather(
        *(open_intent(network, "slow-window") for _ in range(3))
    )

    def batch(agent_id: str, **fields: bool) -> matcher_pb2.SubmitBidBatchRequest:
        bids = [bid(i, agent_id, key=key).bid for i in (first, new_id(), third, fourth)]
        return matcher_pb2.SubmitBidBatchRequest(bids=bids, **fields)

    strict, partial = batch("batch-strict"), batch("batch-partial", partial_ok=True)
    answers = [await caller.matcher("SubmitBidBatch", b) for b in (strict, partial)]
    assert [a.accepted for a in answers[0].acks] == [True, False, False, False]
    assert answers[0].acks[2].reason.startswith("Batch processing stopped")
    assert [a.accepted for a in answers[1].acks] == [True, False, True, True]
    for sent, got in zip((strict, partial), answers, strict=True):
        assert [a.bid_id for a in got.acks] == [b.bid_id for b in sent.bids]
        assert (got.success + got.failed, got.failed) == (4, sum(not a.accepted for a in got.acks))
        assert str(got.success) in got.msg
    story = await network.until(first, lambda story: story["offers"])
    assert {offer["agent_id"] for offer in story["offers"]} == {"batch-strict", "batch-partial"}
    with pytest.raises(grpc.aio.AioRpcError, match="INVALID_ARGUMENT"):
        await caller.matcher("SubmitBidBatch", matcher_pb2.SubmitBidBatchRequest())
