"""The work of the scenario with the whole network: intents of short life, each of which must have ended in time."""

import threading
import time
from collections.abc import Sequence

import httpx
from tests.network_kit import ENDED, LocalTestNetwork, wait_until

DEADLINE_SECONDS = 40.0
_LATE_SECONDS = 25.0
"""RootLayer's grace for assigned intents (10 s here), its pause between two looks, and a busy machine."""
_PER_CALL = 3
_PAUSE_SECONDS = 0.5


class Orders:
    """Submits intents until it is told to stop; RootLayer may be away meanwhile."""

    def __init__(self, network: LocalTestNetwork) -> None:
        """Use this running network."""
        self.submitted: list[str] = []
        self.deadline = 0.0
        """Of the last intent, unix seconds."""
        self._network = network
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="orders", daemon=True)
        self._failure: BaseException | None = None

    def start(self) -> None:
        """Begin to submit."""
        self._thread.start()

    def stop(self) -> None:
        """Submit nothing more; raise what broke the submission itself."""
        self._stopping.set()
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        try:
            while not self._stopping.wait(_PAUSE_SECONDS):
                try:
                    ids = self._network.submit_many(_PER_CALL, deadline_seconds=DEADLINE_SECONDS)
                except httpx.HTTPError:
                    continue
                self.submitted += ids
                self.deadline = time.time() + DEADLINE_SECONDS
        except BaseException as error:  # noqa: BLE001 - the main thread raises it
            self._failure = error

    def late(self) -> list[str]:
        """Wait until the last deadline is over and return the intents that have not ended in time."""
        seconds = max(0.0, self.deadline - time.time()) + _LATE_SECONDS
        try:
            wait_until(self._all_ended, "every intent ended", seconds=seconds)
        except AssertionError:
            return self._open(self._network.statuses())
        return []

    def _all_ended(self) -> bool:
        return not self._open(self._network.statuses())

    def _open(self, statuses: dict[str, str]) -> list[str]:
        return [one for one in self.submitted if statuses.get(one) not in ENDED]

    def completed(self) -> Sequence[str]:
        """Return every intent that RootLayer calls completed."""
        return [one for one, status in self._network.statuses().items() if status == "COMPLETED"]
