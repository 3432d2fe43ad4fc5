"""The registry as a running process part: real HTTP and gRPC sockets, real SQLite, restarts."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from pinai_subnet.adapters.signer.local import LocalSigner
from pinai_subnet.ports.errors import Refused
from pinai_subnet.protocol.ids import SubnetId
from pinai_subnet.registry.admission import AdmissionLimits
from pinai_subnet.registry.grpc_api import RegistryServicer
from pinai_subnet.registry.http_api import add_routes
from pinai_subnet.registry.loops import Sweep
from pinai_subnet.registry.metrics import RegistryMetrics
from pinai_subnet.registry.roster import Kind, Lifetimes, Roster
from pinai_subnet.registry.service import Registry
from pinai_subnet.registry.store import MIGRATIONS, SqliteStore
from pinai_subnet.runtime.clock import ManualClock
from pinai_subnet.runtime.grpc_server import GrpcServer
from pinai_subnet.runtime.health import Health
from pinai_subnet.runtime.http_server import HttpServer, create_app
from pinai_subnet.runtime.metrics import Metrics
from pinai_subnet.runtime.sqlite import SqliteDatabase
from pinai_subnet.runtime.stop import Stop
from pinai_subnet.wire.authentication import (
    AuthenticationInterceptor,
    AuthMode,
    AuthPolicy,
    RequestVerifier,
    signing_interceptors,
)
from pinai_subnet.wire.nonces import NonceCache
from pinai_subnet.wire.pb.subnet import agent_pb2, registry_service_pb2, registry_service_pb2_grpc
from pinai_subnet.wire.registry_client import RegistryClient, sign_request
from pinai_subnet.wire.status import grpc_status, http_problem

SUBNET = SubnetId("0x" + "00" * 31 + "02")
ALICE = LocalSigner(bytes([0x11]) * 32)
MALLORY = LocalSigner(bytes([0x22]) * 32)
VALIDATOR = LocalSigner(bytes([0x33]) * 32)
AGENT = {"id": "agent-1", "capabilities": ["echo"], "endpoint": "127.0.0.1:7000"}


class Running:
    """One started registry and ways to talk to it."""

    def __init__(
        self, http: httpx.AsyncClient, channel: Callable[..., Any], clock: ManualClock, base: str
    ) -> None:
        self.http, self.channel, self.clock, self.base = http, channel, clock, base

    def client(self, signer: LocalSigner | None) -> RegistryClient:
        return RegistryClient(endpoint=self.base, subnet_id=SUBNET, clock=self.clock, signer=signer)


@asynccontextmanager
async def running(
    folder: Path,
    clock: ManualClock,
    *,
    require_signed: bool = False,
    timeout_seconds: float = 10.0,
    limits: AdmissionLimits | None = None,
) -> AsyncIterator[Running]:
    async with SqliteDatabase(folder / "r.sqlite", MIGRATIONS, identity="test") as database:
        store = SqliteStore(database)
        metrics = Metrics("registry")
        registry = Registry(
            roster=Roster(
                lifetimes=Lifetimes(max_entries=50),
                require_signed=require_signed,
                owners={(Kind.VALIDATOR, "validator-1"): VALIDATOR.address},
                entries=await store.load(),
            ),
            store=store,
            clock=clock,
            limits=limits or AdmissionLimits(),
            metrics=RegistryMetrics(metrics),
        )
        verifier = RequestVerifier(
            policy=AuthPolicy(
                mode=AuthMode.REQUIRE if require_signed else AuthMode.ACCEPT,
                timestamp_tolerance_seconds=300,
                foreign_chain_ids=frozenset(),
            ),
            nonces=NonceCache(expiry_seconds=600, capacity=1000),
            subnet_id=SUBNET,
            clock=clock,
        )
        health = Health()
        health.mark_running()
        app = create_app(
            title="registry",
            version="1",
            error_mapper=http_problem,
            health=health,
            metrics=metrics,
            max_body_bytes=16_384,
            timeout_seconds=timeout_seconds,
        )
        add_routes(app, registry, verifier)
        servicer = RegistryServicer(registry)
        stop = Stop(clock)
        sweep = asyncio.create_task(Sweep(registry=registry, every_seconds=30).run(stop))
        async with (
            HttpServer(app, host="127.0.0.1", port=0) as http,
            GrpcServer(
                host="127.0.0.1",
                port=0,
                register=[
                    lambda s: registry_service_pb2_grpc.add_RegistryServiceServicer_to_server(
                        servicer, s
                    )
                ],
                error_mapper=grpc_status,
                interceptors=[AuthenticationInterceptor(verifier)],
            ) as rpc,
        ):
            base = f"http://127.0.0.1:{http.port}"

            def channel(signer: LocalSigner | None = None) -> grpc.aio.Channel:
                return grpc.aio.insecure_channel(
                    f"127.0.0.1:{rpc.port}",
                    interceptors=signing_interceptors(signer, SUBNET, clock) if signer else None,
                )

            async with httpx.AsyncClient(base_url=base, trust_env=False) as client:
                yield Running(client, channel, clock, base)
        stop.set()
        await sweep


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def registry(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Running]:
    async with running(tmp_path, clock) as started:
        yield started


async def test_the_published_calls_get_the_published_answers(registry: Running) -> None:
    """Interop row 20: statuses, bodies and shapes exactly as wire-contract 1.4."""
    http, now = registry.http, int(registry.clock.now())
    answer = await http.post("/agents", json={**AGENT, "unknown": 1})
    assert (answer.status_code, answer.json()) == (201, {"message": "registered"})
    assert answer.headers["content-type"].startswith("application/json")
    shown = {**AGENT, "status": "AGENT_STATUS_ACTIVE", "last_seen": now}
    assert (await http.get("/agents")).json() == {"agents": [shown]}
    assert (await http.get("/agents/agent-1")).json() == shown
    beat = await http.post("/agents/agent-1/heartbeat")
    assert (beat.status_code, beat.json()) == (200, {"message": "heartbeat"})
    gone = await http.delete("/agents/agent-1")
    assert (gone.status_code, gone.json()) == (200, {"message": "unregistered"})
    for answer in (
        await http.get("/agents/agent-1"),
        await http.delete("/agents/agent-1"),
        await http.post("/agents/agent-1/heartbeat"),
    ):
        assert answer.status_code == 404
        assert answer.json()["error"].startswith("SN-N212")


async def test_validators_are_listed_with_their_http_endpoint(registry: Running) -> None:
    """Interop row 21: an SDK agent posts its report to every endpoint of this list."""
    body = {"id": "validator-9", "endpoint": "127.0.0.1:9095"}
    assert (await registry.http.post("/validators", json=body)).status_code == 201
    listed = (await registry.http.get("/validators")).json()["validators"]
    assert listed == [
        {**body, "status": "AGENT_STATUS_ACTIVE", "last_seen": int(registry.clock.now())}
    ]
    assert (await registry.http.post("/validators/validator-9/heartbeat")).status_code == 200
    assert (await registry.http.delete("/validators/validator-9")).status_code == 200
    assert (await registry.http.get("/validators/validator-9")).status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("PUT", "/agents", 405),
        ("DELETE", "/validators", 405),
        ("POST", "/agents/a", 405),
        ("GET", "/agents/a/heartbeat", 405),
        ("POST", "/agents/a/other", 405),
        ("GET", "/validators/a/b/c", 405),
        ("GET", "/agents/", 400),
        ("POST", "/agents//heartbeat", 400),
        ("GET", "/agents/a%20b", 400),
    ],
)
async def test_other_methods_and_paths_are_refused_as_published(
    registry: Running, method: str, path: str, status: int
) -> None:
    answer = await registry.http.request(method, path)
    assert answer.status_code == status
    if status == 405:
        assert answer.content == b""
    else:
        assert answer.json()["error"].startswith("SN-N")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "SN-N201"),
        (b"[]", "SN-N201"),
        (b'{"id": NaN}', "SN-N201"),
        (b"\xff", "SN-N201"),
        (b"[" * 15_000, "SN-N201"),
        (b'{"id": 1, "capabilities": ["a"]}', "SN-N201"),
        (b'{"id": "a", "capabilities": "echo"}', "SN-N201"),
        (b"", "SN-N202"),
        (b"{}", "SN-N202"),
        (b'{"id": "a"}', "SN-N202"),
        (b'{"id": "a", "capabilities": []}', "SN-N202"),
        (b'{"id": "a b", "capabilities": ["x"]}', "SN-N103"),
        (b'{"id": "a", "capabilities": ["x"], "endpoint": "no port"}', "SN-N203"),
        (b'{"id": "a", "capabilities": [""]}', "SN-N204"),
    ],
)
async def test_bad_bodies_are_answered_with_a_reason(
    registry: Running, body: bytes, code: str
) -> None:
    answer = await registry.http.post("/agents", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith(code)


async def test_bodies_are_limited_in_size_and_time(tmp_path: Path, clock: ManualClock) -> None:
    """R5: no request can hold memory or a connection for ever."""

    async def drip() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(1)

    async with running(tmp_path, clock, timeout_seconds=0.5) as hasty:
        assert (await hasty.http.post("/agents", content=b" " * 20_000)).status_code == 413
        assert (await hasty.http.post("/agents", content=drip())).status_code == 408


async def test_the_roster_survives_a_restart_with_its_bindings(
    tmp_path: Path, clock: ManualClock
) -> None:
    """R1: members, capabilities and bound keys are on disk before the answer."""
    async with running(tmp_path, clock) as first:
        await first.http.post("/agents", json=AGENT)
        client = first.client(ALICE)
        await client.register_agent("agent-2", capabilities=["script"], endpoint="")
        await client.close()
    async with running(tmp_path, clock) as second:
        agents = (await second.http.get("/agents")).json()["agents"]
        assert [a["id"] for a in agents] == ["agent-1", "agent-2"]
        assert agents[1]["address"] == ALICE.address
        assert (await second.http.delete("/agents/agent-2")).status_code == 401


async def test_silent_members_leave_the_lists_and_a_heartbeat_brings_them_back(
    registry: Running,
) -> None:
    """R2, R4: no dead entries on lists; an expired agent's heartbeat re-activates it."""
    await registry.http.post("/agents", json=AGENT)
    await registry.http.post("/validators", json={"id": "v", "endpoint": "127.0.0.1:1"})
    await registry.clock.elapse(300)
    stale = (await registry.http.get("/agents/agent-1")).json()
    assert stale["status"] == "AGENT_STATUS_UNHEALTHY"
    await registry.clock.elapse(300)
    assert (await registry.http.get("/agents")).json() == {"agents": []}
    assert (await registry.http.get("/validators")).json() == {"validators": []}
    assert (await registry.http.post("/agents/agent-1/heartbeat")).status_code == 200
    assert (await registry.http.get("/agents/agent-1")).json()["capabilities"] == ["echo"]


