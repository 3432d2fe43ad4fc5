"""A real matcher (gRPC, SQLite, loops) on fake ports: a RootLayer, a ledger and a roster that a test can steer."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import grpc
import httpx

from pinai_subnet.adapters.signer.local import LocalSigner
from pinai_subnet.matcher.assembly import Given, Parts, Ports, assemble, services
from pinai_subnet.matcher.http_routes import add_http
from pinai_subnet.matcher.metrics import MatcherMetrics
from pinai_subnet.matcher.settings import (
    MatcherPolicy,
    MatcherSettings,
    agent_rules,
    matching_rules,
)
from pinai_subnet.matcher.store import MIGRATIONS
from pinai_subnet.ports.errors import Unreachable
from pinai_subnet.ports.ledger import Ledger, Outcome, OutcomeKind, RecordAnswer
from pinai_subnet.ports.root_layer import IntentPage, ItemResult, RootLayer, SignedBatch
from pinai_subnet.ports.roster import Roster, RosterAgent
from pinai_subnet.protocol.assignments import Assignment, AssignmentRecord
from pinai_subnet.protocol.digests import ChainDomain, params_hash
from pinai_subnet.protocol.ids import (
    ZERO_ADDRESS,
    Address,
    AgentId,
    AssignmentId,
    IntentId,
    SubnetId,
)
from pinai_subnet.protocol.intents import Intent, IntentStatus
from pinai_subnet.protocol.network import NetworkParameters
from pinai_subnet.runtime.clock import SystemClock
from pinai_subnet.runtime.grpc_server import GrpcServer
from pinai_subnet.runtime.health import Health
from pinai_subnet.runtime.http_server import HttpServer, create_app
from pinai_subnet.runtime.metrics import Metrics
from pinai_subnet.runtime.sqlite import SqliteDatabase
from pinai_subnet.runtime.stop import Stop
from pinai_subnet.runtime.tracing import Tracer
from pinai_subnet.wire.authentication import (
    AuthenticationInterceptor,
    AuthMode,
    AuthPolicy,
    RequestVerifier,
    signing_interceptors,
)
from pinai_subnet.wire.nonces import NonceCache
from pinai_subnet.wire.pb.pinai import bidding_pb2
from pinai_subnet.wire.pb.pinai.bidding_pb2_grpc import (
    BiddingServiceStub,
    add_BiddingServiceServicer_to_server,
)
from pinai_subnet.wire.pb.subnet import bid_pb2, matcher_pb2, matcher_service_pb2
from pinai_subnet.wire.pb.subnet.matcher_service_pb2_grpc import (
    MatcherServiceStub,
    add_MatcherServiceServicer_to_server,
)
from pinai_subnet.wire.status import grpc_status, http_problem

SUBNET = SubnetId("0x" + "00" * 31 + "07")
DOMAIN = ChainDomain(
    chain_id=84532,
    intent_manager=Address("0xB2f092E696B33b7a95e1f961369Bb59611CAd093"),
    checkpoint_manager=Address("0x6A61BA20D910576A6c0B39175A6CF98358bB4008"),
)
CLOCK = SystemClock()
PATIENCE = 8.0


def key(number: int) -> LocalSigner:
    return LocalSigner(number.to_bytes(32, "big"))


MATCHER = key(1000)


def hex32() -> str:
    return "0x" + secrets.token_hex(32)


def intent(**changes: Any) -> Intent:
    now = int(CLOCK.now())
    values: dict[str, Any] = {
        "intent_id": IntentId(hex32()),
        "subnet_id": SUBNET,
        "requester": key(9).address,
        "settle_chain": "base_sepolia",
        "intent_type": "echo",
        "intent_raw": b"payload",
        "metadata": b"",
        "params_hash": params_hash(b"payload", b""),
        "tips_token": ZERO_ADDRESS,
        "tips": 0,
        "budget_token": ZERO_ADDRESS,
        "budget": 10**30,
        "deadline": now + 60,
        "intent_expiration": 0,
        "status": IntentStatus.PENDING,
        "created_at": now,
        "signature": bytes(65),
    }
    return Intent(**{**values, **changes})


class FakeRootLayer(RootLayer):
    """Holds intents; tells of new ones; can be down, and can keep new ones from the stream."""

    def __init__(self) -> None:
        self.intents: list[Intent] = []
        self.posted: list[Assignment] = []
        self.calls: list[int] = []
        self.down = False
        self.page_size = 100
        self.pages_read: list[int] = []
        self.watchers: set[asyncio.Queue[Intent | None]] = set()

    def submit(self, value: Intent, *, silently: bool = False) -> Intent:
        self.intents.append(value)
        if not silently:
            for queue in self.watchers:
                queue.put_nowait(value)
        return value

    def break_streams(self) -> None:
        for queue in self.watchers:
            queue.put_nowait(None)

    async def watch_intents(self, subnet_id: SubnetId) -> AsyncIterator[Intent]:
        if self.down:
            raise Unreachable("SN-S070", "down")
        queue: asyncio.Queue[Intent | None] = asyncio.Queue()
        self.watchers.add(queue)
        try:
            while (item := await queue.get()) is not None:
                yield item
        finally:
            self.watchers.discard(queue)
        raise Unreachable("SN-S070", "broken")

    async def list_intents(
        self, subnet_id: SubnetId, status: IntentStatus, page: int
    ) -> IntentPage:
        if self.down:
            raise Unreachable("SN-S070", "down")
        self.pages_read.append(page)
        start = (page - 1) * self.page_size
        pages = max(1, -(-len(self.intents) // self.page_size))
        return IntentPage(
            intents=self.intents[start : start + self.page_size], page=page, total_pages=pages
        )

    async def get_intent(self, intent_id: IntentId) -> Intent | None:
        return next((i for i in self.intents if i.intent_id == intent_id), None)

    async def post_assignments(self, assignments: Sequence[Assignment]) -> Sequence[ItemResult]:
        if self.down:
            raise Unreachable("SN-S070", "down")
        self.calls.append(len(assignments))
        self.posted.extend(assignments)
        return [ItemResult(ok=True, message="", receipt_id="r") for _ in assignments]

    async def submit_batch(self, batch: SignedBatch) -> Sequence[ItemResult]:
        raise NotImplementedError

    async def close(self) -> None:
        return None


class FakeLedger(Ledger):
    """Takes records unless told otherwise; a test says what became of them."""

    def __init__(self) -> None:
        self.records: list[AssignmentRecord] = []
        self.outcomes: list[Outcome] = []
        self.down = False
        self.deaf = False
        """Whether nobody may follow the outcomes."""
        self.refuse: dict[AgentId, tuple[str, str]] = {}
        self.asked_after: list[int] = []
        self._changed = asyncio.Condition()

    async def record_assignments(
        self, records: Sequence[AssignmentRecord], *, request_id: str
    ) -> Sequence[RecordAnswer]:
        if self.down:
            raise Unreachable("SN-M310", "down")
        answers = []
        for record in records:
            refusal = self.refuse.get(record.agent_id)
            known = {r.assignment.assignment_id for r in self.records}
            if refusal is None and record.assignment.assignment_id not in known:
                self.records.append(record)
            code, message = refusal or ("", "")
            answers.append(
                RecordAnswer(
                    assignment_id=record.assignment.assignment_id,
                    accepted=refusal is None,
                    code=code,
                    message=message,
                )
            )
        return answers

    async def watch_outcomes(
        self, after: int, opened: Callable[[], None] | None = None
    ) -> AsyncIterator[Outcome]:
        self.asked_after.append(after)
        if self.deaf:
            raise Unreachable("SN-M310", "no stream")
        if opened is not None:
            opened()
        while True:
            ready = [o for o in self.outcomes if o.sequence > after]
            for outcome in ready:
                after = outcome.sequence
                yield outcome
            async with self._changed:
                await self._changed.wait_for(
                    lambda last=after: any(o.sequence > last for o in self.outcomes)
                )

    async def say(
        self, assignment_id: str, kind: OutcomeKind, *, code: str = "", reason: str = ""
    ) -> None:
        record = next(r for r in self.records if r.assignment.assignment_id == assignment_id)
        outcome = Outcome(
            sequence=len(self.outcomes) + 1,
            intent_id=record.assignment.intent_id,
            assignment_id=AssignmentId(assignment_id),
            agent_id=record.agent_id,
            agent_address=record.assignment.agent_address,
            kind=kind,
            code=code,
            reason=reason,
            at_ms=int(CLOCK.now() * 1000),
            epoch=1,
        )
        async with self._changed:
            self.outcomes.append(outcome)
            self._changed.notify_all()

    async def close(self) -> None:
        return None


class FakeRoster(Roster):
    """A list a test writes; with `reload` set, what a refresh finds."""

    def __init__(self) -> None:
        self.listed: dict[AgentId, RosterAgent] = {}
        self.reload: dict[AgentId, RosterAgent] | None = None

    def agents(self) -> Mapping[AgentId, RosterAgent]:
        return self.listed

    def age_seconds(self) -> float | None:
        return 0.0

    async def refresh(self) -> None:
        if self.reload is not None:
            self.listed = self.reload

    async def close(self) -> None:
        return None

    def add(self, name: str, *caps: str, address: Address | None = None) -> None:
        self.listed[AgentId(name)] = roster_agent(name, *caps, address=address)


def roster_agent(name: str, *caps: str, address: Address | None = None) -> RosterAgent:
    return RosterAgent(
        agent_id=AgentId(name),
        capabilities=frozenset(caps or ("echo",)),
        endpoint="",
        healthy=True,
        last_seen=int(CLOCK.now()),
        address=address,
    )


def settings(data_dir: Path, **sections: dict[str, Any]) -> MatcherSettings:
    values: dict[str, dict[str, Any]] = {
        "windows": {"bidding_window_seconds": 0.25, "early_close": False},
        "tasks": {"response_timeout_seconds": 5},
        "intents": {"reconcile_seconds": 0.3, "keep_finished_seconds": 5},
        "registry": {"refresh_seconds": 60},
    }
    for name, section in sections.items():
        values[name] = {**values.get(name, {}), **section}
    return MatcherSettings.model_validate({"data_dir": str(data_dir), **values})


class Agent:
    """One agent's stub and what it heard."""

    def __init__(
        self, running: "Running", name: str, signer: LocalSigner | None, address: Address
    ) -> None:
        self.running, self.name, self.signer, self.address = running, name, signer, address
        interceptors = signing_interceptors(signer, SUBNET, CLOCK) if signer else []
        self.channel = grpc.aio.insecure_channel(
            f"127.0.0.1:{running.port}",
            interceptors=interceptors,
            options=[("grpc.use_local_subchannel_pool", 1)],
        )
        self.stub: Any = MatcherServiceStub(self.channel)
        self.own: Any = BiddingServiceStub(self.channel)
        self.tasks: asyncio.Queue[Any] = asyncio.Queue()
        self.updates: asyncio.Queue[Any] = asyncio.Queue()
        self._calls: list[Any] = []
        self._readers: list[asyncio.Task[None]] = []
        self.ended: list[str] = []

    async def stream_tasks(self, *, wait: bool = True) -> None:
        before = self.running.parts.tasks._streams.get(AgentId(self.name))
        call = self.stub.StreamTasks(matcher_service_pb2.StreamTasksRequest(agent_id=self.name))
        self._follow("tasks", call, self.tasks)
        if wait:
            streams = self.running.parts.tasks._streams
            await eventually(lambda: streams.get(AgentId(self.name)) not in (None, before))

    async def stream_intents(self, *types: str, subnet_id: str = "") -> None:
        before = len(self.running.parts.updates)
        call = self.stub.StreamIntents(
            matcher_pb2.StreamIntentsRequest(subnet_id=subnet_id, intent_types=types)
        )
        self._follow("intents", call, self.updates)
        await eventually(lambda: len(self.running.parts.updates) > before)

    def _follow(self, kind: str, call: Any, queue: asyncio.Queue[Any]) -> None:
        async def read() -> None:
            try:
                async for item in call:
                    queue.put_nowait(item)
                self.ended.append(kind)
            except grpc.aio.AioRpcError as exc:
                self.ended.append(f"{kind} {exc.code().name}")

        self._calls.append(call)
        self._readers.append(asyncio.ensure_future(read()))

    def bid_message(self, intent_id: str, price: int, **changes: Any) -> bid_pb2.Bid:
        values: dict[str, Any] = {
            "bid_id": hex32(),
            "intent_id": intent_id,
            "agent_id": self.name,
            "price": price,
            "token": "PIN",
            "submitted_at": int(CLOCK.now()),
            "nonce": secrets.token_hex(16),
            "metadata": {"chain_address": self.address},
        }
        return bid_pb2.Bid(**{**values, **changes})

    async def bid(self, intent_id: str, price: int = 10, **changes: Any) -> Any:
        request = matcher_pb2.SubmitBidRequest(bid=self.bid_message(intent_id, price, **changes))
        return (await self.stub.SubmitBid(request)).ack

    async def decline(self, *words: tuple[str, str]) -> list[str]:
        request = bidding_pb2.DeclineIntentsRequest(
            agent_id=self.name,
            declines=[bidding_pb2.Decline(intent_id=i, reason=why) for i, why in words],
        )
        return list((await self.own.DeclineIntents(request)).codes)

    async def answer(
        self, task_id: str, *, accepted: bool = True, agent_id: str = "", reason: str = "busy"
    ) -> Any:
        response = matcher_pb2.TaskResponse(
            task_id=task_id, agent_id=agent_id or self.name, accepted=accepted, reason=reason
        )
        return await self.stub.RespondToTask(matcher_pb2.RespondToTaskRequest(response=response))

    async def task(self, seconds: float = PATIENCE) -> Any:
        return await asyncio.wait_for(self.tasks.get(), seconds)

    async def update(self, seconds: float = PATIENCE) -> tuple[str, str]:
        message = await asyncio.wait_for(self.updates.get(), seconds)
        return message.update_type, message.intent_id

    async def close(self) -> None:
        for call in self._calls:
            call.cancel()
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)
        await self.channel.close()


