"""The network says no: errors with a stable code that cross the wire. Not failed dependencies, not start-up."""


class SubnetError(Exception):
    """A request was refused by a rule of the network.

    `code` is the catalogue code (`SN-<letter><3 digits>`), `retryable` says whether the same request may succeed later.
    The subclass decides the gRPC status and the HTTP status (see `wire.status`).
    """

    retryable = False

    def __init__(self, code: str, message: str) -> None:
        """Keep the catalogue code and a message that says what, where, the value seen and what was expected."""
        super().__init__(message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        """Return `CODE message`."""
        return f"{self.code} {self.message}"


class InvalidInput(SubnetError):
    """The request is malformed (gRPC INVALID_ARGUMENT, HTTP 400)."""


class Unauthenticated(SubnetError):
    """Who calls is not proven (UNAUTHENTICATED, 401)."""


class Forbidden(SubnetError):
    """The caller is known and may not do this (PERMISSION_DENIED, 403)."""


class NotFound(SubnetError):
    """The thing named does not exist (NOT_FOUND, 404)."""


class Conflict(SubnetError):
    """It exists already with other content (ALREADY_EXISTS, 409)."""


class WrongState(SubnetError):
    """The thing is not in a state that allows this (FAILED_PRECONDITION, 409)."""


class Exhausted(SubnetError):
    """A limit is reached: rate, queue or size (RESOURCE_EXHAUSTED, 429)."""

    retryable = True


class NotReady(SubnetError):
    """The service cannot do this now (UNAVAILABLE, 503)."""

    retryable = True


class TooSlow(SubnetError):
    """The work did not finish in the time allowed; its outcome may be unknown (DEADLINE_EXCEEDED, 504)."""

    retryable = True
