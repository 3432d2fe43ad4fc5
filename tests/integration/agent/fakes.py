"""A matcher and validators that do what a test tells them, on real gRPC sockets."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc

from pinai_subnet.wire.pb.subnet import (
    bid_pb2,
    execution_report_pb2,
    matcher_pb2,
    matcher_service_pb2,
    matcher_service_pb2_grpc,
    report_pb2,
    service_pb2,
    service_pb2_grpc,
)

SUBNET = "0x" + "00" * 31 + "02"


def an_id(number: int) -> str:
    return f"0x{number:064x}"


def a_task(
    number: int, *, kind: str = "echo", data: bytes = b"hi", deadline: int = 0
) -> matcher_service_pb2.ExecutionTask:
    return matcher_service_pb2.ExecutionTask(
        task_id=an_id(number),
        intent_id=an_id(1000 + number),
        agent_id="agent-1",
        bid_id=an_id(2000 + number),
        created_at=1,
        deadline=deadline,
        intent_data=data,
        intent_type=kind,
    )


class FakeMatcher(matcher_service_pb2_grpc.MatcherServiceServicer):
    """Streams what it is fed and records what it is told."""

    def __init__(self) -> None:
        self.bids: list[bid_pb2.Bid] = []
        self.responses: list[matcher_pb2.TaskResponse] = []
        self.intent_requests: list[list[str]] = []
        self.task_streams = 0
        self.undelivered: list[matcher_service_pb2.ExecutionTask] = []
        self.deadlines: list[float | None] = []
        self.answer_response: Callable[[matcher_pb2.TaskResponse], bool] = lambda _: True
        self.hang_bids = False
        self._updates: dict[str, list[asyncio.Queue[tuple[str, str]]]] = defaultdict(list)
        self._tasks: list[asyncio.Queue[matcher_service_pb2.ExecutionTask]] = []

    def announce(self, number: int, update_type: str = "NEW_INTENT", kind: str = "echo") -> None:
        for queue in self._updates[kind]:
            queue.put_nowait((an_id(number), update_type))

    def give(self, task: matcher_service_pb2.ExecutionTask) -> None:
        if self._tasks:
            self._tasks[-1].put_nowait(task)
        else:
            self.undelivered.append(task)

    async def StreamIntents(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        self.intent_requests.append(list(request.intent_types))
        queue: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        for kind in request.intent_types:
            self._updates[kind].append(queue)
        try:
            while True:
                intent_id, update_type = await queue.get()
                yield matcher_pb2.MatcherIntentUpdate(
                    intent_id=intent_id, update_type=update_type, timestamp=1
                )
        finally:
            for kind in request.intent_types:
                self._updates[kind].remove(queue)

    async def StreamTasks(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        self.task_streams += 1
        queue: asyncio.Queue[matcher_service_pb2.ExecutionTask] = asyncio.Queue()
        self._tasks.append(queue)
        for task in self.undelivered:
            queue.put_nowait(task)
        self.undelivered = []
        try:
            while True:
                yield await queue.get()
        finally:
            self._tasks.remove(queue)

    async def SubmitBid(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.deadlines.append(context.time_remaining())
        if self.hang_bids:
            await asyncio.sleep(30)
        return matcher_pb2.SubmitBidResponse(ack=self._ack(request.bid))

    async def SubmitBidBatch(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.deadlines.append(context.time_remaining())
        return matcher_pb2.SubmitBidBatchResponse(acks=[self._ack(bid) for bid in request.bids])

    async def RespondToTask(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.deadlines.append(context.time_remaining())
        self.responses.append(request.response)
        return matcher_pb2.RespondToTaskResponse(success=self.answer_response(request.response))

    def _ack(self, bid: bid_pb2.Bid) -> bid_pb2.BidSubmissionAck:
        self.bids.append(bid)
        return bid_pb2.BidSubmissionAck(bid_id=bid.bid_id, accepted=True, recorded_at=1)


class FakeValidator(service_pb2_grpc.ValidatorServiceServicer):
    """Answers reports with a receipt, or with whatever `answer` raises or returns."""

    def __init__(self, name: str = "validator-1") -> None:
        self.name = name
        self.reports: list[execution_report_pb2.ExecutionReport] = []
        self.attempts = 0
        self.batches: list[int] = []
        self.failure: grpc.StatusCode | None = None
        self.status = "accepted"

    async def SubmitExecutionReport(self, request: Any, context: Any) -> Any:  # noqa: N802
        await self._maybe_fail(context)
        return self._receipt(request)

    async def SubmitExecutionReportBatch(self, request: Any, context: Any) -> Any:  # noqa: N802
        await self._maybe_fail(context)
        self.batches.append(len(request.reports))
        return service_pb2.ExecutionReportBatchResponse(
            receipts=[self._receipt(report) for report in request.reports]
        )

    async def _maybe_fail(self, context: Any) -> None:
        self.attempts += 1
        if self.failure is not None:
            await context.abort(self.failure, "as told")

    def _receipt(self, report: execution_report_pb2.ExecutionReport) -> report_pb2.Receipt:
        self.reports.append(report)
        return report_pb2.Receipt(
            report_id=report.report_id, validator_id=self.name, status=self.status
        )


@asynccontextmanager
async def serving(
    *servicers: object, port: int = 0, interceptors: tuple[Any, ...] = ()
) -> AsyncIterator[int]:
    """Serve fakes on one port until the block ends; streams are cut then."""
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)], interceptors=interceptors)
    for servicer in servicers:
        if isinstance(servicer, FakeMatcher):
            matcher_service_pb2_grpc.add_MatcherServiceServicer_to_server(servicer, server)
        elif isinstance(servicer, FakeValidator):
            service_pb2_grpc.add_ValidatorServiceServicer_to_server(servicer, server)
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    try:
        yield bound
    finally:
        await server.stop(0)


async def until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait until the condition holds; fail loudly when it does not in time."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - fakes change without telling
            await asyncio.sleep(0.01)
