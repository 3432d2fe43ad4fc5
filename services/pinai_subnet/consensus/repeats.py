"""Tells the first of many equal facts from their repetitions, so that a peer that keeps trying is no log storm."""

_REMEMBERED = 256
_FIRST = 5
_EVERY = 100


class Repeats:
    """Counts facts, of which only so many different ones are remembered. Not thread-safe."""

    def __init__(self) -> None:
        """Start with nothing told."""
        self._seen: dict[tuple[str, ...], int] = {}

    def worth_telling(self, *fact: str) -> bool:
        """Return whether this is one of the first times, or another hundredth time, that this happened."""
        count = self._seen.pop(fact, 0)
        while len(self._seen) >= _REMEMBERED:
            del self._seen[next(iter(self._seen))]
        self._seen[fact] = count + 1
        return count < _FIRST or count % _EVERY == 0
