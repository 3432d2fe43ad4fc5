"""The HTTP server: probes, problems, limits, binding and stopping, over real sockets."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from pinai_subnet.ports.errors import Damaged, Refused, Unreachable
from pinai_subnet.protocol.errors import Conflict, Exhausted, InvalidInput, NotFound
from pinai_subnet.runtime.errors import StartupError
from pinai_subnet.runtime.health import Finding, Health
from pinai_subnet.runtime.http_server import HttpServer, create_app
from pinai_subnet.runtime.metrics import Metrics
from pinai_subnet.wire.status import http_problem

ERRORS: dict[str, Exception] = {
    "invalid": InvalidInput("SN-N101", "not an id"),
    "absent": NotFound("SN-N401", "no agent a"),
    "conflict": Conflict("SN-N402", "bound"),
    "limit": Exhausted("SN-N403", "too many"),
    "unreachable": Unreachable("SN-S001", "no answer"),
    "refused": Refused("SN-S002", "no"),
    "damaged": Damaged("SN-R001", "bad"),
    "bug": RuntimeError("internal detail"),
}


class Item(BaseModel):
    name: str


def application(health: Health, **options) -> FastAPI:
    app = create_app(
        title="t",
        version="1",
        error_mapper=http_problem,
        health=health,
        metrics=Metrics("registry"),
        **options,
    )

    @app.post("/items")
    async def add(item: Item) -> Item:
        return item

    @app.get("/errors/{name}")
    async def fail(name: str) -> None:
        raise ERRORS[name]

    @app.get("/slow")
    async def slow(seconds: float) -> str:
        await asyncio.sleep(seconds)
        return "done"

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            for _ in range(5):
                yield b"x"
                await asyncio.sleep(0.1)

        return StreamingResponse(parts())

    return app


@pytest.fixture
async def health() -> Health:
    return Health()


@pytest.fixture
async def client(health: Health) -> AsyncIterator[httpx.AsyncClient]:
    app = application(health, max_body_bytes=1000, timeout_seconds=0.3)
    async with (
        HttpServer(app, host="127.0.0.1", port=0) as server,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", trust_env=False) as client,
    ):
        yield client


async def test_probes_follow_the_health_facts(client: httpx.AsyncClient, health: Health) -> None:
    """operators.md row 19; D5: the health check means something."""
    assert (await client.get("/healthz")).text == "ok"
    assert (await client.get("/livez")).status_code == 200
    starting = await client.get("/readyz")
    assert starting.status_code == 503
    assert starting.text == "SN-H040 phase: the process is starting\n"
    health.mark_running()
    assert (await client.get("/readyz")).text == "ok"
    health.add("ready", "peers", lambda: Finding(False, "1/3 peers", "SN-R001"))
    assert (await client.get("/readyz")).status_code == 503
    facts = (await client.get("/health")).json()
    assert facts["alive"]["ok"] is True
    assert facts["able_to_finalise"]["reasons"][0]["code"] == "SN-R001"


async def test_metrics_and_openapi_are_served_and_pages_are_not(client: httpx.AsyncClient) -> None:
    metrics = await client.get("/metrics")
    assert metrics.status_code == 200
    assert "process_open_fds" in metrics.text
    document = (await client.get("/openapi.json")).json()
    assert "/items" in document["paths"]
    assert "/healthz" not in document["paths"]
    assert (await client.get("/docs")).status_code == 404


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("invalid", 400, "SN-N101"),
        ("absent", 404, "SN-N401"),
        ("conflict", 409, "SN-N402"),
        ("limit", 429, "SN-N403"),
        ("unreachable", 503, "SN-S001"),
        ("refused", 502, "SN-S002"),
        ("damaged", 500, "SN-R001"),
    ],
)
async def test_known_errors_become_coded_problems(
    client: httpx.AsyncClient, name: str, status: int, code: str
) -> None:
    answer = await client.get(f"/errors/{name}")
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["code"] == code
    assert body["status"] == status
    assert body["type"] == f"urn:pinai:error:{code}"
    assert body["error"] == f"{code} {body['detail']}"
    assert body["title"]
    assert ("retry-after" in answer.headers) == (status in {429, 503})


async def test_an_unexpected_error_is_generic(client: httpx.AsyncClient) -> None:
    answer = await client.get("/errors/bug")
    assert answer.status_code == 500
    assert answer.json()["code"] == "SN-H029"
    assert "internal detail" not in answer.text


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"nome":"a"}', b"\xff\xfe", b'{"name":1}'])
async def test_a_malformed_body_is_a_problem(client: httpx.AsyncClient, content: bytes) -> None:
    """operators.md row 33."""
    answer = await client.post(
        "/items", content=content, headers={"content-type": "application/json"}
    )
    assert answer.status_code == 400
    assert answer.json()["code"] == "SN-H023"


async def test_an_unknown_path_or_method_is_a_problem(client: httpx.AsyncClient) -> None:
    assert (await client.get("/nothing")).json()["code"] == "SN-H024"
    answer = await client.delete("/items")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"


async def test_a_large_body_is_refused_declared_or_not(client: httpx.AsyncClient) -> None:
    """A7, R5, operators.md row 33."""

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"x" * 100

    for content in (b"x" * 2000, chunks()):
        answer = await client.post("/items", content=content)
        assert answer.status_code == 413
        assert answer.json()["code"] == "SN-H020"
    exact = json.dumps({"name": "x" * 988}).encode()
    assert len(exact) == 1000
    assert (await client.post("/items", content=exact)).status_code in {200, 400}


async def test_a_slow_answer_ends_and_a_stream_may_go_on(client: httpx.AsyncClient) -> None:
    """R5: time limits."""
    answer = await client.get("/slow", params={"seconds": 5})
    assert answer.status_code == 504
    assert answer.json()["code"] == "SN-H022"
    assert (await client.get("/slow", params={"seconds": 0})).json() == "done"
    assert (await client.get("/stream")).text == "xxxxx"


async def test_a_body_that_does_not_arrive_ends(client: httpx.AsyncClient) -> None:
    """R5: a slow sender holds nothing for long."""
    url = client.base_url
    reader, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(b"POST /items HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n{")
    answer = await asyncio.wait_for(reader.read(), 5)
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"SN-H021" in answer
    writer.close()
    await writer.wait_closed()


async def test_a_port_in_use_is_a_coded_start_error(health: Health) -> None:
    """operators.md row 7."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(StartupError) as caught:
            await HttpServer(application(health), host="127.0.0.1", port=port).start()
    (problem,) = caught.value.problems
    assert problem.code == "SN-H001"
    assert problem.where == f"127.0.0.1:{port}"


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
async def test_an_address_that_is_not_ours_is_a_coded_start_error(
    health: Health, host: str
) -> None:
    """operators.md row 7."""
    with pytest.raises(StartupError, match="SN-H002"):
        await HttpServer(application(health), host=host, port=0).start()


async def test_stopping_finishes_running_requests_and_frees_the_port(health: Health) -> None:
    """M6: an honest stop."""
    server = HttpServer(application(health), host="127.0.0.1", port=0)
    await server.start()
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{server.port}", trust_env=False
    ) as client:
        running = asyncio.create_task(client.get("/slow", params={"seconds": 0.3}))
        await asyncio.sleep(0.1)
        await server.stop()
        assert (await running).json() == "done"
    await server.stop()
    again = HttpServer(application(health), host="127.0.0.1", port=server.port)
    await again.start()
    await again.stop()
