"""Who calls: verifies the five `x-` headers of agents (wire-contract 3.8) and signs our own calls the same way.

The proven address of the current call is `current_caller()`; what that caller may do is decided by the services.
"""

import re
import secrets
from collections.abc import AsyncIterable, Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import grpc
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from pinai_subnet.ports.signer import Signer
from pinai_subnet.protocol.errors import InvalidInput, Unauthenticated
from pinai_subnet.protocol.ids import Address, parse_address
from pinai_subnet.protocol.request_signing import (
    CHAIN_HEADER,
    NONCE_HEADER,
    SIGNATURE_HEADER,
    SIGNER_HEADER,
    TIMESTAMP_HEADER,
    Call,
    go_digest,
    python_digest,
)
from pinai_subnet.protocol.signatures import recover_header
from pinai_subnet.runtime.clock import Clock
from pinai_subnet.wire.nonces import NonceCache

_HEADERS = (SIGNATURE_HEADER, SIGNER_HEADER, TIMESTAMP_HEADER, NONCE_HEADER)
_SIGNATURE = re.compile(r"(0x)?[0-9a-fA-F]{130}")
_NONCE = re.compile(r"[0-9A-Za-z_-]{8,128}")
_TIMESTAMP = re.compile(r"[0-9]{1,12}")

_caller: ContextVar[Address | None] = ContextVar("caller", default=None)


class AuthMode(StrEnum):
    """How strict a service is about who calls."""

    REQUIRE = "require"
    """Unsigned calls are refused."""
    ACCEPT = "accept"
    """Unsigned calls are served as nobody; a signature that is present must be right."""
    OFF = "off"
    """Headers are ignored and everybody is nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthPolicy:
    """The rules of one service, from `auth_config.yaml`."""

    mode: AuthMode
    timestamp_tolerance_seconds: float
    foreign_chain_ids: frozenset[str]
    """Chain ids of unconfigured agents; a request signed for one of them counts as unsigned."""


@dataclass(frozen=True, slots=True)
class Forms:
    """The two dicts an agent may have signed for one request. Go's is made when it is asked for: few need it."""

    python: Mapping[str, object] | None
    go: Callable[[], Mapping[str, object] | None]


def current_caller() -> Address | None:
    """Return the proven signer of the call being handled; None for an unsigned one."""
    return _caller.get()


class RequestVerifier:
    """Decides who signed a request; one per service, shared by its gRPC and HTTP sides."""

    def __init__(
        self, *, policy: AuthPolicy, nonces: NonceCache, subnet_id: str, clock: Clock
    ) -> None:
        """Bind the rules to one network."""
        self._policy = policy
        self._nonces = nonces
        self._subnet_id = subnet_id
        self._clock = clock

    def verify(
        self, headers: Mapping[str, str], method: str, forms: Callable[[], Forms]
    ) -> Address | None:
        """Return the proven signer, or None for an unsigned call where that is allowed.

        Raises `Unauthenticated`: SN-N301 unsigned, SN-N302 malformed, SN-N303 another chain id, SN-N304 outside the
        clock window, SN-N305 not signed by whom it says, SN-N306 replayed.
        """
        policy = self._policy
        if policy.mode is AuthMode.OFF:
            return None
        present = [name for name in _HEADERS if name in headers]
        foreign = headers.get(CHAIN_HEADER, self._subnet_id) in policy.foreign_chain_ids
        if not present or foreign:
            if policy.mode is AuthMode.ACCEPT:
                return None
            raise Unauthenticated(
                "SN-N301", f"{method} must be signed; send the headers {', '.join(_HEADERS)}"
            )
        if len(present) != len(_HEADERS):
            missing = ", ".join(name for name in _HEADERS if name not in headers)
            raise Unauthenticated("SN-N302", f"signed request lacks the headers {missing}")
        return self._proven(headers, method, forms)

    def _proven(
        self, headers: Mapping[str, str], method: str, forms: Callable[[], Forms]
    ) -> Address:
        signature_text, timestamp_text, nonce = (
            headers[SIGNATURE_HEADER],
            headers[TIMESTAMP_HEADER],
            headers[NONCE_HEADER],
        )
        for name, text, pattern in (
            (SIGNATURE_HEADER, signature_text, _SIGNATURE),
            (TIMESTAMP_HEADER, timestamp_text, _TIMESTAMP),
            (NONCE_HEADER, nonce, _NONCE),
        ):
            if not pattern.fullmatch(text):
                raise Unauthenticated(
                    "SN-N302", f"header {name} is malformed ({len(text)} characters)"
                )
        chain_id = headers.get(CHAIN_HEADER, self._subnet_id)
        if chain_id != self._subnet_id:
            raise Unauthenticated(
                "SN-N303", f"signed for {chain_id[:80]!r}; this network is {self._subnet_id}"
            )
        now = self._clock.now()
        timestamp = int(timestamp_text)
        if abs(now - timestamp) > self._policy.timestamp_tolerance_seconds:
            raise Unauthenticated(
                "SN-N304",
                f"caller's clock says {timestamp}, ours {int(now)}: {abs(now - timestamp):.0f} s apart, "
                f"{self._policy.timestamp_tolerance_seconds:.0f} s are allowed",
            )
        try:
            signer = parse_address(headers[SIGNER_HEADER], SIGNER_HEADER)
        except InvalidInput as exc:
            raise Unauthenticated("SN-N302", exc.message) from exc
        call = Call(chain_id=chain_id, method=method, timestamp=timestamp, nonce=nonce)
        signature = bytes.fromhex(signature_text.removeprefix("0x"))
        both = forms()
        # Go agents omit the request on streams and write {} for an empty one: each digest names one exact meaning.
        if (
            _made_by(python_digest(call, both.python), signature) == signer
            or _made_by(go_digest(call, both.go()), signature) == signer
        ):
            self._nonces.use(signer, nonce, now)
            return signer
        raise Unauthenticated(
            "SN-N305", f"{method}: the signature does not belong to {signer} and this request"
        )