async def test_filters_and_declared_status_are_honoured_over_http(registry: Running) -> None:
    """R3: filters narrow the list, a heartbeat may declare its status."""
    await registry.http.post("/agents", json=AGENT)
    await registry.http.post("/agents", json={**AGENT, "id": "b", "capabilities": ["x", "y"]})
    await registry.http.post("/agents/agent-1/heartbeat", json={"status": "AGENT_STATUS_INACTIVE"})
    for query, expected in (
        ("capability=x&capability=y", ["b"]),
        ("status=AGENT_STATUS_INACTIVE", ["agent-1"]),
        ("capability=none", []),
    ):
        listed = (await registry.http.get(f"/agents?{query}")).json()["agents"]
        assert [a["id"] for a in listed] == expected
    assert (await registry.http.get("/agents?status=x")).status_code == 400


async def test_a_signed_registration_binds_the_id_to_its_key(registry: Running) -> None:
    """A18: nobody overwrites, keeps alive or deletes another key's entry."""
    alice, mallory, nobody = (registry.client(s) for s in (ALICE, MALLORY, None))
    await alice.register_agent("agent-1", capabilities=["echo"], endpoint="127.0.0.1:7000")
    for stranger, status in ((mallory, "403"), (nobody, "401")):
        with pytest.raises(Refused, match=f"HTTP {status}"):
            await stranger.register_agent("agent-1", capabilities=["x"], endpoint="")
        with pytest.raises(Refused, match=f"HTTP {status}"):
            await stranger.heartbeat("agents", "agent-1")
        with pytest.raises(Refused, match=f"HTTP {status}"):
            await stranger.unregister("agents", "agent-1")
    (shown,) = await nobody.members("agents")
    assert (shown.address, shown.capabilities) == (ALICE.address, ("echo",))
    assert await alice.heartbeat("agents", "agent-1")
    await alice.unregister("agents", "agent-1")
    assert not await alice.heartbeat("agents", "agent-1")
    with pytest.raises(Refused, match="SN-N211"):
        await mallory.register_agent("agent-1", capabilities=["x"], endpoint="")
    for client in (alice, mallory, nobody):
        await client.close()


