"""Every RPC of our servers with a filled-in request, and the ways to forge one. It reads descriptors and omits none."""

import json
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import grpc
from eth_account import Account
from eth_utils.crypto import keccak
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from tests.interop.kit import RealNetwork, first, new_key
from tests.interop.sdk_headers import headers

from pinai_subnet.wire.pb.pinai import ledger_pb2
from pinai_subnet.wire.pb.subnet import (
    matcher_service_pb2,
    registry_service_pb2,
    service_pb2,
    validation_pb2,
)

FILES = {
    "matcher": matcher_service_pb2,
    "validator": service_pb2,
    "validation": validation_pb2,
    "ledger": ledger_pb2,
    "registry": registry_service_pb2,
}
DEPTH = 3


@dataclass(frozen=True, slots=True)
class Rpc:
    """One method of one of our services."""

    server: str
    path: str
    request: type[Message]
    response: type[Message]
    streaming: bool

    def target(self, network: RealNetwork) -> str:
        """Return which server has it."""
        if self.server == "matcher":
            return network.matcher
        return network.registry_grpc if self.server == "registry" else network.validators[0]

    async def call(
        self, network: RealNetwork, request: Message, metadata: object, seconds: float = 10
    ) -> tuple[str, str]:
        """Make the call; return status and details, OK for anything that was let in."""
        async with grpc.aio.insecure_channel(self.target(network)) as channel:
            options: dict[str, Any] = {
                "request_serializer": self.request.SerializeToString,
                "response_deserializer": self.response.FromString,
            }
            try:
                if self.streaming:
                    call = channel.unary_stream(self.path, **options)(request, metadata=metadata)
                    await first(call, seconds=1)
                else:
                    method = channel.unary_unary(self.path, **options)
                    await method(request, metadata=metadata, timeout=seconds)
            except grpc.aio.AioRpcError as exc:
                return exc.code().name, exc.details() or ""
        return "OK", ""


def rpcs() -> Iterator[Rpc]:
    """Yield every method of every service that the matcher, the validators and the registry serve."""
    for server, module in FILES.items():
        for service in module.DESCRIPTOR.services_by_name.values():
            for method in service.methods:
                yield Rpc(
                    server,
                    f"/{service.full_name}/{method.name}",
                    GetMessageClass(method.input_type),
                    GetMessageClass(method.output_type),
                    method.server_streaming,
                )


def filled(kind: type[Message], seed: int) -> Message:
    """Return a message whose fields are all set; another seed gives other values."""
    message = kind()
    _fill(message, kind.DESCRIPTOR, seed, DEPTH)
    return message


def _fill(message: Message, descriptor: Descriptor, seed: int, depth: int) -> None:
    for field in descriptor.fields:
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            getattr(message, field.name)["key"] = f"value-{seed}"
        elif field.message_type is not None:
            if depth:
                part = getattr(message, field.name)
                inner = part.add() if field.is_repeated else part
                inner.SetInParent()
                _fill(inner, field.message_type, seed, depth - 1)
        elif field.is_repeated:
            getattr(message, field.name).append(_scalar(field, seed))
        else:
            setattr(message, field.name, _scalar(field, seed))


def _scalar(field: FieldDescriptor, seed: int) -> object:
    if field.enum_type is not None:
        return field.enum_type.values[1].number
    kinds = {
        FieldDescriptor.CPPTYPE_STRING: f"0x{seed:064x}"
        if field.type == FieldDescriptor.TYPE_STRING
        else bytes([seed]) * 32,
        FieldDescriptor.CPPTYPE_BOOL: True,
        FieldDescriptor.CPPTYPE_DOUBLE: float(seed),
        FieldDescriptor.CPPTYPE_FLOAT: float(seed),
    }
    return kinds.get(field.cpp_type, seed)


Forge = Callable[["Forgery"], tuple[Message, Any]]


@dataclass(frozen=True, slots=True)
class Forgery:
    """Material for one forged call: a right request and everything its owner would sign with."""

    network: RealNetwork
    rpc: Rpc
    key: str
    go: bool

    @property
    def request(self) -> Message:
        """The request as its owner meant it."""
        return filled(self.rpc.request, 1)

    def signed(self, request: Message | None = None, **changes: Any) -> dict[str, str]:
        """Return good headers, unless changed."""
        return dict(
            headers(
                private_key=changes.pop("private_key", self.key),
                chain_id=changes.pop("chain_id", self.network.subnet_id),
                method=changes.pop("method", self.rpc.path),
                request=request or self.request,
                streaming=self.rpc.streaming,
                go=self.go,
                **changes,
            )
        )


