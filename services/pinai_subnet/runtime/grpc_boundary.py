"""The gRPC exception boundary: known errors by the mapper, malformed messages refused, the rest INTERNAL. No policy."""

import inspect
from collections.abc import AsyncIterator, Callable
from typing import Any, NoReturn

import grpc

from pinai_subnet.runtime.logs import get_logger
from pinai_subnet.runtime.problems import GrpcErrorMapper, GrpcProblem, GrpcStatus, grpc_problem

_MALFORMED = grpc_problem(GrpcStatus.INVALID_ARGUMENT, "SN-H025", "the message cannot be decoded")
_INTERNAL = grpc_problem(GrpcStatus.INTERNAL, "SN-H029", "the call failed unexpectedly")
_UNIMPLEMENTED = grpc_problem(
    GrpcStatus.UNIMPLEMENTED, "SN-H026", "this server does not implement the method"
)


class _Undecodable:
    """Stands for a message whose bytes are not the declared type."""


class ErrorBoundary(grpc.aio.ServerInterceptor):
    """The outermost interceptor: nothing a handler or an inner interceptor raises gets past it unmapped.

    Handlers are coroutines or async generators; a plain function must not block.
    """

    def __init__(self, error_mapper: GrpcErrorMapper) -> None:
        """Map known errors with this; None from it means unexpected."""
        self._map = error_mapper
        self._log = get_logger()

    async def intercept_service(
        self, continuation: Any, handler_call_details: grpc.HandlerCallDetails
    ) -> Any:
        """Wrap the handler that the rest of the chain returns."""
        method = handler_call_details.method
        try:
            handler = await continuation(handler_call_details)
        except Exception as exc:  # noqa: BLE001 - gRPC boundary: an inner interceptor refused or failed
            return _always(self._problem(method, exc))
        if handler is None:
            return None
        decode = _guarded(handler.request_deserializer)
        encode = handler.response_serializer
        if handler.request_streaming and handler.response_streaming:
            wrapped = self._streamed(method, handler.stream_stream, requests=True)
            return grpc.stream_stream_rpc_method_handler(wrapped, decode, encode)
        if handler.request_streaming:
            wrapped = self._single(method, handler.stream_unary, requests=True)
            return grpc.stream_unary_rpc_method_handler(wrapped, decode, encode)
        if handler.response_streaming:
            wrapped = self._streamed(method, handler.unary_stream, requests=False)
            return grpc.unary_stream_rpc_method_handler(wrapped, decode, encode)
        wrapped = self._single(method, handler.unary_unary, requests=False)
        return grpc.unary_unary_rpc_method_handler(wrapped, decode, encode)

    def _single(self, method: str, handle: Callable[..., Any], *, requests: bool) -> Any:
        async def call(request: Any, context: Any) -> Any:
            try:
                answer = handle(await _checked(request, context, requests), context)
                return await answer if inspect.isawaitable(answer) else answer
            except grpc.aio.AbortError:
                raise
            except Exception as exc:  # noqa: BLE001 - gRPC boundary
                await _abort(context, self._problem(method, exc))

        return call

    def _streamed(self, method: str, handle: Callable[..., Any], *, requests: bool) -> Any:
        async def call(request: Any, context: Any) -> AsyncIterator[Any]:
            try:
                answers = handle(await _checked(request, context, requests), context)
                if hasattr(answers, "__aiter__"):
                    async for answer in answers:
                        yield answer
                elif inspect.isawaitable(answers):
                    await answers
            except grpc.aio.AbortError:
                raise
            except Exception as exc:  # noqa: BLE001 - gRPC boundary
                await _abort(context, self._problem(method, exc))

        return call

    def _problem(self, method: str, exc: Exception) -> GrpcProblem:
        if isinstance(exc, _MalformedRequest):
            return _MALFORMED
        if isinstance(exc, NotImplementedError):
            return _UNIMPLEMENTED
        problem = self._map(exc)
        if problem is None:
            self._log.error("grpc_call_failed", method=method, error=str(exc), exc_info=exc)
            return _INTERNAL
        return problem


class _MalformedRequest(Exception):
    """A message could not be decoded."""


def _guarded(decode: Callable[[bytes], Any] | None) -> Callable[[bytes], Any] | None:
    """Return a decoder that never raises: gRPC would answer INTERNAL and log a traceback per hostile message."""
    if decode is None:
        return None

    def guarded(raw: bytes) -> Any:
        try:
            return decode(raw)
        except Exception:  # noqa: BLE001 - gRPC boundary: the bytes come from anyone
            return _Undecodable()

    return guarded


async def _checked(request: Any, _context: Any, requests: bool) -> Any:
    if requests:
        return _checked_stream(request)
    if isinstance(request, _Undecodable):
        raise _MalformedRequest
    return request


async def _checked_stream(requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for request in requests:
        if isinstance(request, _Undecodable):
            raise _MalformedRequest
        yield request


async def _abort(context: Any, problem: GrpcProblem) -> NoReturn:
    await context.abort(grpc.StatusCode[problem.status.name], problem.details, problem.metadata)
    raise AssertionError("abort raises")


def _always(problem: GrpcProblem) -> Any:
    """Return a handler that answers every call with this problem."""

    async def refuse(_: Any, context: Any) -> Any:
        await _abort(context, problem)

    return grpc.unary_unary_rpc_method_handler(refuse)
