"""Validators in one process: real parts, a shared in-memory log for an engine, a RootLayer that can be away."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import grpc
from tests.unit.validator.ledger_world import DOMAIN, START, SUBNET, parameters, signer

from pinai_subnet.adapters.signing_record.file import FileSigningRecord
from pinai_subnet.ports.errors import DependencyError, Unreachable
from pinai_subnet.ports.replication import GroupChange, PeerStatus, Replication, ReplicationStatus
from pinai_subnet.ports.root_layer import ItemResult, RootLayer, SignedBatch
from pinai_subnet.protocol.assignments import AssignmentRecord
from pinai_subnet.protocol.digests import batch_digest, items_hash
from pinai_subnet.protocol.network import NetworkParameters
from pinai_subnet.protocol.signatures import recover_eip191
from pinai_subnet.runtime.clock import SystemClock
from pinai_subnet.runtime.grpc_server import GrpcServer
from pinai_subnet.runtime.health import Health
from pinai_subnet.runtime.http_server import HttpServer, create_app
from pinai_subnet.runtime.metrics import Metrics
from pinai_subnet.runtime.sqlite import SqliteDatabase
from pinai_subnet.runtime.stop import Stop
from pinai_subnet.validator.api_grpc import ValidationServicer, ValidatorServicer, register
from pinai_subnet.validator.api_http import add_routes
from pinai_subnet.validator.api_shadow import add_shadow_routes
from pinai_subnet.validator.archive import MIGRATIONS
from pinai_subnet.validator.internal_api import LedgerServicer
from pinai_subnet.validator.limits import LedgerLimits
from pinai_subnet.validator.policy import PolicyBook
from pinai_subnet.validator.service import Surroundings, ValidatorService
from pinai_subnet.validator.settings import ValidatorSettings
from pinai_subnet.validator.shadow import Candidate
from pinai_subnet.validator.state_machine import LedgerMachine
from pinai_subnet.validator.status import StatusReport
from pinai_subnet.wire.auth_file import AuthFile
from pinai_subnet.wire.authentication import AuthenticationInterceptor
from pinai_subnet.wire.codec.assignments import encode_record
from pinai_subnet.wire.pb.pinai import ledger_pb2, ledger_pb2_grpc
from pinai_subnet.wire.status import grpc_status, http_problem


class ShiftedClock(SystemClock):
    """Runs like the machine's clock, but starts at the moment at which the test data was made."""

    def __init__(self) -> None:
        self._offset = START + 2 - super().monotonic()

    def now(self) -> float:
        return super().monotonic() + self._offset


class MemoryLog:
    """What all members have agreed on, and who is down."""

    def __init__(self, ids: Sequence[str]) -> None:
        self.ids = list(ids)
        self.commands: list[bytes] = []
        self.members: dict[str, MemoryReplication] = {}
        self.down: set[str] = set()
        self.leader = self.ids[0]

    @property
    def has_quorum(self) -> bool:
        return 2 * (len(self.ids) - len(self.down)) > len(self.ids)

    def lead(self, member_id: str) -> None:
        self.leader = member_id


class MemoryReplication(Replication):
    """One member's end of a `MemoryLog`; apply runs in a thread, as the engine's does."""

    def __init__(self, log: MemoryLog, member_id: str, machine: LedgerMachine) -> None:
        self._log = log
        self._id = member_id
        self._machine = machine
        self._applied = 0
        self._turn = asyncio.Lock()
        log.members[member_id] = self

    async def start(self) -> None:
        await self.catch_up()

    async def catch_up(self) -> object:
        """Apply what is missing here; return what the last entry gave."""
        result: object = None
        async with self._turn:
            while self._applied < len(self._log.commands):
                self._applied += 1
                command = self._log.commands[self._applied - 1]
                result = await asyncio.to_thread(self._machine.apply, self._applied, command)
        return result

    async def submit(self, command: bytes, *, timeout_seconds: float) -> object:
        if self._id in self._log.down or not self._log.has_quorum:
            await asyncio.sleep(0.01)
            raise Unreachable("SN-R020", "no quorum")
        async with self._turn:
            while self._applied < len(self._log.commands):
                self._applied += 1
                missed = self._log.commands[self._applied - 1]
                await asyncio.to_thread(self._machine.apply, self._applied, missed)
            self._log.commands.append(command)
            self._applied = len(self._log.commands)
            result = await asyncio.to_thread(self._machine.apply, self._applied, command)
        for member_id, member in self._log.members.items():
            if member_id != self._id and member_id not in self._log.down:
                await member.catch_up()
        return result

    async def barrier(self, *, timeout_seconds: float) -> int:
        await self.catch_up()
        return self._applied

    def status(self) -> ReplicationStatus:
        down = self._log.down
        leading = self._log.leader == self._id and self._id not in down
        return ReplicationStatus(
            id=self._id,
            role="leader" if leading else "follower",
            leader_id=None if self._log.leader in down else self._log.leader,
            term=1 + self._log.ids.index(self._log.leader),
            last_index=len(self._log.commands),
            commit_index=len(self._log.commands),
            applied_index=self._applied,
            has_quorum=self._log.has_quorum,
            tick_lag_seconds=0.0,
            peers=tuple(
                PeerStatus(id=other, connected=other not in down, last_heard_seconds=0.0, lag=0)
                for other in self._log.ids
                if other != self._id
            ),
            failure=None,
        )

    async def change(self, change: GroupChange, *, timeout_seconds: float) -> int:
        return self._applied

    async def hand_over(self, *, timeout_seconds: float, to: str | None = None) -> bool:
        return False

    async def stop(self) -> None:
        return None


