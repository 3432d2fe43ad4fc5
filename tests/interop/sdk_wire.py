"""What both SDK look-alikes share: configuration, the record of everything seen, unsigned or signed calls, bids."""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import grpc
from google.protobuf.message import Message
from tests.interop.sdk_headers import Headers, address_of, headers

from pinai_subnet.wire.pb.subnet import (
    bid_pb2,
    execution_report_pb2,
    matcher_pb2,
    matcher_service_pb2,
    matcher_service_pb2_grpc,
    report_pb2,
    service_pb2_grpc,
)

Task = matcher_service_pb2.ExecutionTask
Handler = Callable[[Task], Awaitable[bytes]]
MATCHER_SERVICE = "/subnet.v1.MatcherService/"
VALIDATOR_SERVICE = "/subnet.v1.ValidatorService/"


@dataclass(frozen=True, slots=True, kw_only=True)
class SdkConfig:
    """The SDK's configuration fields that matter on the wire."""

    subnet_id: str
    agent_id: str
    matcher: str
    """host:port, no scheme."""
    validator: str | None = None
    """host:port of any validator; None uses the HTTP fallback through the registry."""
    private_key: str | None = None
    """64 hex digits; None sends no headers and no chain_address."""
    intent_types: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ("echo",)
    registry: str | None = None
    """host:port of the registry's HTTP API."""
    agent_endpoint: str = "127.0.0.1:7999"
    price: int = 10
    token: str = "PIN"
    chain_address: str | None = None
    """Put into the bids' metadata as the strategy's own; the key's address otherwise."""
    handler_seconds: float = 30.0
    heartbeat_seconds: float = 30.0
    """The SDK raises smaller values to 30."""
    startup_report: bool = False
    """Send the dummy report of the public agents before starting; an RPC error then fails the start."""
    bids: bool = True
    until_answered: bool = False
    """Have a start wait for the matcher: an intent that is submitted then is heard of as a new one. No SDK waits."""


@dataclass(slots=True)
class Seen:
    """Everything the agent saw, in order; `calls` names every call it made with the time it was made."""

    calls: list[tuple[float, str]] = field(default_factory=list)
    updates: list[matcher_pb2.MatcherIntentUpdate] = field(default_factory=list)
    bids: list[bid_pb2.Bid] = field(default_factory=list)
    acks: list[bid_pb2.BidSubmissionAck] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    responses: list[matcher_pb2.RespondToTaskResponse] = field(default_factory=list)
    reports: list[execution_report_pb2.ExecutionReport] = field(default_factory=list)
    receipts: list[report_pb2.Receipt] = field(default_factory=list)
    http_reports: list[tuple[str, int, dict[str, Any]]] = field(default_factory=list)
    """URL, status and reply of every report posted over HTTP."""
    registry: list[tuple[str, int, dict[str, Any]]] = field(default_factory=list)
    """Call, status and reply of every call to the registry."""
    answered: list[str] = field(default_factory=list)
    """Streams of which the matcher has said that they are open, or not."""
    errors: list[tuple[str, str]] = field(default_factory=list)
    """Where and what; a stream's end is `("StreamTasks", "ended")`."""
    startup_receipt: report_pb2.Receipt | None = None

    def called(self, name: str) -> int:
        """How often a call was made."""
        return sum(call == name for _, call in self.calls)

    def names(self) -> list[str]:
        """The calls in order."""
        return [name for _, name in self.calls]

    async def until(self, condition: "Callable[[Seen], object]", seconds: float = 30.0) -> None:
        """Wait until the condition holds; raise TimeoutError with what was seen otherwise."""
        try:
            async with asyncio.timeout(seconds):
                while not condition(self):  # noqa: ASYNC110 - filled by loops that do not tell
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise TimeoutError(f"not seen within {seconds} s; {self.summary()}") from None

    def summary(self) -> str:
        """Return the calls and the errors, for failure messages."""
        return f"calls: {' '.join(self.names())}; errors: {self.errors}"


async def echo(task: Task) -> bytes:
    return bytes(task.intent_data)


