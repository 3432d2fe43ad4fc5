"""How long gRPC calls to this process took: an interceptor that only measures."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from time import perf_counter
from typing import Any

import grpc

from pinai_subnet.runtime.metrics import OTHER
from pinai_subnet.runtime.rpc_times import RpcTimes

_CODES = {code.value[0]: code.name for code in grpc.StatusCode}


class CallTimer(grpc.aio.ServerInterceptor):
    """Times every gRPC call whose method exists; outside the error boundary, so that it sees the final code."""

    def __init__(self, times: RpcTimes) -> None:
        """Feed these."""
        self._times = times

    async def intercept_service(
        self, continuation: Any, handler_call_details: grpc.HandlerCallDetails
    ) -> Any:
        """Wrap the handler that the rest of the chain returns."""
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        service, _, name = handler_call_details.method.rpartition("/")
        method = f"{service.rpartition('.')[2]}/{name}"
        decode, encode = handler.request_deserializer, handler.response_serializer
        if handler.request_streaming and handler.response_streaming:
            wrapped = self._streamed(method, handler.stream_stream)
            return grpc.stream_stream_rpc_method_handler(wrapped, decode, encode)
        if handler.request_streaming:
            wrapped = self._single(method, handler.stream_unary)
            return grpc.stream_unary_rpc_method_handler(wrapped, decode, encode)
        if handler.response_streaming:
            wrapped = self._streamed(method, handler.unary_stream)
            return grpc.unary_stream_rpc_method_handler(wrapped, decode, encode)
        wrapped = self._single(method, handler.unary_unary)
        return grpc.unary_unary_rpc_method_handler(wrapped, decode, encode)

    def _single(self, method: str, handle: Callable[..., Awaitable[Any]]) -> Any:
        async def call(request: Any, context: Any) -> Any:
            began = perf_counter()
            cancelled = False
            try:
                return await handle(request, context)
            except asyncio.CancelledError:
                cancelled = True
                raise
            finally:
                code = _code(context, cancelled=cancelled)
                self._times.answered("grpc", method, code, perf_counter() - began)

        return call

    def _streamed(self, method: str, handle: Callable[..., Any]) -> Any:
        async def call(request: Any, context: Any) -> AsyncIterator[Any]:
            cancelled = False
            answers = handle(request, context)
            try:
                if inspect.isawaitable(answers):
                    await answers
                    return
                async for answer in answers:
                    yield answer
            except (asyncio.CancelledError, GeneratorExit):
                cancelled = True
                raise
            finally:
                self._times.streamed("grpc", method, _code(context, cancelled=cancelled))

        return call


def _code(context: Any, *, cancelled: bool) -> str:
    code = context.code()
    known = isinstance(code, grpc.StatusCode)
    name = code.name if known else _CODES.get(int(code or 0), OTHER)
    return "CANCELLED" if cancelled and name == "OK" else name