@dataclass
class FakeRootLayer(RootLayer):
    """Checks what it is given as the real one does, takes every epoch once, and can be away."""

    parameters: NetworkParameters
    away: DependencyError | None = None
    calls: int = 0
    taken: dict[int, SignedBatch] = field(default_factory=dict)
    refused_items: set[str] = field(default_factory=set)
    unknown_items: set[str] = field(default_factory=set)
    """Refused as long as they are in here."""
    answers_lost: int = 0

    async def submit_batch(self, batch: SignedBatch) -> Sequence[ItemResult]:
        self.calls += 1
        if self.away is not None:
            raise self.away
        digest = batch_digest(
            subnet_id=SUBNET,
            items_hash=items_hash(batch.items),
            root_height=batch.epoch,
            root_hash=batch.root_hash,
            domain=DOMAIN,
        )
        members = {member.address for member in self.parameters.validators}
        signers = {address for address, _ in batch.signatures}
        assert signers <= members
        assert len(signers) * 3 >= len(members) * 2
        for address, signature in batch.signatures:
            assert recover_eip191(digest, signature) == address
        first = self.taken.setdefault(batch.epoch, batch)
        assert first.items == batch.items
        if self.answers_lost:
            self.answers_lost -= 1
            raise Unreachable("SN-S101", "the answer was lost")
        refused = self.refused_items | self.unknown_items
        return [
            ItemResult(
                ok=item.assignment_id not in refused,
                message="" if item.assignment_id not in refused else "not on chain",
                receipt_id=f"receipt-{batch.epoch}",
                retryable=item.assignment_id in self.unknown_items,
            )
            for item in batch.items
        ]

    def settled(self) -> list[str]:
        return [
            item.assignment_id for epoch in sorted(self.taken) for item in self.taken[epoch].items
        ]

    def watch_intents(self, subnet_id: Any) -> Any:
        raise NotImplementedError

    async def list_intents(self, subnet_id: Any, status: Any, page: int) -> Any:
        raise NotImplementedError

    async def get_intent(self, intent_id: Any) -> Any:
        raise NotImplementedError

    async def post_assignments(self, assignments: Any) -> Any:
        raise NotImplementedError

    async def close(self) -> None:
        return None


class House:
    """One running validator with its gRPC and HTTP servers."""

    def __init__(self, service: ValidatorService, stop: Stop) -> None:
        self.service = service
        self.stop = stop
        self.closing = Stop()
        self.health = Health()
        self.tasks: list[asyncio.Task[None]] = []
        self.grpc_port = 0
        self.http_port = 0
        self.ledger_api: LedgerServicer | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    def channel(self, *interceptors: Any) -> grpc.aio.Channel:
        return grpc.aio.insecure_channel(
            f"127.0.0.1:{self.grpc_port}", interceptors=list(interceptors)
        )

    async def serve(self, stack: AsyncExitStack, auth: AuthFile) -> None:
        world, service = self.service.world, self.service
        verifier = auth.verifier("validator", subnet_id=SUBNET, clock=world.clock)
        validator = ValidatorServicer(
            reception=service.reception,
            queries=service.queries,
            replica=service.replica,
            policies=world.policies,
        )
        validation = ValidationServicer(queries=service.queries, policies=world.policies)
        self.ledger_api = ledger = LedgerServicer(
            replica=service.replica,
            parameters=world.parameters,
            feed=service.feed,
            closing=self.closing,
            commands_in_flight=2,
        )
        server = await stack.enter_async_context(
            GrpcServer(
                host="127.0.0.1",
                port=0,
                register=[
                    lambda server: register(server, validator, validation),
                    lambda server: ledger_pb2_grpc.add_LedgerServiceServicer_to_server(
                        ledger, server
                    ),
                ],
                error_mapper=grpc_status,
                interceptors=[AuthenticationInterceptor(verifier)],
                max_message_bytes=10 * 1024 * 1024,
                grace_seconds=0.2,
            )
        )
        stack.callback(self.closing.set)
        self.grpc_port = server.port
        app = create_app(
            title="validator",
            version="0",
            error_mapper=http_problem,
            health=self.health,
            metrics=world.metrics,
        )
        status = StatusReport(
            replica=service.replica,
            parameters=world.parameters,
            policies=world.policies,
            version="0",
            clock=world.clock,
            settlement=service.settlement_pause,
        )
        self.health.add("able_to_finalise", "funds", service.settlement_pause.check)
        add_routes(
            app,
            reception=service.reception,
            queries=service.queries,
            status=status,
            verifier=verifier,
            clock=world.clock,
        )
        add_shadow_routes(app, shadow=service.shadow)
        http = await stack.enter_async_context(HttpServer(app, host="127.0.0.1", port=0))
        self.http_port = http.port

    def run(self) -> None:
        for name, loop in self.service.loops().items():
            self.tasks.append(asyncio.ensure_future(_named(name, loop(self.stop))))