def _made_by(digest: bytes, signature: bytes) -> Address:
    try:
        return recover_header(digest, signature)
    except InvalidInput as exc:
        raise Unauthenticated("SN-N302", f"header {SIGNATURE_HEADER}: {exc.message}") from exc


def message_forms(request: Message, *, streaming: bool) -> Forms:
    """Return what a Python and a Go agent sign for a request message; Go leaves it out on streams."""
    return Forms(
        python=MessageToDict(request, preserving_proto_field_name=True),
        go=lambda: None if streaming else MessageToDict(request),
    )


def _text_metadata(metadata: Sequence[tuple[str, str | bytes]] | None) -> dict[str, str]:
    return {key: value for key, value in metadata or () if isinstance(value, str)}


class AuthenticationInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[misc, unused-ignore]
    """Verifies every call before its handler runs and tells the handler who calls."""

    def __init__(self, verifier: RequestVerifier) -> None:
        """Take the rules of this service."""
        self._verifier = verifier

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """Wrap unary-unary and unary-stream handlers; the protocol has no client streams."""
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        method = handler_call_details.method
        headers = _text_metadata(handler_call_details.invocation_metadata)
        if handler.unary_unary is not None:
            return grpc.unary_unary_rpc_method_handler(
                self._unary(handler.unary_unary, method, headers),
                handler.request_deserializer,
                handler.response_serializer,
            )
        if handler.unary_stream is not None:
            return grpc.unary_stream_rpc_method_handler(
                self._stream(handler.unary_stream, method, headers),
                handler.request_deserializer,
                handler.response_serializer,
            )
        return handler

    def _unary(self, inner: Any, method: str, headers: Mapping[str, str]) -> Any:
        async def handle(request: Message, context: Any) -> Any:
            caller = self._verifier.verify(
                headers, method, lambda: message_forms(request, streaming=False)
            )
            token = _caller.set(caller)
            try:
                return await inner(request, context)
            finally:
                _caller.reset(token)

        return handle

    def _stream(self, inner: Any, method: str, headers: Mapping[str, str]) -> Any:
        async def handle(request: Message, context: Any) -> AsyncIterable[Any]:
            caller = self._verifier.verify(
                headers, method, lambda: message_forms(request, streaming=True)
            )
            _caller.set(caller)
            async for item in inner(request, context):
                yield item

        return handle


def sign_metadata(
    signer: Signer, subnet_id: str, method: str, request: Message, *, now: float
) -> tuple[tuple[str, str], ...]:
    """Return the five headers for one call, in the Python SDK's form."""
    call = Call(chain_id=subnet_id, method=method, timestamp=int(now), nonce=secrets.token_hex(16))
    digest = python_digest(call, MessageToDict(request, preserving_proto_field_name=True))
    signature = signer.sign(digest)
    header_form = signature[:64] + bytes([signature[64] - 27])
    return (
        (SIGNATURE_HEADER, header_form.hex()),
        (SIGNER_HEADER, signer.address),
        (TIMESTAMP_HEADER, str(call.timestamp)),
        (NONCE_HEADER, call.nonce),
        (CHAIN_HEADER, subnet_id),
    )


class _Signing:
    def __init__(self, signer: Signer, subnet_id: str, clock: Clock) -> None:
        self._signer = signer
        self._subnet_id = subnet_id
        self._clock = clock

    def _signed(
        self, details: grpc.aio.ClientCallDetails, request: Message
    ) -> grpc.aio.ClientCallDetails:
        # grpc.aio hands the method over as bytes, whatever its annotation says.
        raw: Any = details.method
        method = raw.decode() if isinstance(raw, bytes) else str(raw)
        headers = sign_metadata(
            self._signer, self._subnet_id, method, request, now=self._clock.now()
        )
        return grpc.aio.ClientCallDetails(
            method=details.method,
            timeout=details.timeout,
            metadata=grpc.aio.Metadata(*(details.metadata or ()), *headers),
            credentials=details.credentials,
            wait_for_ready=details.wait_for_ready,
        )


class _SigningUnary(_Signing, grpc.aio.UnaryUnaryClientInterceptor):  # type: ignore[misc, unused-ignore]
    async def intercept_unary_unary(
        self, continuation: Any, client_call_details: Any, request: Any
    ) -> Any:
        return await continuation(self._signed(client_call_details, request), request)


class _SigningStream(_Signing, grpc.aio.UnaryStreamClientInterceptor):  # type: ignore[misc, unused-ignore]
    async def intercept_unary_stream(
        self, continuation: Any, client_call_details: Any, request: Any
    ) -> Any:
        return await continuation(self._signed(client_call_details, request), request)


def signing_interceptors(
    signer: Signer, subnet_id: str, clock: Clock
) -> list[grpc.aio.ClientInterceptor]:
    """Return client interceptors that sign every unary and streaming call of a channel.

    Two objects, because grpc.aio files an interceptor under the first kind that it matches.
    """
    return [_SigningUnary(signer, subnet_id, clock), _SigningStream(signer, subnet_id, clock)]
