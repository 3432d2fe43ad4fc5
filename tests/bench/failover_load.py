"""A worker that reports through survivors while the leader is killed: seconds until the next report is acknowledged."""

import asyncio
import json
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import grpc
from tests.bench.network_facts import read_facts
from tests.bench.report_load import Call, Preparation

from pinai_subnet.runtime.grpc_server import channel_options
from pinai_subnet.wire.pb.pinai import ledger_pb2_grpc
from pinai_subnet.wire.pb.rootlayer import service_pb2_grpc
from pinai_subnet.wire.pb.subnet import service_pb2_grpc as validator_pb2_grpc

_REPORTS = 300
_CALLERS = 4
_PAUSE_SECONDS = 0.02
_FLOWING = 20
_CALL_SECONDS = 15.0
_ROUND_SECONDS = 20.0


class Round:
    """One failover: a steady stream of reports, and the first one that was sent and acknowledged after the kill."""

    def __init__(self, calls: list[Call], stubs: list[Any]) -> None:
        """Report these to the survivors in turn."""
        self._waiting = iter(calls)
        self._stubs = stubs
        self._acknowledged = 0
        self.flowing = asyncio.Event()
        self.killed_at: float | None = None
        self.over: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    async def caller(self, number: int) -> None:
        """Report one after the other until the round is over."""
        for call in self._waiting:
            sent = time.monotonic()
            # A report whose fate is unknown is simply not counted; the next one is on its way at once.
            with suppress(grpc.aio.AioRpcError):
                stub = self._stubs[number % len(self._stubs)]
                receipt = await stub.SubmitExecutionReport(
                    call.request, metadata=call.metadata, timeout=_CALL_SECONDS
                )
                if receipt.status == "accepted":
                    self._note(sent)
            if self.over.done():
                return
            await asyncio.sleep(_PAUSE_SECONDS)

    def _note(self, sent: float) -> None:
        self._acknowledged += 1
        if self._acknowledged == _FLOWING:
            self.flowing.set()
        if self.killed_at is not None and sent >= self.killed_at and not self.over.done():
            self.over.set_result(time.monotonic() - self.killed_at)


async def run(task: Mapping[str, Any], say: Callable[[Mapping[str, Any]], None]) -> dict[str, Any]:
    """Prepare, say that reports flow, hear when the leader was killed, return the seconds until the next receipt."""
    facts = read_facts(task)
    preparation = Preparation(facts, task)
    options = channel_options()
    targets = [task["leader"], *task["survivors"]]
    rootlayer = grpc.aio.insecure_channel(facts.rootlayer, options=options)
    channels = [grpc.aio.insecure_channel(target, options=options) for target in targets]
    try:
        records = await preparation.assignments(
            service_pb2_grpc.IntentPoolServiceStub(rootlayer),
            ledger_pb2_grpc.LedgerServiceStub(channels[0]),
            _REPORTS,
        )
        stubs = [validator_pb2_grpc.ValidatorServiceStub(channel) for channel in channels[1:]]
        one = Round(preparation.calls(records, 1), stubs)
        callers = [asyncio.create_task(one.caller(number)) for number in range(_CALLERS)]
        await asyncio.wait_for(one.flowing.wait(), _ROUND_SECONDS)
        say({"event": "flowing"})
        killed = json.loads(await asyncio.to_thread(sys.stdin.readline))
        one.killed_at = float(killed["killed_at"])
        seconds = await asyncio.wait_for(one.over, _ROUND_SECONDS)
        for caller in callers:
            caller.cancel()
        await asyncio.gather(*callers, return_exceptions=True)
    finally:
        for channel in (rootlayer, *channels):
            await channel.close()
    return {"seconds": seconds}
