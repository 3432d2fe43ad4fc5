"""Answers to bid batches by batch id, so that a repeated batch gets the first answer. Bounded, in memory."""

from collections import OrderedDict
from typing import Generic, TypeVar

from pinai_subnet.protocol.errors import Conflict
from pinai_subnet.protocol.ids import Address

A = TypeVar("A")


class BatchAnswers(Generic[A]):
    """Remembers the newest answers of signed callers; an unsigned caller's batch id proves nothing."""

    def __init__(self, *, capacity: int = 1000) -> None:
        """Remember this many answers."""
        self._capacity = capacity
        self._answers: OrderedDict[tuple[Address, str], tuple[bytes, A]] = OrderedDict()

    def find(self, signer: Address | None, batch_id: str, content: bytes) -> A | None:
        """Return the earlier answer to the same batch; raise `Conflict` SN-M021 for other content under its id."""
        if signer is None or not batch_id:
            return None
        known = self._answers.get((signer, batch_id))
        if known is None:
            return None
        if known[0] != content:
            raise Conflict("SN-M021", f"batch {batch_id[:80]!r} was sent before with other bids")
        return known[1]

    def keep(self, signer: Address | None, batch_id: str, content: bytes, answer: A) -> None:
        """Remember an answer."""
        if signer is None or not batch_id:
            return
        self._answers[signer, batch_id] = (content, answer)
        if len(self._answers) > self._capacity:
            self._answers.popitem(last=False)
