"""A worker that is a gRPC client of a replicated map: of ours, or of etcd. The same library and loop for both."""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from grpc_tools import protoc
from tests.bench.group_member import KEYS, PUT, command
from tests.bench.pump import pump

from pinai_subnet.runtime.grpc_server import channel_options

_PROTO = Path(__file__).with_name("etcd.proto")
_CALL_SECONDS = 30.0
_VALUE_OF_PUT = "/etcdserverpb.KV/Put"
_VALUE_OF_TXN = "/etcdserverpb.KV/Txn"

Request = Callable[[int], Any]


def etcd_messages() -> dict[str, Any]:
    """Compile `etcd.proto` and return its message classes by name."""
    with TemporaryDirectory() as directory:
        compiled = Path(directory) / "etcd.bin"
        arguments = [f"-I{_PROTO.parent}", f"--descriptor_set_out={compiled}", _PROTO.name]
        if protoc.main(["protoc", *arguments]) != 0:
            raise RuntimeError(f"{_PROTO} does not compile")
        files = descriptor_pb2.FileDescriptorSet.FromString(compiled.read_bytes()).file
    pool = descriptor_pool.DescriptorPool()
    for file in files:
        pool.Add(file)
    names = pool.FindFileByName(_PROTO.name).message_types_by_name
    return {name: message_factory.GetMessageClass(descriptor) for name, descriptor in names.items()}


def _ours(channel: grpc.aio.Channel, size: int, batch: int) -> Callable[[int], Awaitable[object]]:
    put: Any = channel.unary_unary(PUT)

    async def call(number: int) -> None:
        await put(command(number, size=size, batch=batch), timeout=_CALL_SECONDS)

    return call


def _etcd(channel: grpc.aio.Channel, size: int, batch: int) -> Callable[[int], Awaitable[object]]:
    messages = etcd_messages()
    method, answer = (
        (_VALUE_OF_PUT, messages["PutResponse"])
        if batch == 1
        else (_VALUE_OF_TXN, messages["TxnResponse"])
    )
    send: Any = channel.unary_unary(
        method,
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=answer.FromString,
    )

    def put(number: int) -> Any:
        return messages["PutRequest"](key=f"key-{number % KEYS}".encode(), value=bytes(size))

    async def call(number: int) -> None:
        if batch == 1:
            await send(put(number), timeout=_CALL_SECONDS)
            return
        operations = [
            messages["RequestOp"](request_put=put(number * batch + n)) for n in range(batch)
        ]
        done = await send(messages["TxnRequest"](success=operations), timeout=_CALL_SECONDS)
        if not done.succeeded:
            raise RuntimeError("etcd did not take the transaction")

    return call


async def run(task: Mapping[str, Any], _say: Callable[[Mapping[str, Any]], None]) -> dict[str, Any]:
    """Keep so many puts outstanding for some seconds; return rate and latencies."""
    make = {"ours": _ours, "etcd": _etcd}[task["kind"]]
    async with grpc.aio.insecure_channel(task["target"], options=channel_options()) as channel:
        call = make(channel, int(task["size"]), int(task["batch"]))
        return await pump(call, outstanding=task["outstanding"], seconds=task["seconds"])
