"""Spans of one intent belong to one trace wherever they are told, and a collector that is away costs nothing else."""

import asyncio
from http import HTTPStatus

import pytest
from pydantic import ValidationError
from tests.collector_kit import collecting

from pinai_subnet.runtime.metrics import Metrics
from pinai_subnet.runtime.otlp import SpanExporter, TracingSection
from pinai_subnet.runtime.stop import Stop
from pinai_subnet.runtime.tracing import MAX_WAITING, ROOT, Span, Tracer

INTENT = "0x" + "Ab" * 32


def span(name: str = "judging", begin_ms: int = 1000, failure: str = "") -> Span:
    return Span(
        name=name,
        intent_id=INTENT,
        begin_ms=begin_ms,
        end_ms=begin_ms + 5,
        failure=failure,
        facts={"epoch": 3},
    )


def counted(metrics: Metrics, result: str) -> float | None:
    return metrics.registry.get_sample_value("subnet_process_spans_total", {"result": result})


async def export(tracer: Tracer, endpoint: str, seconds: float) -> None:
    """Run an exporter for so long and stop it."""
    resource = {"service.name": "pinai-validator", "service.instance.id": "v1"}
    stop = Stop()
    running = asyncio.ensure_future(
        SpanExporter(tracer, endpoint=endpoint, resource=resource).run(stop)
    )
    await asyncio.sleep(seconds)
    stop.set()
    await running


def test_the_trace_is_the_intents_in_every_process() -> None:
    assert span().trace_id == "ab" * 16
    assert span(ROOT).span_id("matcher") == span().parent_id
    assert span(ROOT).parent_id == ""
    assert span().span_id("v1") == span().span_id("v1") != span().span_id("v2")
    assert span(begin_ms=1).span_id("v1") != span(begin_ms=2).span_id("v1")


def test_nothing_is_kept_while_traces_are_off() -> None:
    tracer = Tracer(Metrics("matcher"))
    tracer.add([span()])
    assert len(tracer) == 0


def test_spans_beyond_the_limit_are_dropped_and_counted() -> None:
    metrics = Metrics("matcher")
    tracer = Tracer(metrics)
    tracer.enabled = True
    tracer.add(span(begin_ms=number) for number in range(MAX_WAITING + 7))
    assert len(tracer) == MAX_WAITING
    assert counted(metrics, "dropped") == 7


async def test_a_collector_is_told_name_times_parent_and_failure() -> None:
    metrics = Metrics("validator")
    tracer = Tracer(metrics)
    with collecting() as collector:
        tracer.enabled = True
        tracer.add([span(failure="SN-V031"), span("signing")])
        await export(tracer, collector.endpoint + "/", 0)
        [judged, signed] = collector.told
    assert judged.who == "v1"
    assert judged.span["traceId"] == "ab" * 16
    assert judged.span["parentSpanId"] == span(ROOT).span_id("")
    assert judged.span["startTimeUnixNano"] == "1000000000"
    assert judged.span["endTimeUnixNano"] == "1005000000"
    assert judged.span["status"] == {"code": 2, "message": "SN-V031"}
    assert judged.attributes == {"intent_id": INTENT, "epoch": "3", "code": "SN-V031"}
    assert signed.span["status"] == {}
    assert counted(metrics, "exported") == 2


@pytest.mark.parametrize("status", [HTTPStatus.BAD_REQUEST, HTTPStatus.SERVICE_UNAVAILABLE])
async def test_what_is_not_taken_is_dropped_and_counted(status: HTTPStatus) -> None:
    metrics = Metrics("validator")
    tracer = Tracer(metrics)
    with collecting() as collector:
        collector.status = status
        tracer.enabled = True
        tracer.add([span()])
        await export(tracer, collector.endpoint, 0)
    assert counted(metrics, "dropped") == 1
    assert counted(metrics, "exported") == 0


async def test_a_collector_that_comes_back_is_told_what_waited() -> None:
    metrics = Metrics("validator")
    tracer = Tracer(metrics)
    with collecting() as collector:
        collector.status = HTTPStatus.SERVICE_UNAVAILABLE
        tracer.enabled = True
        tracer.add([span()])
        running = asyncio.ensure_future(export(tracer, collector.endpoint, 4))
        await asyncio.sleep(1.5)
        collector.status = HTTPStatus.OK
        await running
        assert len(collector.told) == 1
    assert counted(metrics, "dropped") == 0


async def test_a_collector_that_is_away_does_not_hold_up_the_end() -> None:
    with collecting() as collector:
        nobody = collector.endpoint
    metrics = Metrics("validator")
    tracer = Tracer(metrics)
    tracer.enabled = True
    tracer.add([span()])
    async with asyncio.timeout(5):
        await export(tracer, nobody, 0)
    assert counted(metrics, "dropped") == 1
    tracer.add([span()])
    assert len(tracer) == 0, "nobody will send it any more"


@pytest.mark.parametrize("endpoint", ["localhost:4318", "ftp://x", "http://", "http://a b"])
def test_an_endpoint_is_a_url(endpoint: str) -> None:
    with pytest.raises(ValidationError):
        TracingSection(endpoint=endpoint)
