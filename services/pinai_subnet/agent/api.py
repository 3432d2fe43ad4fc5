"""The agent's ports over gRPC and HTTP: encodes, calls with a deadline, decodes. Only this module knows protobuf."""

from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import grpc

from pinai_subnet.agent.network import (
    BidAnswer,
    IntentUpdate,
    Matcher,
    Membership,
    Network,
    OutgoingBid,
    OutgoingDecline,
    ReportReceipt,
    Validator,
)
from pinai_subnet.agent.options import AgentOptions
from pinai_subnet.agent.work import Task
from pinai_subnet.ports.errors import DependencyError, Refused, Unreachable
from pinai_subnet.ports.signer import Signer
from pinai_subnet.protocol.reports import ExecutionReport
from pinai_subnet.runtime.clock import Clock
from pinai_subnet.runtime.grpc_server import channel_options
from pinai_subnet.wire.authentication import signing_interceptors
from pinai_subnet.wire.codec.reports import encode_report
from pinai_subnet.wire.pb.pinai import bidding_pb2, bidding_pb2_grpc
from pinai_subnet.wire.pb.subnet import (
    bid_pb2,
    matcher_pb2,
    matcher_service_pb2,
    matcher_service_pb2_grpc,
    service_pb2,
    service_pb2_grpc,
)
from pinai_subnet.wire.registry_client import RegistryClient

T = TypeVar("T")
MAX_MESSAGE_BYTES = 10 * 1024 * 1024
_FINAL = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.OUT_OF_RANGE,
    }
)


@asynccontextmanager
async def connect(
    options: AgentOptions, *, signer: Signer | None, clock: Clock
) -> AsyncIterator[Network]:
    """Open the connections an agent needs, lazily connecting, and close them at the end."""

    def channel(target: str) -> grpc.aio.Channel:
        interceptors = signing_interceptors(signer, options.subnet_id, clock) if signer else None
        return grpc.aio.insecure_channel(
            target, options=channel_options(MAX_MESSAGE_BYTES), interceptors=interceptors
        )

    matcher_channel = channel(options.matcher)
    validator_channels = [(target, channel(target)) for target in options.validators]
    registry = None
    if options.registry:
        registry = RegistryClient(
            endpoint=options.registry,
            subnet_id=options.subnet_id,
            clock=clock,
            signer=signer,
            timeout_seconds=options.rpc_seconds,
        )
    try:
        yield Network(
            matcher=GrpcMatcher(matcher_channel, options=options, clock=clock),
            validators=[
                GrpcValidator(target, open_channel, timeout_seconds=options.report_seconds)
                for target, open_channel in validator_channels
            ],
            membership=RegistryMembership(registry, options) if registry else None,
        )
    finally:
        for open_channel in (matcher_channel, *(c for _, c in validator_channels)):
            await open_channel.close()
        if registry is not None:
            await registry.close()