def _without(name: str) -> Forge:
    def forge(it: Forgery) -> tuple[Message, Any]:
        left = it.signed()
        del left[name]
        return it.request, left

    return forge


def _with(name: str, value: Callable[[str], str]) -> Forge:
    def forge(it: Forgery) -> tuple[Message, Any]:
        changed = it.signed()
        changed[name] = value(changed[name])
        return it.request, changed

    return forge


def _tampered(it: Forgery) -> tuple[Message, Any]:
    # A Go agent does not sign the request of a stream, so there the headers are what is tampered with.
    if it.go and it.rpc.streaming:
        return it.request, it.signed() | {"x-nonce": secrets.token_hex(16)}
    return filled(it.rpc.request, 2), it.signed()


def _high_s(text: str) -> str:
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    s, v = int(text[64:128], 16), int(text[128:], 16)
    return f"{text[:64]}{order - s:064x}{1 - v:02x}"


FORGERIES: dict[str, tuple[str, Forge]] = {
    "unsigned": ("SN-N301", lambda it: (it.request, {})),
    "tampered request": ("SN-N305", _tampered),
    "stale timestamp": (
        "SN-N304",
        lambda it: (it.request, it.signed(timestamp=int(time.time()) - 400)),
    ),
    "future timestamp": (
        "SN-N304",
        lambda it: (it.request, it.signed(timestamp=int(time.time()) + 400)),
    ),
    "another subnet": ("SN-N303", lambda it: (it.request, it.signed(chain_id="0x" + "22" * 32))),
    "default chain id": ("SN-N301", lambda it: (it.request, it.signed(chain_id="subnet-local"))),
    "another method": ("SN-N305", lambda it: (it.request, it.signed(method="/subnet.v1.X/Y"))),
    "another signer's name": (
        "SN-N305",
        _with("x-signer-id", lambda _: str(Account.from_key("0x" + new_key()).address)),
    ),
    "changed timestamp": ("SN-N305", _with("x-timestamp", lambda t: str(int(t) + 1))),
    "changed nonce": ("SN-N305", _with("x-nonce", lambda n: n[::-1])),
    "high-s signature": ("SN-N302", _with("x-signature", _high_s)),
    "v of 27": ("SN-N302", _with("x-signature", lambda s: s[:-2] + "1b")),
    "empty signature": ("SN-N302", _with("x-signature", lambda _: "00" * 65)),
    "malformed signer": ("SN-N302", _with("x-signer-id", lambda _: "agent-1")),
    "malformed signature": ("SN-N302", _with("x-signature", lambda s: s[:-2])),
    "no signature": ("SN-N302", _without("x-signature")),
    "no nonce": ("SN-N302", _without("x-nonce")),
    "no timestamp": ("SN-N302", _without("x-timestamp")),
    "no signer": ("SN-N302", _without("x-signer-id")),
}
"""Name -> our code and how it is made; each must be refused as UNAUTHENTICATED."""


def http_headers(
    *,
    key: str,
    chain_id: str,
    method: str,
    body: object,
    timestamp: int | None = None,
    nonce: str | None = None,
) -> dict[str, str]:
    """Return the five headers of an HTTP call: the form of the RPCs, `POST /path` as method and the JSON as request."""
    envelope: dict[str, Any] = {
        "chain_id": chain_id,
        "method": method,
        "nonce": nonce or secrets.token_hex(16),
        "timestamp": int(time.time()) if timestamp is None else timestamp,
    }
    text = envelope | ({"request": body} if body else {})
    canonical = json.dumps(text, sort_keys=True, separators=(",", ":")).encode("ascii")
    account = Account.from_key("0x" + key)
    signature = bytes(account.unsafe_sign_hash(keccak(canonical)).signature)
    return {
        "x-signature": signature[:64].hex() + f"{signature[64] - 27:02x}",
        "x-signer-id": str(account.address),
        "x-timestamp": str(envelope["timestamp"]),
        "x-nonce": envelope["nonce"],
        "x-chain-id": chain_id,
    }
