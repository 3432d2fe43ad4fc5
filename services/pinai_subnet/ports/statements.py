"""What other validators say their state was at a log position. Not how they are asked."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One validator's signed word that its whole state had these digests at that log position."""

    validator_id: str
    index: int
    history_digest: bytes
    content_digest: bytes
    signature: bytes
    """65 bytes, plain, over the statement's digest; unchecked until somebody recovers its signer."""


class Statements(Protocol):
    """Asks validators for their statements. Read only; cancelling is safe."""

    async def ask(self, endpoint: str, index: int) -> Statement | None:
        """Return what the validator at host:port says of a log position, None if it has not been there (yet).

        Raises `Unreachable` SN-R079 when it does not answer or answers something else.
        """
        ...

    async def close(self) -> None:
        """Close connections; safe to call twice."""
        ...