async def test_a_validator_of_the_network_needs_its_own_key(registry: Running) -> None:
    """A18: a stranger cannot redirect reports by registering under a validator's id."""
    unsigned = await registry.http.post(
        "/validators", json={"id": "validator-1", "endpoint": "127.0.0.1:666"}
    )
    assert unsigned.json()["code"] == "SN-N210"
    owner = registry.client(VALIDATOR)
    await owner.register_validator("validator-1", http_endpoint="127.0.0.1:9095")
    (shown,) = await owner.members("validators")
    assert (shown.endpoint, shown.address) == ("127.0.0.1:9095", VALIDATOR.address)
    await owner.close()


async def test_tampered_replayed_and_stale_requests_prove_nothing(registry: Running) -> None:
    """Claim 4: the signature covers method, path and body, once, within the clock window."""
    http, now = registry.http, registry.clock.now()

    def headers(path: str, body: dict[str, object], *, at: float = now) -> dict[str, str]:
        return sign_request(
            signer=ALICE, subnet_id=SUBNET, method="POST", path=path, body=body, now=at
        )

    good = headers("/agents", AGENT)
    assert (await http.post("/agents", json={**AGENT, "endpoint": "h:1"}, headers=good)).json()[
        "code"
    ] == "SN-N305"
    assert (await http.post("/agents", json=AGENT, headers=good)).status_code == 201
    assert (await http.post("/agents", json=AGENT, headers=good)).json()["code"] == "SN-N306"
    stale = headers("/agents", AGENT, at=now - 301)
    assert (await http.post("/agents", json=AGENT, headers=stale)).json()["code"] == "SN-N304"
    elsewhere = headers("/validators", AGENT)
    assert (await http.post("/agents", json=AGENT, headers=elsewhere)).status_code == 401
    partial = {k: v for k, v in headers("/agents", AGENT).items() if k != "x-nonce"}
    assert (await http.post("/agents", json=AGENT, headers=partial)).json()["code"] == "SN-N302"