class Running:
    """One running matcher."""

    def __init__(self) -> None:
        self.parts: Parts
        self.port = 0
        self.http: httpx.AsyncClient
        self.agents: list[Agent] = []

    def agent(self, name: str, number: int | None = None, *, keyless: bool = False) -> Agent:
        signer = key(number if number is not None else 1 + len(self.agents))
        agent = Agent(self, name, None if keyless else signer, signer.address)
        self.agents.append(agent)
        return agent

    async def story(self, intent_id: str) -> dict[str, Any]:
        answer = await self.http.get(f"/api/v1/intents/{intent_id}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def until_phase(self, intent_id: str, *phases: str) -> dict[str, Any]:
        async def look() -> dict[str, Any] | None:
            answer = await self.http.get(f"/api/v1/intents/{intent_id}")
            told = answer.json()
            return told if answer.status_code == 200 and told["phase"] in phases else None

        return await eventually(look)

    async def opened(self, intent_id: str) -> dict[str, Any]:
        return await self.until_phase(intent_id, "open")


async def eventually(look: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    end = CLOCK.monotonic() + seconds
    while True:
        found = look()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return found
        assert CLOCK.monotonic() < end, "it never happened"
        await asyncio.sleep(0.01)


class World:
    """The fake ports and the data directory that outlive one run of the matcher."""

    def __init__(self, data_dir: Path) -> None:
        self.root_layer, self.ledger, self.roster = FakeRootLayer(), FakeLedger(), FakeRoster()
        self.data_dir = data_dir
        self.mode = AuthMode.ACCEPT
        self.tracer = Tracer(Metrics("matcher"))
        self.policy = MatcherPolicy.model_validate({"strategy": {"type": "lowest_price"}})

    @contextlib.asynccontextmanager
    async def run(self, **sections: dict[str, Any]) -> AsyncIterator[Running]:
        configured = settings(self.data_dir, **sections)
        running, stop = Running(), Stop()
        metrics = Metrics("matcher")
        async with contextlib.AsyncExitStack() as stack:
            database = await stack.enter_async_context(
                SqliteDatabase(
                    self.data_dir / "matcher.sqlite", MIGRATIONS, identity="t", synchronous="NORMAL"
                )
            )
            given = Given(
                ports=Ports(
                    root_layer=self.root_layer,
                    ledger=self.ledger,
                    roster=self.roster,
                    signer=MATCHER,
                    clock=CLOCK,
                    database=database,
                ),
                parameters=NetworkParameters(
                    subnet_id=SUBNET,
                    domain=DOMAIN,
                    validators=(),
                    threshold_numerator=2,
                    threshold_denominator=3,
                    matchers=(MATCHER.address,),
                ),
                settings=configured,
                rules=matching_rules(configured, self.policy),
                agent_rules=agent_rules(
                    configured, self.policy, signatures_checked=self.mode is not AuthMode.OFF
                ),
                metrics=MatcherMetrics(metrics),
                tracer=self.tracer,
            )
            parts = running.parts = await assemble(given)
            stack.push_async_callback(parts.journal.flush)
            loops = [
                parts.journal.run, parts.recorder.run, parts.outbox.run, parts.timer_watch.watch,
                parts.outcome_watch.watch, parts.intent_watch.watch, parts.intent_watch.reconcile,
                parts.roster_watch.run,
            ]  # fmt: skip
            tasks = [asyncio.create_task(loop(stop)) for loop in loops]
            verifier = RequestVerifier(
                policy=AuthPolicy(
                    mode=self.mode, timestamp_tolerance_seconds=300, foreign_chain_ids=frozenset()
                ),
                nonces=NonceCache(expiry_seconds=600, capacity=10_000),
                subnet_id=SUBNET,
                clock=CLOCK,
            )
            published, own = services(parts, given)
            server = GrpcServer(
                host="127.0.0.1",
                port=0,
                register=[
                    lambda s: add_MatcherServiceServicer_to_server(published, s),
                    lambda s: add_BiddingServiceServicer_to_server(own, s),
                ],
                error_mapper=grpc_status,
                interceptors=[AuthenticationInterceptor(verifier)],
                grace_seconds=1,
            )
            await server.start()
            app = create_app(
                title="t", version="0", error_mapper=http_problem, health=Health(), metrics=metrics
            )
            add_http(app, parts, given, verifier)
            http = HttpServer(app, host="127.0.0.1", port=0, grace_seconds=1)
            await http.start()
            running.port = server.port
            running.http = httpx.AsyncClient(base_url=f"http://127.0.0.1:{http.port}")
            try:
                yield running
            finally:
                for agent in running.agents:
                    await agent.close()
                await running.http.aclose()
                parts.end_streams()
                await server.stop()
                await http.stop()
                stop.set()
                results = await asyncio.gather(*tasks, return_exceptions=True)
                failures = [r for r in results if isinstance(r, Exception)]
                assert not failures, failures