class GrpcMatcher(Matcher):
    """The matcher over `subnet.v1.MatcherService`, and our own call for declining."""

    def __init__(self, channel: grpc.aio.Channel, *, options: AgentOptions, clock: Clock) -> None:
        """Speak for the agent of these options."""
        self._channel = channel
        self._stub: Any = matcher_service_pb2_grpc.MatcherServiceStub(channel)
        self._own: Any = bidding_pb2_grpc.BiddingServiceStub(channel)
        self._options = options
        self._clock = clock

    async def intents(self, intent_types: Sequence[str]) -> AsyncIterator[IntentUpdate]:
        """Yield updates of these types; no deadline, keepalive notices a dead peer."""
        request = matcher_pb2.StreamIntentsRequest(
            subnet_id=self._options.subnet_id, intent_types=intent_types
        )
        async for update in self._stream(self._stub.StreamIntents(request), "StreamIntents"):
            yield IntentUpdate(intent_id=update.intent_id, update_type=update.update_type)

    async def tasks(self) -> AsyncIterator[Task]:
        """Yield this agent's tasks; no deadline, keepalive notices a dead peer."""
        request = matcher_service_pb2.StreamTasksRequest(agent_id=self._options.agent_id)
        async for task in self._stream(self._stub.StreamTasks(request), "StreamTasks"):
            yield Task(
                task_id=task.task_id,
                intent_id=task.intent_id,
                bid_id=task.bid_id,
                intent_type=task.intent_type,
                data=task.intent_data,
                created_at=task.created_at,
                deadline=task.deadline,
            )

    async def submit_bids(self, bids: Sequence[OutgoingBid]) -> Sequence[BidAnswer]:
        """Submit one bid plainly, more as a batch."""
        messages = [self._bid(bid) for bid in bids]
        seconds = self._options.rpc_seconds
        if len(messages) == 1:
            request = matcher_pb2.SubmitBidRequest(bid=messages[0])
            answer = await _answered(
                self._stub.SubmitBid(request, timeout=seconds), "matcher SubmitBid"
            )
            acks = [answer.ack]
        else:
            batch = matcher_pb2.SubmitBidBatchRequest(
                bids=messages, batch_id=bids[0].nonce, partial_ok=True
            )
            answer = await _answered(
                self._stub.SubmitBidBatch(batch, timeout=seconds), "matcher SubmitBidBatch"
            )
            acks = list(answer.acks)
        return [
            BidAnswer(bid_id=bid.bid_id, accepted=ack.accepted, reason=ack.reason)
            for bid, ack in zip(bids, acks, strict=False)
        ]

    async def decline(self, declines: Sequence[OutgoingDecline]) -> None:
        """Tell the matcher; another release's, which does not know the call, answers `Refused`."""
        request = bidding_pb2.DeclineIntentsRequest(
            agent_id=self._options.agent_id,
            declines=[
                bidding_pb2.Decline(intent_id=one.intent_id, reason=one.reason) for one in declines
            ],
        )
        await _answered(
            self._own.DeclineIntents(request, timeout=self._options.rpc_seconds),
            "matcher DeclineIntents",
        )

    async def respond(self, task_id: str, *, accepted: bool, reason: str) -> bool:
        """Accept or decline a task."""
        response = matcher_pb2.TaskResponse(
            task_id=task_id,
            agent_id=self._options.agent_id,
            accepted=accepted,
            reason=reason,
            timestamp=int(self._clock.now()),
        )
        request = matcher_pb2.RespondToTaskRequest(response=response)
        answer = await _answered(
            self._stub.RespondToTask(request, timeout=self._options.rpc_seconds),
            "matcher RespondToTask",
        )
        return bool(answer.success)

    def connected(self) -> bool:
        """Say whether the channel stands."""
        return self._channel.get_state() is grpc.ChannelConnectivity.READY

    def _bid(self, bid: OutgoingBid) -> bid_pb2.Bid:
        return bid_pb2.Bid(
            bid_id=bid.bid_id,
            intent_id=bid.intent_id,
            agent_id=self._options.agent_id,
            price=bid.price,
            token=bid.token,
            submitted_at=bid.submitted_at,
            nonce=bid.nonce,
            metadata=dict(bid.metadata),
        )

    async def _stream(self, call: Any, what: str) -> AsyncIterator[Any]:
        try:
            async for message in call:
                yield message
        except grpc.aio.AioRpcError as exc:
            raise _failure(exc, f"matcher {what}") from exc
        finally:
            call.cancel()


class GrpcValidator(Validator):
    """One validator over `subnet.v1.ValidatorService`."""

    def __init__(self, target: str, channel: grpc.aio.Channel, *, timeout_seconds: float) -> None:
        """Give every call this long: followers ride out an election inside it."""
        self._target = target
        self._stub: Any = service_pb2_grpc.ValidatorServiceStub(channel)
        self._timeout = timeout_seconds

    @property
    def target(self) -> str:
        """Its host:port."""
        return self._target

    async def submit(self, reports: Sequence[ExecutionReport]) -> Sequence[ReportReceipt]:
        """Submit one report plainly, more as a batch."""
        messages = [encode_report(report) for report in reports]
        where = f"validator {self._target} SubmitExecutionReport"
        if len(messages) == 1:
            call = self._stub.SubmitExecutionReport(messages[0], timeout=self._timeout)
            receipts = [await _answered(call, where)]
        else:
            batch = service_pb2.ExecutionReportBatchRequest(
                reports=messages, batch_id=reports[0].report_id, partial_ok=True
            )
            call = self._stub.SubmitExecutionReportBatch(batch, timeout=self._timeout)
            receipts = list((await _answered(call, f"{where}Batch")).receipts)
        return [
            ReportReceipt(
                report_id=receipt.report_id,
                validator_id=receipt.validator_id,
                status=receipt.status,
                phase=receipt.phase,
            )
            for receipt in receipts
        ]


class RegistryMembership(Membership):
    """The registry over its HTTP API."""

    def __init__(self, client: RegistryClient, options: AgentOptions) -> None:
        """Speak for the agent of these options."""
        self._client = client
        self._options = options

    async def register(self, capabilities: Sequence[str]) -> None:
        """Put this agent on the list."""
        await self._client.register_agent(
            self._options.agent_id, capabilities=capabilities, endpoint=self._options.endpoint
        )

    async def heartbeat(self) -> bool:
        """Say that this agent lives."""
        return await self._client.heartbeat("agents", self._options.agent_id)

    async def unregister(self) -> None:
        """Take this agent off the list."""
        await self._client.unregister("agents", self._options.agent_id)


async def _answered(call: Awaitable[T], what: str) -> T:
    try:
        return await call
    except grpc.aio.AioRpcError as exc:
        raise _failure(exc, what) from exc


def _failure(exc: grpc.aio.AioRpcError, what: str) -> DependencyError:
    text = f"{what}: {exc.code().name} {exc.details() or ''}".rstrip()
    if exc.code() in _FINAL:
        return Refused("SN-M511", text)
    return Unreachable("SN-M510", text)
