"""Who speaks for whom: a signer that proves its own key still may not act in another agent's name."""

import asyncio
import uuid
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from tests.interop.by_hand import HoldingAgent, answer, bid, holding, open_intent, report
from tests.interop.forging import http_headers
from tests.interop.kit import Caller, RealNetwork, new_id, new_key, refusal
from tests.interop.sdk_headers import address_of

from pinai_subnet.wire.pb.subnet import (
    agent_pb2,
    matcher_pb2,
    matcher_service_pb2,
    registry_service_pb2,
    service_pb2,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")

ATTACKER = new_key()
REPORT_PATH = "/api/v1/execution-report"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def victim(network: RealNetwork) -> AsyncIterator[HoldingAgent]:
    """Run an agent that signs its calls and has a task, which it must still have after all attacks."""
    async with holding(network, "victim") as agent:
        caller = Caller(network=network, key=agent.config.private_key)
        (task,) = agent.seen.tasks
        assert (await caller.matcher("RespondToTask", answer(task, agent.config.agent_id))).success
        yield agent
        receipt = await caller.validator(
            "SubmitExecutionReport", report(task, agent.config.agent_id)
        )
        assert receipt.status == "accepted"
        settled = await network.completed(task.intent_id)
        assert settled["agent_address"] == agent.address
        assert agent.seen.errors == []
        known = await network.agent(agent.config.agent_id)
        assert (known["failures"], known["completed"]) == (0, 1)


@pytest.fixture
def attacker(network: RealNetwork) -> Caller:
    """Return a caller that signs with its own key."""
    return Caller(network=network, key=ATTACKER)


@pytest.fixture
def nobody(network: RealNetwork) -> Caller:
    """Return a caller that signs nothing."""
    return Caller(network=network)


async def test_nobody_bids_in_another_agents_name(
    network: RealNetwork, victim: HoldingAgent, attacker: Caller, nobody: Caller
) -> None:
    """Row 5; A9, A10: refused in band, whoever would be paid."""
    name, own = victim.config.agent_id, address_of(ATTACKER)
    intent_id = await open_intent(network, "slow-window")
    tries = [
        (attacker, own, "SN-M007"),
        (attacker, victim.address, "SN-M006"),
        (nobody, own, "SN-M007"),
        (nobody, victim.address, "SN-M104"),
    ]
    for caller, address, code in tries:
        request = bid(intent_id, name, address=address)
        for ack in (
            (await caller.matcher("SubmitBid", request)).ack,
            (
                await caller.matcher(
                    "SubmitBidBatch", matcher_pb2.SubmitBidBatchRequest(bids=[request.bid])
                )
            ).acks[0],
        ):
            assert (ack.accepted, code in ack.reason) == (False, True), (code, ack)
    assert (await network.story(intent_id))["bids"] == 0


async def test_nobody_reads_or_answers_another_agents_tasks(
    victim: HoldingAgent, attacker: Caller, nobody: Caller
) -> None:
    """Row 12; A9: neither the stream nor the answer; the victim's own stream is not replaced."""
    name, (task,) = victim.config.agent_id, victim.seen.tasks
    stream = matcher_service_pb2.StreamTasksRequest(agent_id=name)
    no, yes = answer(task, name, accepted=False), answer(task, name)
    own = answer(task, "attacker", accepted=False)
    forbidden, unsigned = "PERMISSION_DENIED", "UNAUTHENTICATED"
    assert await refusal(attacker.matcher("StreamTasks", stream)) == (forbidden, "SN-M103")
    assert await refusal(nobody.matcher("StreamTasks", stream)) == (unsigned, "SN-M104")
    for request in (no, yes):
        assert await refusal(attacker.matcher("RespondToTask", request)) == (forbidden, "SN-M103")
        assert await refusal(nobody.matcher("RespondToTask", request)) == (unsigned, "SN-M104")
    assert await refusal(attacker.matcher("RespondToTask", own)) == (forbidden, "SN-M102")


async def test_no_bids_of_others_are_seen_before_the_window_closes(
    network: RealNetwork, attacker: Caller, nobody: Caller
) -> None:
    """A11: neither in a snapshot nor on a stream."""
    key = new_key()
    intent_id = await open_intent(network, "slow-window")
    bidder = Caller(network=network, key=key)
    assert (
        await bidder.matcher("SubmitBid", bid(intent_id, "sealed-bidder", key=key))
    ).ack.accepted
    request = matcher_pb2.GetIntentSnapshotRequest(intent_id=intent_id)
    stream = matcher_pb2.StreamBidsRequest(intent_id=intent_id, agent_id="sealed-bidder")
    for caller, sees in ((bidder, 1), (attacker, 0), (nobody, 0)):
        snapshot = (await caller.matcher("GetIntentSnapshot", request)).snapshot
        assert (len(snapshot.bids), snapshot.bidding_closed) == (sees, False)
    events = await asyncio.gather(
        *(c.matcher("StreamBids", stream) for c in (bidder, attacker, nobody))
    )
    assert [event is not None for event in events] == [True, False, False]


@pytest.mark.parametrize("place", range(3))
async def test_nobody_reports_in_another_agents_name(
    network: RealNetwork, victim: HoldingAgent, attacker: Caller, place: int
) -> None:
    """Row 5; A8: under the victim's name, its address or the attacker's own, at any validator."""
    (task,) = victim.seen.tasks
    forged = [
        report(task, victim.config.agent_id),
        report(task, str(victim.address)),
        report(task, "attacker"),
        report(task, address_of(ATTACKER)),
        report(task, str(victim.address), assignment_id=new_id(), intent_id=new_id()),
    ]
    for message in forged:
        call = attacker.validator("SubmitExecutionReport", message, place=place)
        assert await refusal(call) == ("PERMISSION_DENIED", "SN-V081")
    batch = service_pb2.ExecutionReportBatchRequest(reports=forged, partial_ok=True)
    answers = await attacker.validator("SubmitExecutionReportBatch", batch, place=place)
    assert [r.status for r in answers.receipts] == ["rejected"] * len(forged)
    body = {
        "report_id": "r",
        "assignment_id": task.task_id,
        "intent_id": task.intent_id,
        "agent_id": victim.config.agent_id,
    }
    headers = http_headers(
        key=ATTACKER, chain_id=network.subnet_id, method=f"POST {REPORT_PATH}", body=body
    )
    over_http = await network.call(
        "POST", network.validators_http[place], REPORT_PATH, json=body, headers=headers
    )
    assert (over_http.status_code, over_http.json()["code"]) == (403, "SN-V081")


async def test_a_claimed_name_yields_to_the_key_that_proves_it(
    network: RealNetwork, nobody: Caller
) -> None:
    """Row 5; A13: a stranger that bids unsigned under a name cannot lock out who signs under it."""
    key = new_key()
    first, second = [await open_intent(network, "slow-window") for _ in range(2)]
    claim = bid(first, "claimed-name", address=address_of(ATTACKER))
    assert (await nobody.matcher("SubmitBid", claim)).ack.accepted
    owner = Caller(network=network, key=key)
    assert (await owner.matcher("SubmitBid", bid(second, "claimed-name", key=key))).ack.accepted
    assert (await network.agent("claimed-name"))["address"] == address_of(key)
    again = bid(second, "claimed-name", address=address_of(ATTACKER))
    assert not (await nobody.matcher("SubmitBid", again)).ack.accepted


async def test_a_signed_registration_belongs_to_its_key(
    network: RealNetwork, attacker: Caller, nobody: Caller
) -> None:
    """Row 20; A18: over HTTP and gRPC; the matcher then pays nobody else under that name."""
    key, name = new_key(), f"bound-{uuid.uuid4().hex}"
    body = {"id": name, "capabilities": ["echo"], "endpoint": ""}

    async def http(signer: str | None, method: str, path: str, sent: object) -> tuple[int, str]:
        headers = {}
        if signer is not None:
            headers = http_headers(
                key=signer, chain_id=network.subnet_id, method=f"{method} {path}", body=sent
            )
        options = {} if sent is None else {"json": sent}
        got = await network.call(method, network.registry, path, headers=headers, **options)
        return got.status_code, got.json().get("code", "")

    assert await http(key, "POST", "/agents", body) == (201, "")
    changes = [
        ("POST", "/agents", body),
        ("POST", f"/agents/{name}/heartbeat", None),
        ("DELETE", f"/agents/{name}", None),
    ]
    for method, path, sent in changes:
        assert await http(ATTACKER, method, path, sent) == (403, "SN-N211")
        assert await http(None, method, path, sent) == (401, "SN-N210")
    agent = agent_pb2.Agent(id=name, capabilities=["echo"])
    pb = registry_service_pb2
    for call, request in (
        ("RegisterAgent", pb.RegisterAgentRequest(agent=agent)),
        ("Heartbeat", pb.HeartbeatRequest(agent_id=name)),
        ("UnregisterAgent", pb.UnregisterAgentRequest(agent_id=name)),
    ):
        denied = await refusal(attacker.registry(call, request))
        assert denied == ("PERMISSION_DENIED", "SN-N211")
        assert await refusal(nobody.registry(call, request)) == ("UNAUTHENTICATED", "SN-N210")
    validator = {"id": "validator-1", "endpoint": "127.0.0.1:1"}
    assert await http(ATTACKER, "POST", "/validators", validator) == (403, "SN-N211")
    assert await http(None, "DELETE", "/validators/validator-1", None) == (401, "SN-N210")
    intent_id = await open_intent(network, "slow-window")
    ack = (await attacker.matcher("SubmitBid", bid(intent_id, name, key=ATTACKER))).ack
    assert (ack.accepted, "SN-M007" in ack.reason) == (False, True)
    assert await http(key, "DELETE", f"/agents/{name}", None) == (200, "")


async def test_a_stranger_uses_up_only_its_own_calls_at_the_matcher(
    network: RealNetwork, victim: HoldingAgent, attacker: Caller
) -> None:
    """Row 24; A12: beyond its burst the stranger is refused, the agent whose name it claims is not."""
    name = victim.config.agent_id
    intent_id = await open_intent(network, "slow-window")
    flood = matcher_pb2.SubmitBidBatchRequest(
        bids=[bid(intent_id, name, address=victim.address).bid] * 100, partial_ok=True
    )
    calls = (attacker.matcher("SubmitBidBatch", flood) for _ in range(15))
    answers = await asyncio.gather(*map(refusal, calls))
    assert ("RESOURCE_EXHAUSTED", "SN-M019") in answers
    own = Caller(network=network, key=victim.config.private_key)
    request = bid(intent_id, name, key=victim.config.private_key)
    assert (await own.matcher("SubmitBid", request)).ack.accepted
