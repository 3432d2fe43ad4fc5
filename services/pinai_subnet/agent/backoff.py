"""How long to wait before trying again: exponential, capped, jittered. Pure but for the random source passed in."""

import random


class Backoff:
    """Waits between `initial / 2` and `initial` seconds at first, doubling up to `cap`."""

    def __init__(
        self, *, initial: float = 0.2, cap: float = 10.0, source: random.Random | None = None
    ) -> None:
        """Start fresh; `source` makes the jitter repeatable."""
        self._initial = initial
        self._cap = cap
        self._random = source or random.Random()  # noqa: S311 - spreads retries, keeps no secret
        self._attempt = 0

    def reset(self) -> None:
        """Forget past failures."""
        self._attempt = 0

    def next(self) -> float:
        """Return the seconds to wait after one more failure."""
        ceiling = min(self._cap, self._initial * 2.0 ** min(self._attempt, 32))
        self._attempt += 1
        return ceiling * (0.5 + self._random.random() / 2)
