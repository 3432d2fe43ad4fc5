"""An agent by hand: bare, unsigned calls, one at a time, so that a test decides every step it takes (or does not)."""

import secrets
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import grpc
from tests.network_kit import LocalTestNetwork, wait_until

from pinai_subnet.wire.pb.subnet import (
    bid_pb2,
    execution_report_pb2,
    matcher_pb2,
    matcher_service_pb2,
    matcher_service_pb2_grpc,
    service_pb2_grpc,
)

CALL_SECONDS = 20.0
Status = execution_report_pb2.ExecutionReport.Status


class RawAgent:
    """One agent id with its own connections to the matcher and to one validator."""

    def __init__(self, network: LocalTestNetwork, agent_id: str) -> None:
        self.id = agent_id
        self.address = "0x" + secrets.token_hex(20)
        parameters = network.session.network.parameters
        self._network = network
        self._subnet_id = parameters.subnet_id
        self._channels = [
            grpc.insecure_channel(network.session.network.endpoints.matcher_grpc),
            grpc.insecure_channel(parameters.validators[0].grpc_endpoint),
        ]
        self._matcher: Any = matcher_service_pb2_grpc.MatcherServiceStub(self._channels[0])
        self._validator: Any = service_pb2_grpc.ValidatorServiceStub(self._channels[1])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for channel in self._channels:
            channel.close()

    def bid(self, intent_id: str, *, price: int, metadata: Mapping[str, str] | None = None) -> Any:
        """Bid once the window is open; return the matcher's acknowledgement."""
        wait_until(lambda: self._network.matching(intent_id), f"the matcher knows {intent_id}")
        bid = bid_pb2.Bid(
            bid_id="0x" + secrets.token_hex(32),
            intent_id=intent_id,
            agent_id=self.id,
            price=price,
            token="PIN",
            submitted_at=int(time.time()),
            nonce=secrets.token_hex(16),
            metadata={"chain_address": self.address} if metadata is None else metadata,
        )
        request = matcher_pb2.SubmitBidRequest(bid=bid)
        return self._matcher.SubmitBid(request, timeout=CALL_SECONDS).ack

    def task_of(self, intent_id: str, *, seconds: float = CALL_SECONDS) -> Any:
        """Open a task stream and return the first task for the intent, closing the stream again."""
        request = matcher_service_pb2.StreamTasksRequest(agent_id=self.id)
        stream = self._matcher.StreamTasks(request, timeout=seconds)
        try:
            return next(task for task in stream if task.intent_id == intent_id)
        finally:
            stream.cancel()

    def respond(self, task: Any, *, accepted: bool, reason: str = "") -> Any:
        """Accept or decline a task."""
        response = matcher_pb2.TaskResponse(
            task_id=task.task_id,
            agent_id=self.id,
            accepted=accepted,
            reason=reason,
            timestamp=int(time.time()),
        )
        request = matcher_pb2.RespondToTaskRequest(response=response)
        return self._matcher.RespondToTask(request, timeout=CALL_SECONDS)

    def report(self, task: Any, *, result: bytes, status: Any = Status.SUCCESS) -> Any:
        """Report a task and return the receipt."""
        report = execution_report_pb2.ExecutionReport(
            report_id=secrets.token_hex(8),
            assignment_id=task.task_id,
            intent_id=task.intent_id,
            agent_id=self.id,
            status=status,
            result_data=result,
            timestamp=int(time.time()),
        )
        return self._validator.SubmitExecutionReport(report, timeout=CALL_SECONDS)
