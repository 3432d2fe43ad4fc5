"""Nothing that anybody sends stops a server, and every refusal names a code. The shared network must not notice."""

import random
import re
import socket
import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import grpc
import httpx
import pytest
from google.protobuf import empty_pb2
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from tests.network_kit import LocalTestNetwork

from pinai_subnet.wire.pb.pinai import ledger_pb2
from pinai_subnet.wire.pb.rootlayer import service_pb2 as rootlayer_pb2
from pinai_subnet.wire.pb.subnet import (
    matcher_service_pb2,
    registry_service_pb2,
    service_pb2,
    validation_pb2,
)

SEED = 20_260
STREAM_SECONDS = 0.4
UNARY_SECONDS = 30.0
HUGE = 40 * 1024 * 1024
CODE = re.compile(r"SN-[A-Z]\d{3}")
UNEXPECTED = {
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.UNIMPLEMENTED,
}


def _targets(network: LocalTestNetwork) -> list[tuple[str, ServiceDescriptor]]:
    """Every service of every process with its address; one validator stands for its follower brothers."""
    endpoints = network.session.network.endpoints
    validators = network.session.network.parameters.validators
    of_rootlayer = rootlayer_pb2.DESCRIPTOR.services_by_name
    found = [
        (endpoints.matcher_grpc, matcher_service_pb2.DESCRIPTOR.services_by_name["MatcherService"]),
        (
            endpoints.registry_grpc,
            registry_service_pb2.DESCRIPTOR.services_by_name["RegistryService"],
        ),
        *((endpoints.rootlayer_grpc, service) for service in of_rootlayer.values()),
    ]
    for validator in validators:
        found += [
            (validator.grpc_endpoint, service_pb2.DESCRIPTOR.services_by_name["ValidatorService"]),
            (
                validator.grpc_endpoint,
                validation_pb2.DESCRIPTOR.services_by_name["ValidationService"],
            ),
            (validator.grpc_endpoint, ledger_pb2.DESCRIPTOR.services_by_name["LedgerService"]),
        ]
    return found


def _filled(message: Message, draw: random.Random, depth: int = 0) -> Message:
    """Fill every field with nonsense of its type."""
    texts = ("", "x", "0x", "0x" + "g" * 64, "0x" + "ab" * 32, "-1", "\u202e\0", "é" * 300)
    for field in message.DESCRIPTOR.fields:
        values = [_nonsense(field, draw, texts) for _ in range(2)]
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            if field.message_type.fields_by_name["value"].type == FieldDescriptor.TYPE_STRING:
                getattr(message, field.name)[draw.choice(texts)] = draw.choice(texts)
        elif field.message_type is not None:
            if depth < 4:
                part = getattr(message, field.name)
                _filled(part.add() if field.is_repeated else part, draw, depth + 1)
        elif field.is_repeated:
            getattr(message, field.name).extend(values)
        else:
            setattr(message, field.name, values[0])
    return message


NUMBERS: dict[int, tuple[Any, ...]] = {
    FieldDescriptor.CPPTYPE_INT32: (0, -1, 2**31 - 1, -(2**31)),
    FieldDescriptor.CPPTYPE_INT64: (0, -1, 2**63 - 1, -(2**63)),
    FieldDescriptor.CPPTYPE_UINT32: (0, 1, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 1, 2**63, 2**64 - 1),
    FieldDescriptor.CPPTYPE_ENUM: (0, 1, 99, -5),
    FieldDescriptor.CPPTYPE_BOOL: (True,),
    FieldDescriptor.CPPTYPE_FLOAT: (0.0, -1.0, float("inf"), float("nan")),
    FieldDescriptor.CPPTYPE_DOUBLE: (0.0, -1.0, float("inf"), float("nan")),
}


def _nonsense(field: Any, draw: random.Random, texts: Sequence[str]) -> Any:
    if field.type == FieldDescriptor.TYPE_BYTES:
        return draw.randbytes(draw.choice((0, 1, 31, 32, 33, 65)))
    if field.cpp_type in NUMBERS:
        return draw.choice(NUMBERS[field.cpp_type])
    return draw.choice(texts)


