"""Measures how late the event loop runs what is due: the first sign of work that blocks it. Only measures."""

from pinai_subnet.runtime.clock import Clock
from pinai_subnet.runtime.metrics import Metrics
from pinai_subnet.runtime.stop import Stop

_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)


class LoopLag:
    """Sleeps a fixed time and records how much longer it took."""

    def __init__(self, metrics: Metrics, clock: Clock, *, every_seconds: float = 0.5) -> None:
        """Sample this often into `subnet_process_event_loop_lag_seconds`."""
        self._clock = clock
        self._every = every_seconds
        self._lag = metrics.histogram(
            "event_loop_lag",
            "seconds",
            "How late the event loop ran a due timer",
            buckets=_BUCKETS,
            everywhere=True,
        )
        self.last_seconds = 0.0

    async def run(self, stop: Stop) -> None:
        """Sample until told to stop."""
        while True:
            before = self._clock.monotonic()
            if await stop.wait(self._every):
                return
            self.last_seconds = max(0.0, self._clock.monotonic() - before - self._every)
            self._lag.observe(self.last_seconds)
