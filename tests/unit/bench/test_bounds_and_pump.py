"""The judgement of a curve, and the measure of calls that overlap."""

import asyncio

import pytest
from tests.bench.bounds import GROWTH, Point, full_at, grown
from tests.bench.group_client import etcd_messages
from tests.bench.pump import pump


def curve(*memory: float) -> list[Point]:
    return [
        Point(
            intents=place,
            seconds=place,
            cpu_seconds=place,
            rss_mb=rss,
            journal_mb=1,
            snapshot_mb=1,
            archive_mb=1,
            assignments=1,
            epochs=1,
            snapshot_seconds=1,
        )
        for place, rss in enumerate(memory)
    ]


def test_a_curve_that_levels_off_has_grown_in_nothing() -> None:
    assert grown(curve(10, 50, 90, 100, 100, 99, 100, 120)) == {}


def test_a_saw_whose_teeth_are_longer_than_a_quarter_has_not_grown() -> None:
    assert grown(curve(20, 17, 14, 11, 8, 24, 21, 18)) == {}


def test_a_curve_that_rises_for_ever_is_named_with_its_factor() -> None:
    assert grown(curve(10, 20, 30, 40, 50, 60, 70, 80)) == {"rss_mb": 2.0}
    assert GROWTH < 2.0


def test_tables_are_full_only_when_the_archive_is() -> None:
    assert full_at(archive_records=10) < full_at(archive_records=200_000) == 200_000


async def test_so_many_calls_are_under_way_and_each_is_numbered_once() -> None:
    running = most = 0
    numbers: list[int] = []

    async def call(number: int) -> None:
        nonlocal running, most
        numbers.append(number)
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.005)
        running -= 1

    found = await pump(call, outstanding=7, seconds=0.1)
    assert most == 7
    assert numbers == list(range(1, len(numbers) + 1))
    assert found["p50"] >= 0.005
    assert 0 < found["count"] <= len(numbers)
    assert found["per_second"] == pytest.approx(found["count"] / 0.1, rel=0.5)


def test_requests_to_etcd_have_the_published_form() -> None:
    """Field numbers 1 and 2 of a put; of a transaction's operation, put is number 2."""
    messages = etcd_messages()
    put = messages["PutRequest"](key=b"k", value=b"v")
    assert put.SerializeToString() == b"\x0a\x01k\x12\x01v"
    operation = messages["RequestOp"](request_put=put)
    assert operation.SerializeToString() == b"\x12\x06\x0a\x01k\x12\x01v"
    transaction = messages["TxnRequest"](success=[operation])
    assert transaction.SerializeToString()[:2] == b"\x12\x08"
