"""What this validator has signed, remembered for ever: the guard against signing twice. Holds no signature."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningIntent:
    """The two things a validator is about to sign for one epoch, 32 bytes each."""

    epoch: int
    batch_digest: bytes
    header_hash: bytes


class SigningRecord(Protocol):
    """A sign-once store. No signature may leave the process before `remember` returned for its epoch.

    Durability: `remember` returns after the entries are on stable storage. Blocking: it writes and syncs, so it is
    called outside the event loop, one call at a time. A record is bound to one key and never shared by two processes.
    """

    @property
    def highest_epoch(self) -> int:
        """Return the highest epoch that was remembered or raised to; -1 when nothing was."""
        ...

    def remember(self, intents: Sequence[SigningIntent]) -> None:
        """Store what is about to be signed, all or nothing.

        Repeating an identical entry is harmless. Raises `Refused` SN-K101 for a second digest of an epoch and SN-K102
        for an unknown epoch at or below `highest_epoch`; `Damaged` SN-K105 when the disk did not take it.
        """
        ...

    def raise_to(self, epoch: int) -> None:
        """Refuse unknown epochs up to this one from now on: the network has seen our signature there."""
        ...

    def close(self) -> None:
        """Close the file; safe to call twice."""
        ...
