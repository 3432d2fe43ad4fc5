"""What every process says of itself on /metrics, with labels that no caller chooses."""

from types import SimpleNamespace
from typing import Any

import grpc
import httpx
import pytest
from fastapi import FastAPI

from pinai_subnet.matcher.metrics import MatcherMetrics
from pinai_subnet.runtime.clock import SystemClock
from pinai_subnet.runtime.grpc_times import CallTimer
from pinai_subnet.runtime.health import Health
from pinai_subnet.runtime.http_server import create_app
from pinai_subnet.runtime.lifecycle import Process
from pinai_subnet.runtime.metrics import Metrics
from pinai_subnet.runtime.rpc_times import RpcTimes
from pinai_subnet.validator.metrics import ValidatorMetrics

HOSTILE = [
    "weather",
    'x"}\n# HELP',
    "\x00",
    "ä" * 500,
    *(f"SN-Z{number:03}" for number in range(500)),
]


def lines(metrics: Metrics, name: str) -> list[str]:
    return [line for line in metrics.text().decode().splitlines() if line.startswith(name + "{")]


def test_gauges_are_looked_at_when_they_are_read() -> None:
    process = Process(name="matcher", grace_seconds=1, clock=SystemClock())
    waiting: list[int] = []
    process.vitals.tell_build("1.2.3", "abc")
    process.vitals.watch_queue("bids", lambda: len(waiting), 10)
    process.health.mark_running()
    waiting += [1, 2]
    process.metrics.look()
    text = process.metrics.text().decode()
    assert 'subnet_process_build_info{commit="abc",version="1.2.3"} 1.0' in text
    assert 'subnet_process_queue_items{queue="bids"} 2.0' in text
    assert 'subnet_process_queue_limit_items{queue="bids"} 10.0' in text
    assert 'subnet_process_health_bool{fact="ready"} 1.0' in text
    process.health.mark_stopping()
    process.metrics.look()
    assert 'fact="ready"} 0.0' in process.metrics.text().decode()


def test_an_fsync_is_measured_by_file() -> None:
    process = Process(name="validator", grace_seconds=1, clock=SystemClock())
    process.vitals.synced("journal")(0.003)
    text = process.metrics.text().decode()
    assert 'subnet_process_fsync_seconds_bucket{file="journal",le="0.005"} 1.0' in text
    assert 'subnet_process_fsync_seconds_bucket{file="journal",le="0.002"} 0.0' in text


@pytest.mark.parametrize("word", ["code", "result"])
def test_hostile_words_do_not_become_labels(word: str) -> None:
    """A code of a lying validator or a hostile agent is counted, as `other`."""
    metrics = Metrics("validator")
    validator = ValidatorMetrics(metrics)
    for text in HOSTILE:
        validator.verdicts.add(**{"result": "fail", "code": "none", word: text})
    assert len(lines(metrics, "subnet_validator_verdicts_total")) == 1
    assert f'{word}="other"' in lines(metrics, "subnet_validator_verdicts_total")[0]


def test_the_codes_of_bids_and_assignments_are_those_of_the_catalogue() -> None:
    metrics = Metrics("matcher")
    matcher = MatcherMetrics(metrics)
    for code in ["SN-M011", *HOSTILE]:
        matcher.bid_refused(code)
        matcher.failed.add(code=code)
    for name in ("bids_refused", "assignments_failed"):
        found = lines(metrics, f"subnet_matcher_{name}_total")
        assert [line.partition("}")[0].partition("{")[2] for line in found] == [
            'code="SN-M011"',
            'code="other"',
        ]


def test_what_has_not_happened_yet_is_zero() -> None:
    metrics = Metrics("matcher")
    MatcherMetrics(metrics)
    assert 'subnet_matcher_intent_phases_total{phase="completed"} 0.0' in metrics.text().decode()


def test_a_peer_that_has_left_is_forgotten() -> None:
    metrics = Metrics("validator")
    connected = ValidatorMetrics(metrics).peers.connected
    connected.set(1, peer="v1")
    connected.set(0, peer="v2")
    connected.keep("peer", ["v1"])
    assert lines(metrics, "subnet_validator_peer_connected_bool") == [
        'subnet_validator_peer_connected_bool{peer="v1"} 1.0'
    ]


async def test_a_request_is_counted_by_its_route_and_answer() -> None:
    metrics = Metrics("matcher")
    app: FastAPI = create_app(
        title="t",
        version="1",
        error_mapper=lambda _: None,
        health=Health(),
        metrics=metrics,
        times=RpcTimes(metrics),
    )

    async def item(name: str) -> str:
        return name

    app.add_api_route("/items/{name}", item)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://m") as client:
        for path in ("/items/a", "/items/b", "/nowhere/1", "/nowhere/2", "/readyz"):
            await client.get(path)
        await client.request("BREW", "/items/a")
    counts = {
        line.partition("{")[2].rpartition("}")[0]: line.rpartition(" ")[2]
        for line in lines(metrics, "subnet_process_rpc_seconds_count")
    }
    assert counts['code="200",method="GET /items/{name}",protocol="http"'] == "2.0"
    assert counts['code="404",method="GET other",protocol="http"'] == "2.0"
    assert counts['code="503",method="GET /readyz",protocol="http"'] == "1.0"
    assert len(counts) == 4


async def test_a_call_is_counted_by_its_method_and_final_code() -> None:
    metrics = Metrics("matcher")
    timer = CallTimer(RpcTimes(metrics))

    async def fine(_: Any, __: Any) -> str:
        return "yes"

    async def refused(_: Any, context: Any) -> str:
        context.code = lambda: grpc.StatusCode.NOT_FOUND
        raise grpc.aio.AbortError

    async def wrapped(handle: Any) -> Any:
        async def continuation(_: Any) -> Any:
            return grpc.unary_unary_rpc_method_handler(handle)

        details: Any = SimpleNamespace(method="/subnet.v1.MatcherService/SubmitBid")
        return await timer.intercept_service(continuation, details)

    assert (
        await (await wrapped(fine)).unary_unary(None, SimpleNamespace(code=lambda: None)) == "yes"
    )
    with pytest.raises(grpc.aio.AbortError):
        await (await wrapped(refused)).unary_unary(None, SimpleNamespace())
    found = lines(metrics, "subnet_process_rpc_seconds_count")
    labels = 'method="MatcherService/SubmitBid",protocol="grpc"'
    assert found == [
        f'subnet_process_rpc_seconds_count{{code="OK",{labels}}} 1.0',
        f'subnet_process_rpc_seconds_count{{code="NOT_FOUND",{labels}}} 1.0',
    ]
