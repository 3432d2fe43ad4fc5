"""The shape of every duty: wake up, do what is due, back off when a dependency fails. Not the duties themselves."""

import asyncio
import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass

from pinai_subnet.ports.errors import DependencyError
from pinai_subnet.protocol.errors import SubnetError
from pinai_subnet.runtime.errors import ResourceBusy
from pinai_subnet.runtime.logs import get_logger
from pinai_subnet.runtime.stop import Stop
from pinai_subnet.validator.feed import Signal

_LAST_TURN_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Capped exponential waiting with full jitter, so that validators do not retry in step."""

    initial_seconds: float = 0.2
    max_seconds: float = 10.0

    def seconds(self, failures: int) -> float:
        """Return how long to wait after this many failures in a row."""
        ceiling = min(self.max_seconds, self.initial_seconds * 2 ** min(failures - 1, 16))
        return float(ceiling * (0.5 + random.random() / 2))  # noqa: S311 - spreads retries, protects nothing


class Duty:
    """Runs one piece of work whenever its signal is set, and at the latest every `tick_seconds`.

    `work` returns whether more is waiting right now. A failed dependency is waited for and tried again for as long as
    the process lives (known defects L2, L3); anything else ends the process, which is then restarted.
    """

    def __init__(
        self,
        *,
        name: str,
        work: Callable[[], Coroutine[None, None, bool]],
        signal: Signal,
        tick_seconds: float,
        backoff: Backoff | None = None,
    ) -> None:
        """The name is what logs and health call it."""
        self.name = name
        self._work = work
        self._signal = signal
        self._tick_seconds = tick_seconds
        self._backoff = backoff or Backoff()
        self._failing_code = ""
        self._failures = 0
        self._log = get_logger()

    async def run(self, stop: Stop) -> None:
        """Work until told to stop."""
        while not stop.is_set:
            await self._signal.wait(stop, self._tick_seconds)
            while not stop.is_set and await self._turn(stop):
                pass

    async def _finished(self, stop: Stop) -> bool:
        """Run the work once; when stopping, let it finish its turn, but not wait for a quorum that may never come."""
        now = asyncio.get_running_loop().time
        limit = asyncio.timeout(None)
        try:
            async with limit:
                with stop.calling(lambda: limit.reschedule(now() + _LAST_TURN_SECONDS)):
                    return await self._work()
        except TimeoutError:
            if not limit.expired():
                raise
            self._log.debug("duty_given_up", duty=self.name)
            return False

    async def _turn(self, stop: Stop) -> bool:
        try:
            more = await self._finished(stop)
        except (DependencyError, SubnetError, ResourceBusy) as exc:
            self._failures += 1
            self._note(exc)
            await stop.wait(self._backoff.seconds(self._failures))
            return True
        if self._failures:
            self._log.info("duty_recovered", duty=self.name, after_failures=self._failures)
        self._failures, self._failing_code = 0, ""
        return more

    def _note(self, exc: DependencyError | SubnetError | ResourceBusy) -> None:
        """Log a failure once per kind, not once per retry."""
        if exc.code == self._failing_code:
            self._log.debug("duty_still_failing", duty=self.name, code=exc.code, reason=exc.message)
            return
        self._failing_code = exc.code
        self._log.warning("duty_failed", duty=self.name, code=exc.code, reason=exc.message)