async def _named(name: str, work: Any) -> None:
    try:
        await work
    except Exception as exc:
        raise AssertionError(f"loop {name} ended: {exc!r}") from exc


class Village:
    """A whole network of validators; an async context manager."""

    def __init__(
        self,
        directory: Path,
        *,
        size: int = 3,
        settings: ValidatorSettings | None = None,
        policies: PolicyBook | None = None,
        hold_unknown: bool = False,
        auth: AuthFile | None = None,
        limits: LedgerLimits | None = None,
        candidate: Candidate | None = None,
    ) -> None:
        self._directory = directory
        self._settings = settings or fast_settings()
        self._policies = policies or PolicyBook()
        self._hold_unknown = hold_unknown
        self._auth = auth or AuthFile()
        self._limits = limits
        self._candidate = candidate
        self.parameters = parameters(size)
        self.clock = ShiftedClock()
        self.log = MemoryLog([member.id for member in self.parameters.validators])
        self.root_layer = FakeRootLayer(self.parameters)
        self.houses: list[House] = []
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        for member in self.parameters.validators:
            self.houses.append(await self._build(member.id))
        for house in self.houses:
            house.run()
        return self

    async def __aexit__(self, *exc: object) -> None:
        for house in self.houses:
            house.stop.set()
            house.closing.set()
        tasks = [task for house in self.houses for task in house.tasks]
        await asyncio.wait(tasks, timeout=5)
        await self._stack.aclose()
        for task in tasks:
            if task.done() and task.exception() is not None:
                raise task.exception()  # type: ignore[misc]
            task.cancel()

    async def _build(self, name: str) -> House:
        directory = self._directory / name
        directory.mkdir(parents=True, exist_ok=True)
        key = signer(name)
        record = FileSigningRecord(directory / "signing-record.log", address=key.address)
        self._stack.callback(record.close)
        database = await self._stack.enter_async_context(
            SqliteDatabase(
                directory / "archive.sqlite", MIGRATIONS, identity=name, synchronous="NORMAL"
            )
        )
        world = Surroundings(
            validator_id=name,  # type: ignore[arg-type]
            parameters=self.parameters,
            policies=self._policies,
            hold_unknown=self._hold_unknown,
            settings=self._settings,
            signer=key,
            root_layer=self.root_layer,
            signing_record=record,
            archive=database,
            clock=self.clock,
            metrics=Metrics("validator"),
            candidate=self._candidate,
        )
        service = ValidatorService(
            world, lambda machine: MemoryReplication(self.log, name, machine), limits=self._limits
        )
        await service.start()
        house = House(service, Stop())
        await house.serve(self._stack, self._auth)
        return house

    async def assign(self, *records: AssignmentRecord, house: int = 0) -> list[Any]:
        """Hand assignments in as the matcher does; return the answers."""
        async with self.houses[house].channel() as channel:
            stub = ledger_pb2_grpc.LedgerServiceStub(channel)
            answer = await stub.RecordAssignments(
                ledger_pb2.RecordAssignmentsRequest(
                    records=[encode_record(record) for record in records], request_id="r"
                )
            )
            return list(answer.results)


def fast_settings(**sections: Any) -> ValidatorSettings:
    """Return settings that wait little."""
    given: dict[str, Any] = {
        "safety_tick_seconds": 0.2,
        "expire_every_seconds": 0.1,
        "intake": {"unknown_assignment_wait_seconds": 0.2},
        "settle": {"retry_initial_seconds": 0.02, "retry_max_seconds": 0.1},
        "replication": {"submit_timeout_seconds": 2},
        **sections,
    }
    return ValidatorSettings(**given)


async def until(condition: Any, *, seconds: float = 15.0) -> Any:
    """Wait until a condition, plain or awaitable, holds."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        value = condition()
        if asyncio.iscoroutine(value):
            value = await value
        if value:
            return value
        assert asyncio.get_running_loop().time() < deadline, "it did not happen in time"
        await asyncio.sleep(0.01)
