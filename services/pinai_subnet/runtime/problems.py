"""How an error leaves a server: an HTTP problem (RFC 9457) or a gRPC status. Not which error becomes which."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, NamedTuple

ERROR_CODE_METADATA = "x-error-code"
"""Trailing metadata key under which a gRPC error carries its catalogue code."""

MAX_DETAIL = 1024
"""Longest error text sent to a peer: gRPC details travel in trailers, which peers limit to 8 KiB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemDetails:
    """One RFC 9457 problem with our stable code."""

    status: int
    code: str
    title: str
    detail: str
    headers: Mapping[str, str] = field(default_factory=dict)
    """Response headers, for example `Retry-After`."""

    @property
    def type(self) -> str:
        """Return the problem type, a URI built from the code."""
        return f"urn:pinai:error:{self.code}"

    def body(self) -> dict[str, Any]:
        """Return the JSON body; `error` repeats code and detail for clients that read only that member."""
        detail = self.detail[:MAX_DETAIL]
        return {
            "type": self.type,
            "title": self.title,
            "status": self.status,
            "detail": detail,
            "code": self.code,
            "error": f"{self.code} {detail}",
        }


class GrpcStatus(Enum):
    """The gRPC statuses that we answer with, named as gRPC names them.

    Our own, so that a process that serves HTTP only does not carry gRPC in memory.
    """

    INVALID_ARGUMENT = auto()
    DEADLINE_EXCEEDED = auto()
    NOT_FOUND = auto()
    ALREADY_EXISTS = auto()
    PERMISSION_DENIED = auto()
    RESOURCE_EXHAUSTED = auto()
    FAILED_PRECONDITION = auto()
    UNIMPLEMENTED = auto()
    INTERNAL = auto()
    UNAVAILABLE = auto()
    DATA_LOSS = auto()
    UNAUTHENTICATED = auto()


class GrpcProblem(NamedTuple):
    """One gRPC error: status, details text and trailing metadata."""

    status: GrpcStatus
    details: str
    metadata: tuple[tuple[str, str], ...]


def grpc_problem(status: GrpcStatus, code: str, message: str) -> GrpcProblem:
    """Return the gRPC form of a coded error: details `CODE message`, the code also as trailing metadata."""
    return GrpcProblem(status, f"{code} {message[:MAX_DETAIL]}", ((ERROR_CODE_METADATA, code),))


HttpErrorMapper = Callable[[Exception], ProblemDetails | None]
"""Says which HTTP problem an exception is; None means it is unexpected."""

GrpcErrorMapper = Callable[[Exception], GrpcProblem | None]
"""Says which gRPC error an exception is; None means it is unexpected."""
