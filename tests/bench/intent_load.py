"""A worker that offers intents at a rate, keeps a bounded number open and counts what is finalised."""

import asyncio
import os
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import grpc
from tests.bench.network_facts import Facts, read_facts
from tests.bench.orders import BATCH, signed_request, submission

from pinai_subnet.adapters.signer.local import LocalSigner
from pinai_subnet.runtime.grpc_server import channel_options
from pinai_subnet.wire.pb.rootlayer import intent_pb2, service_pb2, service_pb2_grpc

_TICK_SECONDS = 0.02
_DEADLINE_SECONDS = 240
_DRAIN_SECONDS = 45.0
_CALL_SECONDS = 20.0
_ENDED = (
    intent_pb2.INTENT_STATUS_COMPLETED,
    intent_pb2.INTENT_STATUS_EXPIRED,
    intent_pb2.INTENT_STATUS_FAILED,
)


class Load:
    """One run: what was submitted when, and when it ended how."""

    def __init__(self, task: Mapping[str, Any], facts: Facts) -> None:
        """Sign everything that can be offered before the clock starts."""
        self._rate = float(task["offered_per_second"])
        self._max_open = int(task["max_open"])
        self._total = float(task["warm_up_seconds"]) + float(task["seconds"])
        signer = LocalSigner(bytes.fromhex(task["requester_key"]))
        first_deadline = time.time() + float(task.get("deadline_seconds", _DEADLINE_SECONDS))
        self._ready = [
            signed_request(
                facts,
                signer,
                intent_type=task["intent_type"],
                payload=b"benchmark",
                deadline=int(first_deadline + number / self._rate),
            )
            for number in range(int(self._rate * self._total) + 1)
        ]
        self.sent: dict[str, float] = {}
        self.ended: dict[str, tuple[float, intent_pb2.IntentStatus.ValueType]] = {}
        self.failures: Counter[str] = Counter()
        self.begun = 0.0
        self.held_back = 0
        """Intents that were due and waited because so many were open: offered, not taken."""

    @property
    def open(self) -> int:
        """Submitted and not ended."""
        return len(self.sent) - len(self.ended)

    async def watch(self, stub: Any, listening: asyncio.Event) -> None:
        """Note every end that RootLayer announces."""
        call = stub.SubscribeStatusUpdates(
            service_pb2.SubscribeStatusRequest(statuses=_ENDED, subscriber_id="benchmark")
        )
        await call.initial_metadata()
        listening.set()
        async for event in call:
            if event.intent_id in self.sent:
                self.ended[event.intent_id] = (time.perf_counter(), event.new_status)

    async def offer(self, stub: Any) -> None:
        """Submit at the offered rate, as far as the bound on open intents allows."""
        self.begun = time.perf_counter()
        calls: set[asyncio.Task[None]] = set()
        taken = 0
        while (passed := time.perf_counter() - self.begun) < self._total:
            due = min(int(self._rate * passed), len(self._ready)) - taken
            count = max(0, min(due, self._max_open - self.open, BATCH))
            self.held_back = due - count
            if count:
                chosen, taken = self._ready[taken : taken + count], taken + count
                now = time.perf_counter()
                self.sent.update((request.intent_id, now) for request in chosen)
                call = asyncio.create_task(self._submit(stub, chosen))
                calls.add(call)
                call.add_done_callback(calls.discard)
            await asyncio.sleep(_TICK_SECONDS)
        if calls:
            await asyncio.gather(*calls)

    async def _submit(self, stub: Any, requests: list[service_pb2.SubmitIntentRequest]) -> None:
        try:
            answer = await stub.SubmitIntentBatch(submission(requests), timeout=_CALL_SECONDS)
        except grpc.aio.AioRpcError as error:
            self._give_up(
                [r.intent_id for r in requests], f"{error.code().name}: {error.details()}"
            )
            return
        for request, outcome in zip(requests, answer.results, strict=True):
            if not outcome.ok:
                self._give_up([request.intent_id], outcome.msg)

    def _give_up(self, ids: list[str], reason: str) -> None:
        self.failures[f"refused: {reason[:120]}"] += len(ids)
        for intent_id in ids:
            self.sent.pop(intent_id, None)

    async def drain(self) -> None:
        """Wait for what is still open, for a bounded time."""
        until = time.perf_counter() + _DRAIN_SECONDS
        while self.open and time.perf_counter() < until:  # noqa: ASYNC110 - bounded, and coarse is enough
            await asyncio.sleep(_TICK_SECONDS)
        if self.open:
            self.failures[f"not ended {_DRAIN_SECONDS:.0f} s after the last submission"] += (
                self.open
            )
        for _, status in self.ended.values():
            if status != intent_pb2.INTENT_STATUS_COMPLETED:
                self.failures[intent_pb2.IntentStatus.Name(status)] += 1


async def run(task: Mapping[str, Any], say: Callable[[Mapping[str, Any]], None]) -> dict[str, Any]:
    """Run the load; say when the measured time begins and ends; return counts and samples."""
    facts = read_facts(task)
    load = Load(task, facts)
    warm_up, seconds = float(task["warm_up_seconds"]), float(task["seconds"])
    async with grpc.aio.insecure_channel(facts.rootlayer, options=channel_options()) as channel:
        pool = service_pb2_grpc.IntentPoolServiceStub(channel)
        events = service_pb2_grpc.SubscriptionServiceStub(channel)
        listening = asyncio.Event()
        watching = asyncio.create_task(load.watch(events, listening))
        await asyncio.wait_for(listening.wait(), _CALL_SECONDS)
        offering = asyncio.create_task(load.offer(pool))
        await asyncio.sleep(warm_up)
        say({"event": "measuring", "pid": os.getpid()})
        for second in range(1, int(seconds) + 1):
            await asyncio.sleep(load.begun + warm_up + second - time.perf_counter())
            say({"event": "second", "second": second, "ended": len(load.ended), "open": load.open})
        await asyncio.sleep(max(0.0, load.begun + warm_up + seconds - time.perf_counter()))
        say({"event": "measured", "pid": os.getpid()})
        await offering
        await load.drain()
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    return _result(load, load.begun + warm_up, seconds)


def _result(load: Load, begun: float, seconds: float) -> dict[str, Any]:
    """Rates count what ended inside the measured time; latencies are of the intents that ended then."""
    completed = [
        (at - load.sent[intent_id], at)
        for intent_id, (at, status) in load.ended.items()
        if status == intent_pb2.INTENT_STATUS_COMPLETED
    ]
    inside = [(latency, at) for latency, at in completed if begun <= at < begun + seconds]
    per_second = Counter(int(at - begun) for _, at in inside)
    return {
        "submitted": len(load.sent),
        "completed": len(completed),
        "held_back": load.held_back,
        "seconds": seconds,
        "completed_inside": len(inside),
        "per_second": [per_second[second] for second in range(int(seconds))],
        "latencies": [latency for latency, _ in inside],
        "failures": dict(load.failures),
    }
