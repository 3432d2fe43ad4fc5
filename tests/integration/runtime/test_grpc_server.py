"""The gRPC server: error boundary, limits, binding and stopping, over real sockets."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from google.protobuf import wrappers_pb2

from pinai_subnet.ports.errors import Unreachable
from pinai_subnet.protocol.errors import Exhausted, Forbidden, InvalidInput, TooSlow
from pinai_subnet.runtime.errors import ResourceBusy, StartupError
from pinai_subnet.runtime.grpc_server import GrpcServer, channel_options
from pinai_subnet.runtime.problems import ERROR_CODE_METADATA
from pinai_subnet.wire.status import grpc_status

Text = wrappers_pb2.StringValue

ERRORS: dict[str, Exception] = {
    "invalid": InvalidInput("SN-N101", "not an id"),
    "forbidden": Forbidden("SN-N102", "not yours"),
    "limit": Exhausted("SN-N403", "too many"),
    "slow": TooSlow("SN-N404", "too slow"),
    "unreachable": Unreachable("SN-S001", "no answer"),
    "busy": ResourceBusy("SN-H009", "full"),
    "bug": RuntimeError("internal detail"),
}


class Echo:
    """Four call shapes: each answers its text, or fails when the text names an error."""

    def __init__(self) -> None:
        self.stopping = asyncio.Event()

    async def one(self, request: Any, context: Any) -> Any:
        if request.value in ERRORS:
            raise ERRORS[request.value]
        if request.value == "abort":
            await context.abort(grpc.StatusCode.NOT_FOUND, "by hand")
        if request.value == "wait":
            await asyncio.sleep(0.3)
        return request

    async def many_out(self, request: Any, context: Any) -> AsyncIterator[Any]:
        yield request
        if request.value in ERRORS:
            raise ERRORS[request.value]
        await self.stopping.wait()

    async def many_in(self, requests: AsyncIterator[Any], context: Any) -> Any:
        values = [request.value async for request in requests]
        if values[-1] in ERRORS:
            raise ERRORS[values[-1]]
        return Text(value="".join(values))

    async def both(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        async for request in requests:
            if request.value in ERRORS:
                raise ERRORS[request.value]
            yield request

    def missing(self, request: Any, context: Any) -> Any:
        context.set_code(grpc.StatusCode.UNIMPLEMENTED)
        raise NotImplementedError("Method not implemented!")

    def register(self, server: grpc.aio.Server) -> None:
        decode, encode = Text.FromString, Text.SerializeToString
        server.add_generic_rpc_handlers(
            (
                grpc.method_handlers_generic_handler(
                    "t.Echo",
                    {
                        "One": grpc.unary_unary_rpc_method_handler(self.one, decode, encode),
                        "Out": grpc.unary_stream_rpc_method_handler(self.many_out, decode, encode),
                        "In": grpc.stream_unary_rpc_method_handler(self.many_in, decode, encode),
                        "Both": grpc.stream_stream_rpc_method_handler(self.both, decode, encode),
                        "Missing": grpc.unary_unary_rpc_method_handler(
                            self.missing, decode, encode
                        ),
                    },
                ),
            )
        )


class Refusing(grpc.aio.ServerInterceptor):
    """An inner interceptor that refuses some callers."""

    async def intercept_service(self, continuation: Any, details: Any) -> Any:
        if ("who", "stranger") in [(k, v) for k, v in details.invocation_metadata or ()]:
            raise Forbidden("SN-N102", "stranger")
        return await continuation(details)


@pytest.fixture
async def server() -> AsyncIterator[GrpcServer]:
    echo = Echo()
    server = GrpcServer(
        host="127.0.0.1",
        port=0,
        register=[echo.register],
        error_mapper=grpc_status,
        interceptors=[Refusing()],
        max_message_bytes=10_000,
    )
    echo.stopping = server.stopping
    async with server:
        yield server


@pytest.fixture
async def channel(server: GrpcServer) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(
        f"127.0.0.1:{server.port}", options=channel_options()
    ) as channel:
        yield channel


def encode(value: Any) -> bytes:
    return value if isinstance(value, bytes) else Text(value=value).SerializeToString()


def method(channel: grpc.aio.Channel, shape: str, name: str) -> Any:
    return getattr(channel, shape)(f"/t.Echo/{name}", encode, Text.FromString)


async def stream(*values: Any) -> AsyncIterator[Any]:
    for value in values:
        yield value


async def outcome(channel: grpc.aio.Channel, name: str, *values: Any, metadata: Any = None) -> None:
    """Make a call of the shape that the method has, to its end."""
    options = {"timeout": 5, "metadata": metadata}
    if name == "Out":
        call = method(channel, "unary_stream", name)(values[0], **options)
    elif name == "In":
        await method(channel, "stream_unary", name)(stream(*values), **options)
        return
    elif name == "Both":
        call = method(channel, "stream_stream", name)(stream(*values), **options)
    else:
        await method(channel, "unary_unary", name)(values[0], **options)
        return
    async for _ in call:
        pass


async def failure(channel: grpc.aio.Channel, name: str, *values: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await outcome(channel, name, *values)
    return caught.value


def code(error: grpc.aio.AioRpcError) -> str:
    return dict(error.trailing_metadata())[ERROR_CODE_METADATA]


async def test_calls_pass(channel: grpc.aio.Channel) -> None:
    assert (await method(channel, "unary_unary", "One")("a")).value == "a"
    assert (await method(channel, "stream_unary", "In")(stream("a", "b"))).value == "ab"
    answers = method(channel, "stream_stream", "Both")(stream("a", "b"))
    assert [answer.value async for answer in answers] == ["a", "b"]


@pytest.mark.parametrize("name", ["One", "Out", "In", "Both"])
async def test_known_errors_carry_status_code_and_text(
    channel: grpc.aio.Channel, name: str
) -> None:
    for value, status, expected in (
        ("invalid", grpc.StatusCode.INVALID_ARGUMENT, "SN-N101"),
        ("forbidden", grpc.StatusCode.PERMISSION_DENIED, "SN-N102"),
        ("limit", grpc.StatusCode.RESOURCE_EXHAUSTED, "SN-N403"),
        ("slow", grpc.StatusCode.DEADLINE_EXCEEDED, "SN-N404"),
        ("unreachable", grpc.StatusCode.UNAVAILABLE, "SN-S001"),
        ("busy", grpc.StatusCode.RESOURCE_EXHAUSTED, "SN-H009"),
    ):
        error = await failure(channel, name, value)
        assert error.code() == status
        assert code(error) == expected
        assert error.details() == f"{expected} {ERRORS[value].message}"


@pytest.mark.parametrize("name", ["One", "Out", "In", "Both"])
async def test_an_unexpected_error_is_generic(channel: grpc.aio.Channel, name: str) -> None:
    error = await failure(channel, name, "bug")
    assert error.code() == grpc.StatusCode.INTERNAL
    assert code(error) == "SN-H029"
    assert "internal detail" not in str(error.details())


@pytest.mark.parametrize("name", ["One", "Out", "In", "Both"])
@pytest.mark.parametrize("raw", [b"\x0a\xff", b"\x0a\x02\xff\xff", b"\xff" * 100])
async def test_a_hostile_message_is_refused_and_the_server_lives(
    channel: grpc.aio.Channel, name: str, raw: bytes
) -> None:
    """operators.md row 33."""
    error = await failure(channel, name, raw)
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert code(error) == "SN-H025"
    assert (await method(channel, "unary_unary", "One")("a")).value == "a"


async def test_a_message_over_the_limit_is_refused(channel: grpc.aio.Channel) -> None:
    """operators.md row 33."""
    error = await failure(channel, "One", "x" * 20_000)
    assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert (await method(channel, "unary_unary", "One")("a")).value == "a"


async def test_an_abort_by_the_handler_stays(channel: grpc.aio.Channel) -> None:
    error = await failure(channel, "One", "abort")
    assert error.code() == grpc.StatusCode.NOT_FOUND
    assert error.details() == "by hand"


async def test_unserved_methods_are_unimplemented(channel: grpc.aio.Channel) -> None:
    assert code(await failure(channel, "Missing", "a")) == "SN-H026"
    assert (await failure(channel, "Nothing", "a")).code() == grpc.StatusCode.UNIMPLEMENTED


async def test_what_an_inner_interceptor_raises_is_mapped(channel: grpc.aio.Channel) -> None:
    for name in ("One", "Out", "In", "Both"):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await outcome(channel, name, "a", metadata=(("who", "stranger"),))
        assert caught.value.code() == grpc.StatusCode.PERMISSION_DENIED
        assert code(caught.value) == "SN-N102"


async def test_a_port_in_use_is_a_coded_start_error(server: GrpcServer) -> None:
    """operators.md row 7: no port is shared in silence, neither with another program nor with ourselves."""
    second = GrpcServer(
        host="127.0.0.1", port=server.port, register=[Echo().register], error_mapper=grpc_status
    )
    with pytest.raises(StartupError) as caught:
        await second.start()
    assert caught.value.problems[0].code == "SN-H001"
    with socket.create_server(("127.0.0.1", 0)) as other:
        third = GrpcServer(
            host="127.0.0.1",
            port=other.getsockname()[1],
            register=[],
            error_mapper=grpc_status,
        )
        with pytest.raises(StartupError, match="SN-H001"):
            await third.start()


async def test_stopping_ends_streams_finishes_calls_and_frees_the_port(
    server: GrpcServer, channel: grpc.aio.Channel
) -> None:
    """M6: never-ending streams do not hold the stop."""
    answers = method(channel, "unary_stream", "Out")("a")
    assert (await answers.read()).value == "a"
    running = asyncio.ensure_future(method(channel, "unary_unary", "One")("wait"))
    await asyncio.sleep(0.1)
    async with asyncio.timeout(3):
        await server.stop(grace_seconds=10)
    assert (await running).value == "wait"
    assert await answers.read() == grpc.aio.EOF
    again = GrpcServer(
        host="127.0.0.1", port=server.port, register=[Echo().register], error_mapper=grpc_status
    )
    async with again:
        pass
