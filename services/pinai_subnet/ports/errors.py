"""A dependency failed: the errors adapters raise. Not what the network refuses, not why a process cannot start."""


class DependencyError(Exception):
    """A dependency did not do what its port promises.

    `code` is the stable catalogue code, `retryable` says whether the same call may succeed later.
    """

    def __init__(self, code: str, message: str, *, retryable: bool = True) -> None:
        """Keep the catalogue code, the message for people and whether retrying can help."""
        super().__init__(message)
        self.code = code
        self.message = message
        self.retryable = retryable

    def __str__(self) -> str:
        """Return `CODE message`, the form that logs and operators see."""
        return f"{self.code} {self.message}"


class Unreachable(DependencyError):
    """The dependency could not be reached or did not answer in time; nothing is known about the outcome."""


class Refused(DependencyError):
    """The dependency answered and said no; repeating the same request will not help."""

    def __init__(self, code: str, message: str) -> None:
        """Build a final refusal."""
        super().__init__(code, message, retryable=False)


class Damaged(DependencyError):
    """Stored data failed its check; nothing of it is served as truth."""

    def __init__(self, code: str, message: str) -> None:
        """Build a damage report; reading again will not heal it."""
        super().__init__(code, message, retryable=False)
