"""Readers that open a stream and take nothing: they hold up nobody, and what they do not read is not kept for them."""

import asyncio
import gc
import tracemalloc
from pathlib import Path
from typing import Any

import grpc
import pytest
from tests.integration.validator.village import Village, until
from tests.unit.validator.ledger_world import record, report

from pinai_subnet.validator import internal_api
from pinai_subnet.validator.records import Stage
from pinai_subnet.wire.codec.reports import encode_report
from pinai_subnet.wire.pb.pinai import ledger_pb2, ledger_pb2_grpc
from pinai_subnet.wire.pb.subnet import service_pb2_grpc

READERS = 40
_WINDOW = (("grpc.http2.lookahead_bytes", 1024), ("grpc.http2.bdp_probe", 0))


async def test_followers_that_read_nothing_hold_up_nobody_and_cost_bounded_memory(
    tmp_path: Path,
) -> None:
    """M2: outcomes are read from the ledger at each reader's own pace; there is no queue per reader."""
    async with Village(tmp_path, size=1) as village:
        house = village.houses[0]
        lazy: list[tuple[grpc.aio.Channel, Any]] = []
        for _ in range(READERS):
            channel = grpc.aio.insecure_channel(
                f"127.0.0.1:{house.grpc_port}",
                options=[*_WINDOW, ("grpc.use_local_subchannel_pool", 1)],
            )
            stub = ledger_pb2_grpc.LedgerServiceStub(channel)
            lazy.append((channel, stub.StreamOutcomes(ledger_pb2.StreamOutcomesRequest())))
        await work(village, 1, 20)
        gc.collect()
        tracemalloc.start()
        try:
            before, _ = tracemalloc.get_traced_memory()
            await work(village, 21, 120)
            gc.collect()
            after, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        # A hundred settled assignments cost the ledger their own records, not a copy for every reader.
        assert after - before < 12 * 1024 * 1024
        for _, call in lazy[: READERS // 2]:
            call.cancel()
        assert await all_settled(lazy[-1][0], 120)
        for channel, call in lazy:
            call.cancel()
            await channel.close()


async def all_settled(channel: grpc.aio.Channel, count: int) -> bool:
    """Read the outcomes from the start until so many are settled; a place among the streams may take a moment."""
    async with asyncio.timeout(30):
        while True:
            seen: set[str] = set()
            call = ledger_pb2_grpc.LedgerServiceStub(channel).StreamOutcomes(
                ledger_pb2.StreamOutcomesRequest()
            )
            try:
                async for outcome in call:
                    if outcome.kind == ledger_pb2.SETTLED:
                        seen.add(outcome.intent_id)
                    if len(seen) == count:
                        return True
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:
                    raise
                await asyncio.sleep(0.1)


async def work(village: Village, first: int, last: int) -> None:
    records = [record(number) for number in range(first, last + 1)]
    await village.assign(*records)
    async with village.houses[0].channel() as channel:
        stub = service_pb2_grpc.ValidatorServiceStub(channel)
        await asyncio.gather(
            *(stub.SubmitExecutionReport(encode_report(report(one))) for one in records)
        )
    await until(
        lambda: (
            village.houses[0].service.replica.read(lambda ledger: ledger.counts()[Stage.SETTLED])
            == last
        ),
        seconds=60,
    )


async def test_outcome_streams_are_bounded_in_number(tmp_path: Path) -> None:
    """M2: one more is refused, and an ended one makes room."""
    async with Village(tmp_path, size=1) as village:
        address = f"127.0.0.1:{village.houses[0].grpc_port}"
        async with grpc.aio.insecure_channel(address) as channel:
            stub: Any = ledger_pb2_grpc.LedgerServiceStub(channel)
            streams = [
                stub.StreamOutcomes(ledger_pb2.StreamOutcomesRequest())
                for _ in range(internal_api._MAX_STREAMS)
            ]
            await until(
                lambda: (
                    sum(village.houses[0].ledger_api._streams.values()) == internal_api._MAX_STREAMS
                )
            )
            with pytest.raises(grpc.aio.AioRpcError, match="SN-V086"):
                await stub.StreamOutcomes(ledger_pb2.StreamOutcomesRequest()).read()
            streams.pop().cancel()
            await until(
                lambda: (
                    sum(village.houses[0].ledger_api._streams.values()) < internal_api._MAX_STREAMS
                )
            )
            for stream in streams:
                stream.cancel()


async def test_records_of_one_call_are_bounded(tmp_path: Path) -> None:
    async with Village(tmp_path, size=1) as village:
        address = f"127.0.0.1:{village.houses[0].grpc_port}"
        async with grpc.aio.insecure_channel(address) as channel:
            stub: Any = ledger_pb2_grpc.LedgerServiceStub(channel)
            many = [ledger_pb2.AssignmentRecord()] * (internal_api._MAX_RECORDS + 1)
            with pytest.raises(grpc.aio.AioRpcError, match="SN-V083"):
                await stub.RecordAssignments(ledger_pb2.RecordAssignmentsRequest(records=many))