async def test_signatures_can_be_required_of_everybody(tmp_path: Path, clock: ManualClock) -> None:
    async with running(tmp_path, clock, require_signed=True) as strict:
        assert (await strict.http.post("/agents", json=AGENT)).status_code == 401
        client = strict.client(ALICE)
        await client.register_agent("agent-1", capabilities=["echo"], endpoint="")
        await client.close()
        assert len((await strict.http.get("/agents")).json()["agents"]) == 1


async def test_the_grpc_service_and_the_http_api_are_one_registry(registry: Running) -> None:
    """R3 and the historic service's rules, over gRPC."""
    async with registry.channel() as channel:
        stub = registry_service_pb2_grpc.RegistryServiceStub(channel)
        agent = agent_pb2.Agent(
            id="g", capabilities=["echo", "script"], status=agent_pb2.AGENT_STATUS_INACTIVE
        )
        registered = await stub.RegisterAgent(
            registry_service_pb2.RegisterAgentRequest(agent=agent)
        )
        assert registered.success
        await registry.http.post("/agents", json=AGENT)
        listed = await stub.ListAgents(registry_service_pb2.ListAgentsRequest())
        assert [a.id for a in listed.agents] == ["agent-1", "g"]
        assert listed.total == 2
        filtered = await stub.ListAgents(
            registry_service_pb2.ListAgentsRequest(capabilities=["script"])
        )
        assert [a.id for a in filtered.agents] == ["g"]
        await stub.Heartbeat(
            registry_service_pb2.HeartbeatRequest(
                agent_id="g", status=agent_pb2.AGENT_STATUS_UNHEALTHY
            )
        )
        sick = await stub.ListAgents(
            registry_service_pb2.ListAgentsRequest(status=agent_pb2.AGENT_STATUS_UNHEALTHY)
        )
        assert [a.id for a in sick.agents] == ["g"]
        found = await stub.DiscoverAgents(
            registry_service_pb2.DiscoverAgentsRequest(capabilities=["echo"])
        )
        assert [a.id for a in found.agents] == ["agent-1"]
        one = await stub.GetAgent(registry_service_pb2.GetAgentRequest(agent_id="g"))
        assert one.agent.status == agent_pb2.AGENT_STATUS_UNHEALTHY
        assert one.agent.last_seen == int(registry.clock.now())
        await stub.UnregisterAgent(registry_service_pb2.UnregisterAgentRequest(agent_id="g"))
        assert (await registry.http.get("/agents/g")).status_code == 404