def _messages(method: MethodDescriptor, draw: random.Random) -> Iterator[tuple[str, bytes]]:
    """Serialised requests: empty, garbage, truncated, and formally right with nonsense in it."""
    kind = GetMessageClass(method.input_type)
    yield "empty", b""
    yield "random bytes", draw.randbytes(200)
    yield "a length beyond the end", b"\x0a\xff\xff\xff\x7f"
    yield "not UTF-8", b"\x0a\x02\xff\xfe"
    for attempt in range(3):
        filled = _filled(kind(), draw).SerializeToString()
        yield f"nonsense {attempt}", filled
        yield f"truncated nonsense {attempt}", filled[: len(filled) // 2]


def _call(channel: grpc.Channel, method: MethodDescriptor, payload: bytes) -> grpc.RpcError | None:
    """Send raw bytes; return the error, or None for an answer."""
    path = f"/{method.containing_service.full_name}/{method.name}"
    try:
        if method.server_streaming:
            open_stream: Any = channel.unary_stream(path)
            stream = open_stream(payload, timeout=STREAM_SECONDS)
            for _ in zip(stream, range(3), strict=False):
                pass
            stream.cancel()
        else:
            unary: Any = channel.unary_unary(path)
            unary(payload, timeout=UNARY_SECONDS)
    except grpc.RpcError as error:
        return error
    return None


def _processes(network: LocalTestNetwork) -> dict[str, int]:
    return {name: process.pid for name, process in network.running().items()}


@pytest.fixture
def unimpressed(shared_network: LocalTestNetwork) -> Iterator[LocalTestNetwork]:
    """The shared network; afterwards the same processes run, are ready, logged no crash, and finalise an intent."""
    network = shared_network
    before = _processes(network)
    logged = {name: len(network.log(name)) for name in network.members}
    yield network
    assert _processes(network) == before
    for name, member in network.members.items():
        assert member.http is None or network.ready(name), name
        assert "Traceback" not in network.log(name)[logged[name] :], name
    network.wait_all([network.submit()])


def test_malformed_messages_on_every_rpc_get_a_coded_answer(
    unimpressed: LocalTestNetwork,
) -> None:
    """Claim 5 (A2): empty, random, truncated and nonsensical messages on every RPC, the internal ones included."""
    draw = random.Random(SEED)  # noqa: S311 (a seed makes a failure repeatable)
    calls = 0
    for target, service in _targets(unimpressed):
        with grpc.insecure_channel(target) as channel:
            for method in service.methods:
                for title, payload in _messages(method, draw):
                    error = _call(channel, method, payload)
                    calls += 1
                    if error is None:
                        continue
                    where = f"{service.full_name}/{method.name}, {title}: {error}"
                    status, details = error.code(), error.details() or ""
                    if method.server_streaming and status is grpc.StatusCode.DEADLINE_EXCEEDED:
                        continue
                    assert status not in UNEXPECTED, where
                    assert CODE.search(details), where
    assert calls > 300


def test_oversized_messages_are_refused_on_every_grpc_server(
    unimpressed: LocalTestNetwork,
) -> None:
    """Claim 5: a message beyond the limit is refused without being taken in."""
    seen = set()
    for target, service in _targets(unimpressed):
        if target in seen:
            continue
        seen.add(target)
        method = next(one for one in service.methods if not one.server_streaming)
        with grpc.insecure_channel(target, [("grpc.max_send_message_length", -1)]) as channel:
            error = _call(channel, method, b"\x0a" + bytes(HUGE))
        assert error is not None, service.full_name
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED, error
    assert len(seen) == 6


def test_an_empty_health_check_is_answered(unimpressed: LocalTestNetwork) -> None:
    """Claim 5: empty is not malformed where nothing is asked for."""
    with grpc.insecure_channel(unimpressed.session.network.endpoints.rootlayer_grpc) as channel:
        check: Any = channel.unary_unary("/rootlayer.v1.HealthService/Check")
        assert check(empty_pb2.Empty().SerializeToString(), timeout=UNARY_SECONDS)


BODIES: tuple[tuple[str, bytes], ...] = (
    ("nothing", b""),
    ("not JSON", b"{"),
    ("not UTF-8", b"\xff\xfe\x00"),
    ("null", b"null"),
    ("a list", b"[]"),
    ("a number", b"1e999"),
    ("an empty object", b"{}"),
    ("deep", b"[" * 20_000),
    ("wrong types", b'{"report_id": {}, "id": [1], "intentId": 7, "items": "x", "params": 3}'),
)
STREAM_PATHS = re.compile(r"stream|events")


def test_malformed_bodies_on_every_http_route_get_a_coded_answer(
    unimpressed: LocalTestNetwork,
) -> None:
    """Claim 5 (A7): every route of every process, with bodies, paths and queries that make no sense."""
    network = unimpressed
    calls = 0
    for name, member in network.members.items():
        if member.http is None:
            continue
        paths = network.get(name, "/openapi.json")["paths"]
        with httpx.Client(base_url=network.base(name), timeout=20.0, trust_env=False) as client:
            for path, operations in paths.items():
                for method in operations:
                    for hole in ("x", "%00", "0x" + "ab" * 32, "-1", "9" * 40):
                        url = re.sub(r"\{[^}]*\}", hole, path)
                        for title, body in BODIES if method in {"post", "put"} else BODIES[:1]:
                            answer = client.request(
                                method.upper(),
                                url,
                                content=body,
                                params={"page": "x", "limit": "-1", "after_epoch": "x"}
                                if method == "get"
                                else None,
                                headers={"content-type": "application/json"},
                            )
                            calls += 1
                            where = f"{name} {method} {url} {title}: {answer.status_code} {answer.text[:300]}"
                            assert answer.status_code < 500 or _says_not_ready(url), where
                            if answer.status_code >= 400:
                                assert CODE.search(answer.text), where
                        if hole == "x" and url == path:
                            break
    assert calls > 100


def _says_not_ready(url: str) -> bool:
    return url in {"/readyz", "/healthz", "/health"}


def test_oversized_bodies_are_refused_on_every_http_server(
    unimpressed: LocalTestNetwork,
) -> None:
    """Claim 5 (A7, R5): bodies have limits, told and untold length alike."""
    routes = {
        "rootlayer": "/api/v1/intents/submit",
        "registry": "/agents",
        "validator-1": "/api/v1/execution-report",
        "matcher": "/api/v1/intents",
    }

    def endless() -> Iterator[bytes]:
        for _ in range(HUGE // 65536):
            yield bytes(65536)

    for name, path in routes.items():
        for content in (bytes(HUGE), endless()):
            try:
                answer = unimpressed.request("POST", name, path, content=content, timeout=30.0)
            except httpx.TransportError:
                continue  # the server hung up on it, which is an answer too
            assert answer.status_code in {405, 411, 413}, f"{name}: {answer.status_code}"


RAW: tuple[tuple[str, bytes], ...] = (
    ("zeros", bytes(4096)),
    ("a huge length", struct.pack(">I", 0xFFFFFFFF) * 16),
    ("a huge length, little-endian", struct.pack("<Q", 2**62)),
    ("TLS", bytes.fromhex("1603010200010001fc0303") + bytes(64)),
    ("HTTP/1.1 nonsense", b"BREW /coffee HTTP/9.9\r\nHost\r\n\r\n"),
    ("a long header", b"GET / HTTP/1.1\r\nX: " + b"a" * 300_000),
    ("half a request", b"POST /agents HTTP/1.1\r\nContent-Length: 1000\r\n\r\nabc"),
    ("a negative length", b"POST /agents HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n"),
    ("HTTP/2 preface, then noise", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xa5" * 500),
    ("HTTP/2 bad frame", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\x04\x00\x00\x00\x00\x00"),
    ("pickle", b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00\x8c\x07unicorn\x94."),
)


def test_random_bytes_on_every_port_stop_nobody(unimpressed: LocalTestNetwork) -> None:
    """Claim 5 (A6): gRPC, HTTP and Raft ports survive noise, foreign protocols and connections that say nothing."""
    draw = random.Random(SEED)  # noqa: S311 (a seed makes a failure repeatable)
    environment = unimpressed.session.environment
    ports = [
        value for name, value in environment.items() if name.endswith(("GRPC", "HTTP", "RAFT"))
    ]
    assert len(ports) == 15
    silent = []
    for endpoint in ports:
        host, _, port = endpoint.rpartition(":")
        noise = [("noise", draw.randbytes(draw.choice((1, 7, 300, 70_000)))) for _ in range(6)]
        for _title, data in (*RAW, *noise):
            with socket.create_connection((host, int(port)), timeout=5) as connection:
                connection.settimeout(0.05)
                with suppress(OSError):
                    connection.sendall(data)
                    connection.recv(4096)
        silent += [socket.create_connection((host, int(port)), timeout=5) for _ in range(5)]
    try:
        unimpressed.wait_all([unimpressed.submit()])
    finally:
        for connection in silent:
            connection.close()
