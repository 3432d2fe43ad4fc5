"""Random and nearly right bytes on a running validator's gRPC and HTTP ports: all answers are in order."""

import asyncio
import http.client
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.integration.validator.test_published_services import METHODS
from tests.integration.validator.village import Village, fast_settings
from tests.unit.validator.ledger_world import record, report

from pinai_subnet.wire.codec.reports import encode_report

BROKEN = {
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.UNAVAILABLE,
}
BOUNDED = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
PATHS = (
    "/api/v1/execution-report",
    "/api/v1/status",
    "/api/v1/intents/{}",
    "/api/v1/epochs/{}",
    "/api/v1/reports/{}",
    "/api/v1/reports?limit={}",
    "/{}",
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=5)
    ),
    max_leaves=12,
)
FIELDS = (
    "report_id",
    "assignment_id",
    "intent_id",
    "agent_id",
    "status",
    "result_data",
    "timestamp",
    "evidence",
)


@pytest.fixture(scope="module")
def validator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, int]]:
    """One validator with its servers on a loop of its own; its gRPC and HTTP ports."""
    ready, done = threading.Event(), threading.Event()
    found: list[tuple[int, int]] = []
    failed: list[BaseException] = []

    async def live(directory: Path) -> None:
        quick = fast_settings(
            intake={"unknown_assignment_wait_seconds": 0, "reports_per_second": 1e6, "burst": 1e6}
        )
        async with Village(directory, size=1, settings=quick) as village:
            house = village.houses[0]
            found.append((house.grpc_port, house.http_port))
            ready.set()
            await asyncio.to_thread(done.wait)
            assert not any(task.done() for task in house.tasks), "a loop of the validator ended"

    def run(directory: Path) -> None:
        try:
            asyncio.run(live(directory))
        except BaseException as error:  # noqa: BLE001 - carried over to the test's thread
            failed.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=run, args=(tmp_path_factory.mktemp("validator"),))
    thread.start()
    assert ready.wait(30)
    assert not failed, failed
    yield found[0]
    done.set()
    thread.join(30)
    assert not failed, failed


@pytest.fixture(scope="module")
def channel(validator: tuple[int, int]) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(f"127.0.0.1:{validator[0]}") as opened:
        yield opened


@BOUNDED
@given(method=st.sampled_from(METHODS), drawn=st.data())
def test_no_grpc_message_breaks_a_method(
    channel: grpc.Channel, method: str, drawn: st.DataObject
) -> None:
    """A2: empty, random and nearly right messages on every method."""
    message = encode_report(report(record(1))).SerializeToString()
    data = drawn.draw(
        st.binary(max_size=300)
        | st.integers(0, len(message)).map(lambda at: message[:at])
        | st.tuples(st.integers(0, len(message) - 1), st.integers(1, 255)).map(
            lambda change: (
                message[: change[0]]
                + bytes((message[change[0]] ^ change[1],))
                + message[change[0] + 1 :]
            )
        )
    )
    call = channel.unary_stream(method, request_serializer=None, response_deserializer=None)(
        data, timeout=0.4
    )
    try:
        for _ in call:
            pass
    except grpc.RpcError:
        assert call.code() not in BROKEN, (method, data, call.details())


def asked(port: int, method: str, path: str, body: bytes, kind: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, body=body, headers={"content-type": kind})
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


@BOUNDED
@given(
    method=st.sampled_from(("GET", "POST", "PUT", "DELETE")),
    path=st.sampled_from(PATHS),
    part=st.text(
        st.characters(min_codepoint=33, max_codepoint=126, blacklist_characters="?#%"), max_size=80
    )
    | st.sampled_from(("%00", "%ff%fe", "..%2f..%2fetc", "-1", "9" * 40, "0x" + "f" * 64)),
    body=st.binary(max_size=300)
    | JSON.map(lambda value: json.dumps(value).encode())
    | st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=8).map(
        lambda value: json.dumps(value).encode()
    )
    | st.sampled_from((b"[" * 100_000, b'{"a":' * 50_000, b'"\\ud800"', b"\xff\xfe{}")),
    kind=st.sampled_from(("application/json", "text/plain", "application/x-protobuf", "")),
)
def test_no_http_request_breaks_a_validator(  # noqa: PLR0917 - drawn by name
    validator: tuple[int, int], method: str, path: str, part: str, body: bytes, kind: str
) -> None:
    """A7: whatever the body, the path or the type says, the answer is no server error."""
    status = asked(validator[1], method, path.format(part), body, kind)
    assert status < 500, (status, method, path, part, body[:80])
