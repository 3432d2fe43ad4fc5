"""Agents that do only what a test tells them, and the messages they send: bids, answers, reports, right or wrong."""

import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.interop.kit import RealNetwork, new_id
from tests.interop.sdk_headers import address_of
from tests.interop.sdk_like import PythonSdkAgent, Task

from pinai_subnet.wire.pb.subnet import bid_pb2, execution_report_pb2, matcher_pb2

Report = execution_report_pb2.ExecutionReport


class HoldingAgent(PythonSdkAgent):
    """Bids on everything and keeps the tasks: the test answers and reports."""

    async def _handle(self, task: Task) -> None:
        """Do nothing."""


@asynccontextmanager
async def holding(
    network: RealNetwork, intent_type: str, count: int = 1, **changes: Any
) -> AsyncIterator[HoldingAgent]:
    """Run an agent that has been given `count` tasks."""
    agent = HoldingAgent(network.sdk(intent_type, **changes))
    async with agent:
        for _ in range(count):
            await network.submit(intent_type)
        await agent.seen.until(lambda seen: len(seen.tasks) == count)
        yield agent


async def open_intent(network: RealNetwork, intent_type: str, *, seconds: float = 60) -> str:
    """Submit an intent and wait until the matcher takes bids for it."""
    intent_id = await network.submit(intent_type, seconds=seconds)
    await network.until(intent_id, lambda story: story["phase"] == "open")
    return intent_id


def bid(
    intent_id: str,
    agent_id: str,
    *,
    key: str | None = None,
    address: str | None = None,
    **fields: Any,
) -> matcher_pb2.SubmitBidRequest:
    """Return a bid as the SDK fills it."""
    paid = address or (address_of(key) if key else None)
    values: dict[str, Any] = {
        "bid_id": new_id(),
        "intent_id": intent_id,
        "agent_id": agent_id,
        "price": 10,
        "token": "PIN",
        "submitted_at": int(time.time()),
        "nonce": uuid.uuid4().hex,
        "metadata": {"chain_address": paid} if paid else {},
    }
    return matcher_pb2.SubmitBidRequest(bid=bid_pb2.Bid(**(values | fields)))


def answer(task: Task, agent_id: str, *, accepted: bool = True) -> matcher_pb2.RespondToTaskRequest:
    """Return an answer to a task."""
    response = matcher_pb2.TaskResponse(
        task_id=task.task_id, agent_id=agent_id, accepted=accepted, timestamp=int(time.time())
    )
    return matcher_pb2.RespondToTaskRequest(response=response)


def report(task: Task, agent_id: str, **fields: Any) -> Report:
    """Return a report as the SDK fills it."""
    values: dict[str, Any] = {
        "report_id": str(uuid.uuid4()),
        "assignment_id": task.task_id,
        "intent_id": task.intent_id,
        "agent_id": agent_id,
        "status": Report.SUCCESS,
        "result_data": b"done",
        "timestamp": int(time.time()),
    }
    return Report(**(values | fields))