async def test_grpc_errors_carry_status_and_code(registry: Running) -> None:
    """Claim 5: empty messages are answered, never fatal."""
    pb = registry_service_pb2
    async with registry.channel() as channel:
        stub = registry_service_pb2_grpc.RegistryServiceStub(channel)
        calls = (
            (stub.RegisterAgent(pb.RegisterAgentRequest()), "INVALID_ARGUMENT"),
            (
                stub.RegisterAgent(pb.RegisterAgentRequest(agent=agent_pb2.Agent(id="x"))),
                "INVALID_ARGUMENT",
            ),
            (stub.Heartbeat(pb.HeartbeatRequest()), "INVALID_ARGUMENT"),
            (stub.Heartbeat(pb.HeartbeatRequest(agent_id="x")), "NOT_FOUND"),
            (stub.UnregisterAgent(pb.UnregisterAgentRequest(agent_id="x")), "NOT_FOUND"),
            (stub.GetAgent(pb.GetAgentRequest()), "INVALID_ARGUMENT"),
            (stub.GetAgent(pb.GetAgentRequest(agent_id="x")), "NOT_FOUND"),
        )
        for call, expected in calls:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call
            assert caught.value.code().name == expected
            assert caught.value.details().startswith("SN-N")


async def test_a_signed_grpc_registration_binds_too(registry: Running) -> None:
    """A18 over gRPC."""
    pb = registry_service_pb2
    agent = agent_pb2.Agent(id="g", capabilities=["echo"])
    async with registry.channel(ALICE) as signed, registry.channel(MALLORY) as foreign:
        stub = registry_service_pb2_grpc.RegistryServiceStub(signed)
        await stub.RegisterAgent(pb.RegisterAgentRequest(agent=agent))
        other = registry_service_pb2_grpc.RegistryServiceStub(foreign)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await other.UnregisterAgent(pb.UnregisterAgentRequest(agent_id="g"))
        assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert (await registry.http.get("/agents/g")).json()["address"] == ALICE.address


async def test_the_openapi_document_describes_what_is_served(registry: Running) -> None:
    document = (await registry.http.get("/openapi.json")).json()
    assert set(document["paths"]) == {
        f"/{kind}{rest}"
        for kind, one in (("agents", "agent_id"), ("validators", "validator_id"))
        for rest in ("", f"/{{{one}}}", f"/{{{one}}}/heartbeat")
    }
    register = document["paths"]["/agents"]["post"]
    schema = register["requestBody"]["content"]["application/json"]["schema"]
    assert set(schema["properties"]) == {"id", "capabilities", "endpoint"}
    assert schema["required"] == ["id", "capabilities"]
    assert {"201", "400", "401", "403", "429"} <= set(register["responses"])
    assert "422" not in register["responses"]


async def test_metrics_count_members(registry: Running) -> None:
    await registry.http.post("/agents", json=AGENT)
    await registry.clock.elapse(31)
    text = (await registry.http.get("/metrics")).text
    assert 'subnet_registry_members_count{kind="agent"} 1.0' in text
    assert 'subnet_registry_registrations_total{kind="agent"} 1.0' in text


async def test_a_flood_meets_a_limit_per_address_and_signers_have_their_own(
    tmp_path: Path, clock: ManualClock
) -> None:
    """operators.md row 33: HTTP and gRPC share one limit; reads count too; waiting helps."""
    limits = AdmissionLimits(calls_per_second=2, burst=5)
    async with running(tmp_path, clock, limits=limits) as registry:
        for _ in range(5):
            assert (await registry.http.get("/agents")).status_code == 200
        flooded = [
            await registry.http.get("/agents"),
            await registry.http.get("/validators/validator-1"),
            await registry.http.post("/agents", json=AGENT),
        ]
        for answer in flooded:
            assert answer.status_code == 429
            assert answer.json()["code"] == "SN-N206"
            assert answer.headers["retry-after"]
        async with registry.channel() as channel:
            stub: Any = registry_service_pb2_grpc.RegistryServiceStub(channel)
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await stub.ListAgents(registry_service_pb2.ListAgentsRequest())
            assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert "SN-N206" in (refused.value.details() or "")
        async with registry.channel(ALICE) as channel:
            stub = registry_service_pb2_grpc.RegistryServiceStub(channel)
            await stub.RegisterAgent(
                registry_service_pb2.RegisterAgentRequest(
                    agent=agent_pb2.Agent(id="agent-9", capabilities=["echo"])
                )
            )
        assert (await registry.http.get("/healthz")).status_code == 200
        clock.advance(1)
        assert (await registry.http.get("/agents")).status_code == 200
