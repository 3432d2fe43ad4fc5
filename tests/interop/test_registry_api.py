"""The registry as both SDKs use it: exact answers over HTTP, heartbeats that revive, the gRPC service beside it."""

import asyncio

import pytest
from tests.interop.kit import Caller, RealNetwork, refusal
from tests.interop.sdk_like import PythonSdkAgent

from pinai_subnet.wire.pb.subnet import agent_pb2, registry_service_pb2

pytestmark = pytest.mark.asyncio(loop_scope="session")

AGENT = {"id": "listed", "capabilities": ["echo", "b"], "endpoint": "127.0.0.1:7999"}
VALIDATOR = {"id": "validator-x", "endpoint": "127.0.0.1:7998"}


async def call(
    network: RealNetwork, method: str, path: str, body: object = None
) -> tuple[int, object]:
    """Make one call without headers of ours; return status and document."""
    options = {} if body is None else {"json": body}
    answer = await network.call(method, network.registry, path, **options)
    return answer.status_code, answer.json() if answer.content else None


@pytest.mark.parametrize(("kind", "entry"), [("agents", AGENT), ("validators", VALIDATOR)])
async def test_the_http_api_answers_as_published(
    network: RealNetwork, kind: str, entry: dict[str, object]
) -> None:
    """Row 20: statuses and bodies of wire-contract 1.4."""
    name = entry["id"]
    assert await call(network, "POST", f"/{kind}", entry) == (201, {"message": "registered"})
    assert await call(network, "POST", f"/{kind}", entry | {"extra": 1}) == (
        201,
        {"message": "registered"},
    )
    status, listing = await call(network, "GET", f"/{kind}")
    assert status == 200
    assert isinstance(listing, dict)
    assert list(listing) == [kind]
    ids = [e["id"] for e in listing[kind]]
    assert (name in ids, ids) == (True, sorted(ids))
    status, shown = await call(network, "GET", f"/{kind}/{name}")
    assert isinstance(shown, dict)
    assert isinstance(shown.pop("last_seen"), int)
    expected = entry | {"status": "AGENT_STATUS_ACTIVE"}
    shown["capabilities"] = list(reversed(shown["capabilities"])) if kind == "agents" else None
    assert shown == expected | ({} if kind == "agents" else {"capabilities": None})
    assert await call(network, "POST", f"/{kind}/{name}/heartbeat") == (
        200,
        {"message": "heartbeat"},
    )
    assert await call(network, "DELETE", f"/{kind}/{name}") == (200, {"message": "unregistered"})
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/heartbeat")):
        status, problem = await call(network, method, f"/{kind}/{name}{path}")
        assert status == 404
        assert isinstance(problem, dict)
        assert problem["error"]
    for bad in ({}, {"id": ""}, {"id": "only-an-id"}, ["list"], "text"):
        status, problem = await call(network, "POST", f"/{kind}", bad)
        assert (status, "error" in (problem or {})) == (400, True)
    for method, path in (("PUT", ""), ("DELETE", ""), ("PATCH", "/x"), ("GET", "/x/heartbeat")):
        assert await call(network, method, f"/{kind}{path}") == (405, None)


async def test_a_heartbeat_revives_an_expired_agent(network: RealNetwork) -> None:
    """Row 20: the SDK never registers again; 3 s stand for the ten minutes."""
    config = network.sdk("expires", registry=network.registry)
    async with PythonSdkAgent(config) as agent:
        path = f"/agents/{config.agent_id}"
        assert (await call(network, "GET", path))[0] == 200
        await asyncio.sleep(3.2)
        assert (await call(network, "GET", path))[0] == 404
        assert await agent.heartbeat() == 200
        status, entry = await call(network, "GET", path)
        assert isinstance(entry, dict)
        assert (status, entry["status"], entry["capabilities"]) == (
            200,
            "AGENT_STATUS_ACTIVE",
            ["echo"],
        )
        # Silent again, but connected to the matcher: it still gets work.
        await asyncio.sleep(3.2)
        await network.completed(await network.submit("expires"))
        assert agent.seen.errors == []


async def test_the_grpc_service_answers_as_published(network: RealNetwork) -> None:
    """Row 20: RegistryService beside the HTTP API, over the same list."""
    caller = Caller(network=network)
    pb = registry_service_pb2
    agent = agent_pb2.Agent(id="by-grpc", capabilities=["rare-capability"], endpoint="a.b:1")
    done = await caller.registry("RegisterAgent", pb.RegisterAgentRequest(agent=agent))
    assert (done.success, bool(done.message)) == (True, True)
    beat = await caller.registry("Heartbeat", pb.HeartbeatRequest(agent_id="by-grpc"))
    assert beat.success
    shown = await caller.registry("GetAgent", pb.GetAgentRequest(agent_id="by-grpc"))
    assert (shown.agent.status, shown.agent.last_seen > 0) == (agent_pb2.AGENT_STATUS_ACTIVE, True)
    found = await caller.registry(
        "DiscoverAgents", pb.DiscoverAgentsRequest(capabilities=["rare-capability"])
    )
    assert [a.id for a in found.agents] == ["by-grpc"]
    listed = await caller.registry("ListAgents", pb.ListAgentsRequest())
    assert (listed.total, "by-grpc" in [a.id for a in listed.agents]) == (len(listed.agents), True)
    assert (await call(network, "GET", "/agents/by-grpc"))[0] == 200
    gone = await caller.registry("UnregisterAgent", pb.UnregisterAgentRequest(agent_id="by-grpc"))
    assert gone.success
    bad = pb.RegisterAgentRequest(agent=agent_pb2.Agent(id="x"))
    assert (await refusal(caller.registry("RegisterAgent", bad)))[0] == "INVALID_ARGUMENT"
    unknown = pb.HeartbeatRequest(agent_id="by-grpc")
    assert (await refusal(caller.registry("Heartbeat", unknown)))[0] == "NOT_FOUND"
