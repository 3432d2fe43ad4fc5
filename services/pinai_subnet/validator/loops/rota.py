"""Whose turn it is to do a piece of shared work first. Only spreads load: doing it twice must be harmless."""

from collections.abc import Sequence

from pinai_subnet.protocol.ids import ValidatorId
from pinai_subnet.runtime.clock import Clock

_MAX_KNOWN = 1024


class Patience:
    """Remembers since when this validator has seen that something waits, so that it can step in for a silent one."""

    def __init__(self, *, clock: Clock) -> None:
        """Count from when this validator saw it first, by its own clock."""
        self._clock = clock
        self._since: dict[object, float] = {}

    def over(self, thing: object, seconds: float) -> bool:
        """Say whether the thing has been waiting for longer than this; the first question starts the count."""
        now = self._clock.monotonic()
        since = self._since.setdefault(thing, now)
        while len(self._since) > _MAX_KNOWN:
            del self._since[next(iter(self._since))]
        return now - since >= seconds

    def forget(self, thing: object) -> None:
        """Start anew when the thing comes up again."""
        self._since.pop(thing, None)


def place(
    me: ValidatorId, members: Sequence[ValidatorId], done: Sequence[ValidatorId], number: int
) -> int:
    """Return how many members come before this one for a numbered work, without those that did it already."""
    start = number % len(members)
    order = [one for one in (*members[start:], *members[:start]) if one not in done]
    return order.index(me)