class SdkAgent:
    """What both SDKs share: channels without options, optional signing, streams, bids."""

    _go = False

    def __init__(self, config: SdkConfig, handler: Handler = echo) -> None:
        self.config = config
        self.seen = Seen()
        self._handler = handler
        self._loops: list[asyncio.Task[None]] = []
        self._matcher_channel: grpc.aio.Channel | None = None
        self._validator_channel: grpc.aio.Channel | None = None

    @property
    def address(self) -> str | None:
        """The key's address, None without a key."""
        key = self.config.private_key
        return address_of(key) if key else None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start in the SDK's order."""
        raise NotImplementedError

    async def stop(self) -> None:
        """Cancel the streams and close the channels."""
        for loop in self._loops:
            loop.cancel()
        if self._loops:
            await asyncio.wait(self._loops)
        for channel in (self._matcher_channel, self._validator_channel):
            if channel is not None:
                await channel.close()

    def _called(self, name: str) -> None:
        self.seen.calls.append((time.monotonic(), name))

    def _headers(
        self, method: str, request: Message, *, streaming: bool = False, chain_id: str | None = None
    ) -> Headers | None:
        if self.config.private_key is None:
            return None
        return headers(
            private_key=self.config.private_key,
            chain_id=chain_id or self.config.subnet_id,
            method=method,
            request=request,
            streaming=streaming,
            go=self._go,
        )

    @property
    def _matcher(self) -> Any:
        if self._matcher_channel is None:
            self._matcher_channel = grpc.aio.insecure_channel(self.config.matcher)
        return matcher_service_pb2_grpc.MatcherServiceStub(self._matcher_channel)

    @property
    def _validator(self) -> Any:
        if self._validator_channel is None:
            self._validator_channel = grpc.aio.insecure_channel(str(self.config.validator))
        return service_pb2_grpc.ValidatorServiceStub(self._validator_channel)

    async def _read_intents(self) -> None:
        request = matcher_pb2.StreamIntentsRequest(
            subnet_id=self.config.subnet_id, intent_types=self.config.intent_types
        )
        self._called("StreamIntents")
        metadata = self._headers(f"{MATCHER_SERVICE}StreamIntents", request, streaming=True)
        call = self._matcher.StreamIntents(request, metadata=metadata)
        await call.initial_metadata()
        self.seen.answered.append("StreamIntents")
        async for update in call:
            self.seen.updates.append(update)
            await self._bid(update)

    async def _read_tasks(self) -> None:
        request = matcher_service_pb2.StreamTasksRequest(agent_id=self.config.agent_id)
        self._called("StreamTasks")
        metadata = self._headers(f"{MATCHER_SERVICE}StreamTasks", request, streaming=True)
        async for task in self._matcher.StreamTasks(request, metadata=metadata):
            self.seen.tasks.append(task)
            await self._handle(task)

    async def _handle(self, task: Task) -> None:
        raise NotImplementedError

    async def _bid(self, update: matcher_pb2.MatcherIntentUpdate) -> None:
        """Say yes to every update, also to MATCHED and WINDOW_CLOSED."""
        metadata = {}
        if self.config.chain_address:
            metadata["chain_address"] = self.config.chain_address
        elif self.address:
            metadata["chain_address"] = self.address
        bid = bid_pb2.Bid(
            bid_id=f"0x{uuid.uuid4().hex}{uuid.uuid4().hex}",
            intent_id=update.intent_id,
            agent_id=self.config.agent_id,
            price=self.config.price,
            token=self.config.token,
            submitted_at=int(time.time()),
            nonce=uuid.uuid4().hex,
            metadata=metadata,
        )
        request = matcher_pb2.SubmitBidRequest(bid=bid)
        self.seen.bids.append(bid)
        self._called("SubmitBid")
        try:
            answer = await self._matcher.SubmitBid(
                request, metadata=self._headers(f"{MATCHER_SERVICE}SubmitBid", request)
            )
        except grpc.aio.AioRpcError as exc:
            self.seen.errors.append(("SubmitBid", f"{exc.code().name} {exc.details()}"))
            return
        self.seen.acks.append(answer.ack)

    async def _submit(self, report: execution_report_pb2.ExecutionReport) -> None:
        """Report once over gRPC; an error is noted and the report dropped."""
        self._called("SubmitExecutionReport")
        try:
            receipt = await self._validator.SubmitExecutionReport(
                report, metadata=self._headers(f"{VALIDATOR_SERVICE}SubmitExecutionReport", report)
            )
        except grpc.aio.AioRpcError as exc:
            text = f"{exc.code().name} {exc.details()}"
            self.seen.errors.append(("SubmitExecutionReport", text))
            return
        self.seen.receipts.append(receipt)
