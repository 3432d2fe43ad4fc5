"""The one table from our errors to gRPC statuses and HTTP problems. Not the servers that send them."""

from typing import NamedTuple

from pinai_subnet.ports.errors import Damaged, DependencyError, Refused, Unreachable
from pinai_subnet.protocol.errors import (
    Conflict,
    Exhausted,
    Forbidden,
    InvalidInput,
    NotFound,
    NotReady,
    SubnetError,
    TooSlow,
    Unauthenticated,
    WrongState,
)
from pinai_subnet.runtime.errors import ResourceBusy, StoredDataDamaged
from pinai_subnet.runtime.problems import GrpcProblem, GrpcStatus, ProblemDetails, grpc_problem


class _Row(NamedTuple):
    grpc: GrpcStatus
    http: int
    title: str


_TABLE: dict[type[Exception], _Row] = {
    InvalidInput: _Row(GrpcStatus.INVALID_ARGUMENT, 400, "Invalid input"),
    Unauthenticated: _Row(GrpcStatus.UNAUTHENTICATED, 401, "Not authenticated"),
    Forbidden: _Row(GrpcStatus.PERMISSION_DENIED, 403, "Not permitted"),
    NotFound: _Row(GrpcStatus.NOT_FOUND, 404, "Not found"),
    Conflict: _Row(GrpcStatus.ALREADY_EXISTS, 409, "Conflict"),
    WrongState: _Row(GrpcStatus.FAILED_PRECONDITION, 409, "Wrong state"),
    Exhausted: _Row(GrpcStatus.RESOURCE_EXHAUSTED, 429, "Limit reached"),
    NotReady: _Row(GrpcStatus.UNAVAILABLE, 503, "Not ready"),
    TooSlow: _Row(GrpcStatus.DEADLINE_EXCEEDED, 504, "Too slow"),
    SubnetError: _Row(GrpcStatus.FAILED_PRECONDITION, 409, "Refused"),
    Unreachable: _Row(GrpcStatus.UNAVAILABLE, 503, "Dependency unreachable"),
    Refused: _Row(GrpcStatus.FAILED_PRECONDITION, 502, "Dependency refused"),
    Damaged: _Row(GrpcStatus.DATA_LOSS, 500, "Stored data damaged"),
    DependencyError: _Row(GrpcStatus.UNAVAILABLE, 503, "Dependency failed"),
    ResourceBusy: _Row(GrpcStatus.RESOURCE_EXHAUSTED, 503, "Busy"),
    StoredDataDamaged: _Row(GrpcStatus.DATA_LOSS, 500, "Stored data damaged"),
}

_Coded = SubnetError | DependencyError | ResourceBusy | StoredDataDamaged


def _row(exc: _Coded) -> _Row:
    """Return the row of the nearest listed class of this exception."""
    return next(_TABLE[kind] for kind in type(exc).__mro__ if kind in _TABLE)


def grpc_status(exc: Exception) -> GrpcProblem | None:
    """Return status, details `CODE message` and trailing metadata `x-error-code`; None for an unexpected exception."""
    if not isinstance(exc, _Coded):
        return None
    return grpc_problem(_row(exc).grpc, exc.code, exc.message)


def http_problem(exc: Exception) -> ProblemDetails | None:
    """Return the RFC 9457 problem with our code; None for an unexpected exception."""
    if not isinstance(exc, _Coded):
        return None
    row = _row(exc)
    headers = {"Retry-After": "1"} if row.http in {429, 503} else {}
    return ProblemDetails(
        status=row.http, code=exc.code, title=row.title, detail=exc.message, headers=headers
    )
