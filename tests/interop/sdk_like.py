"""Agents that behave as the published SDKs do, written only from agent-interop.md and wire-contract 5.

Not our agent: no deadlines, no reconnect (Python), one task after another (Python), bids on every update, one attempt
per report. Each records everything it saw, for end-to-end tests to judge. Only the generated messages are ours.

    config = SdkConfig(subnet_id=…, agent_id="agent-1", matcher="127.0.0.1:8093", validator="127.0.0.1:9090")
    async with PythonSdkAgent(config) as agent:
        await agent.seen.until(lambda seen: seen.receipts)
"""

import asyncio
import base64
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import httpx
from tests.interop.sdk_wire import (
    MATCHER_SERVICE,
    VALIDATOR_SERVICE,
    Handler,
    SdkAgent,
    SdkConfig,
    Seen,
    Task,
    echo,
)

from pinai_subnet.wire.pb.subnet import execution_report_pb2, matcher_pb2, service_pb2_grpc

__all__ = ["GoSdkAgent", "Handler", "PythonSdkAgent", "SdkConfig", "Seen", "Task"]

_REPORT_PATH = "/api/v1/execution-report"


class PythonSdkAgent(SdkAgent):
    """The Python SDK's agent (`subnet_sdk` 0.1.0), with a strategy that always bids."""

    async def start(self) -> None:
        """Dummy report, registration, streams, heartbeats; raise where the SDK would."""
        if self.config.startup_report:
            await self._startup_report()
        if self.config.registry is not None:
            status = await self._registry("POST", "/agents", json_body=True)
            if status >= 300:
                raise RuntimeError(f"registration failed with {status}")
        self._loops = [self._once("StreamTasks", self._read_tasks)]
        if self.config.bids:
            self._loops.append(self._once("StreamIntents", self._read_intents))
        if self.config.registry is not None:
            self._loops.append(asyncio.create_task(self._heartbeats()))
        if self.config.bids and self.config.until_answered:
            await self.seen.until(lambda seen: seen.answered)

    async def stop(self) -> None:
        """Cancel the streams, leave the registry, close the channels."""
        for loop in self._loops:
            loop.cancel()
        if self._loops:
            await asyncio.wait(self._loops)
        if self.config.registry is not None:
            await self._registry("DELETE", f"/agents/{self.config.agent_id}")
        await super().stop()

    def _once(self, name: str, read: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
        async def loop() -> None:
            try:
                await read()
                self.seen.errors.append((name, "ended"))
            except grpc.aio.AioRpcError as exc:
                self.seen.errors.append((name, f"{exc.code().name} {exc.details()}"))

        return asyncio.create_task(loop())

    async def _startup_report(self) -> None:
        """Send what the public agents send first, with the default chain id; errors are not caught."""
        report = execution_report_pb2.ExecutionReport(
            assignment_id="assignment-1",
            intent_id="intent-1",
            agent_id=self.config.agent_id,
            status=execution_report_pb2.ExecutionReport.SUCCESS,
            timestamp=int(time.time()),
        )
        self._called("startup SubmitExecutionReport")
        async with grpc.aio.insecure_channel(str(self.config.validator)) as channel:
            stub: Any = service_pb2_grpc.ValidatorServiceStub(channel)
            metadata = self._headers(
                f"{VALIDATOR_SERVICE}SubmitExecutionReport", report, chain_id="subnet-local"
            )
            self.seen.startup_receipt = await stub.SubmitExecutionReport(report, metadata=metadata)

    async def _handle(self, task: Task) -> None:
        """Accept, run, report, and only then look at the next task."""
        response = matcher_pb2.TaskResponse(
            task_id=task.task_id,
            agent_id=self.config.agent_id,
            accepted=True,
            timestamp=int(time.time()),
        )
        request = matcher_pb2.RespondToTaskRequest(response=response)
        self._called("RespondToTask")
        try:
            answer = await self._matcher.RespondToTask(
                request, metadata=self._headers(f"{MATCHER_SERVICE}RespondToTask", request)
            )
        except grpc.aio.AioRpcError as exc:
            self.seen.errors.append(("RespondToTask", f"{exc.code().name} {exc.details()}"))
            return
        self.seen.responses.append(answer)
        report = execution_report_pb2.ExecutionReport(
            report_id=str(uuid.uuid4()),
            assignment_id=task.task_id,
            intent_id=task.intent_id,
            agent_id=self.config.agent_id,
            status=execution_report_pb2.ExecutionReport.SUCCESS,
        )
        try:
            async with asyncio.timeout(self.config.handler_seconds):
                report.result_data = await self._handler(task)
        except Exception as exc:  # noqa: BLE001 - the SDK turns every handler error into a bare FAILED
            self.seen.errors.append(("handler", repr(exc)))
            report.status = execution_report_pb2.ExecutionReport.FAILED
        report.timestamp = int(time.time())
        self.seen.reports.append(report)
        if self.config.validator is not None:
            await self._submit(report)
        else:
            await self._submit_over_http(report)

    async def _submit_over_http(self, report: execution_report_pb2.ExecutionReport) -> None:
        """Post the report to every validator that the registry lists."""
        status_name = execution_report_pb2.ExecutionReport.Status.Name(report.status)
        body: dict[str, Any] = {
            "report_id": report.report_id,
            "assignment_id": report.assignment_id,
            "intent_id": report.intent_id,
            "agent_id": report.agent_id,
            "status": status_name.lower(),
            "timestamp": report.timestamp,
        }
        if self.address:
            body["metadata"] = {"chain_address": self.address}
        if report.result_data:
            body["result_data"] = base64.b64encode(report.result_data).decode()
        self._called("GET /validators")
        async with httpx.AsyncClient(timeout=10.0, trust_env=False) as http:
            listed = await http.get(f"http://{self.config.registry}/validators")
            found = listed.json().get("validators", [])
            for url in sorted({_report_url(str(entry["endpoint"])) for entry in found}):
                self._called("POST execution-report")
                try:
                    answer = await http.post(url, json=body)
                except httpx.HTTPError as exc:
                    self.seen.errors.append((url, repr(exc)))
                    continue
                self.seen.http_reports.append((url, answer.status_code, _json(answer)))

    async def _heartbeats(self) -> None:
        while True:
            await asyncio.sleep(max(self.config.heartbeat_seconds, 30.0))
            await self.heartbeat()

    async def heartbeat(self) -> int:
        """Send one heartbeat now; failures are only noted."""
        return await self._registry("POST", f"/agents/{self.config.agent_id}/heartbeat")

    async def _registry(self, method: str, path: str, *, json_body: bool = False) -> int:
        self._called(f"{method} {path}")
        body = {
            "id": self.config.agent_id,
            "capabilities": list(self.config.capabilities),
            "endpoint": self.config.agent_endpoint,
        }
        async with httpx.AsyncClient(timeout=10.0, trust_env=False) as http:
            answer = await http.request(
                method,
                f"http://{self.config.registry}{path}",
                json=body if json_body else None,
            )
        self.seen.registry.append((f"{method} {path}", answer.status_code, _json(answer)))
        return answer.status_code


class GoSdkAgent(SdkAgent):
    """The Go SDK's agent: no RespondToTask, reports under its address, tasks side by side, streams opened again."""

    _go = True
    _retry_seconds = 5.0

    def __init__(self, config: SdkConfig, handler: Handler = echo) -> None:
        """Need a chain address: the Go SDK reports under it."""
        super().__init__(config, handler)
        self._jobs: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Open both streams; the Go SDK deadlocks with a registry, so none is used."""
        self._loops = [self._again("StreamTasks", self._read_tasks)]
        if self.config.bids:
            self._loops.append(self._again("StreamIntents", self._read_intents))

    async def stop(self) -> None:
        """Cancel everything and close the channels."""
        for job in list(self._jobs):
            job.cancel()
        if self._jobs:
            await asyncio.wait(self._jobs)
        await super().stop()

    def _again(self, name: str, read: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
        async def loop() -> None:
            while True:
                try:
                    await read()
                    self.seen.errors.append((name, "ended"))
                except grpc.aio.AioRpcError as exc:
                    self.seen.errors.append((name, f"{exc.code().name} {exc.details()}"))
                await asyncio.sleep(self._retry_seconds)

        return asyncio.create_task(loop())

    async def _handle(self, task: Task) -> None:
        job = asyncio.create_task(self._work(task))
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)

    async def _work(self, task: Task) -> None:
        report = execution_report_pb2.ExecutionReport(
            report_id=f"report-{uuid.uuid4().hex}",
            assignment_id=task.task_id,
            intent_id=task.intent_id,
            agent_id=self.config.chain_address or self.address or self.config.agent_id,
            status=execution_report_pb2.ExecutionReport.SUCCESS,
        )
        try:
            report.result_data = await self._handler(task)
        except Exception as exc:  # noqa: BLE001 - the SDK reports every handler error
            report.status = execution_report_pb2.ExecutionReport.FAILED
            report.error.code, report.error.message = "EXECUTION_FAILED", str(exc)
        report.timestamp = int(time.time())
        self.seen.reports.append(report)
        await self._submit(report)


def _report_url(endpoint: str) -> str:
    url = endpoint if endpoint.startswith(("http://", "https://")) else f"http://{endpoint}"
    return url if url.endswith(_REPORT_PATH) else url.rstrip("/") + _REPORT_PATH


def _json(answer: httpx.Response) -> dict[str, Any]:
    try:
        document = answer.json()
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
