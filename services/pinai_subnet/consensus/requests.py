"""Commands on their way into the log and the callers that wait for them. Knows nothing of replication."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from pinai_subnet.ports.replication import GroupChange
from pinai_subnet.protocol.errors import Exhausted


@dataclass(slots=True, eq=False)
class Request:
    """One command of a local caller."""

    command: bytes
    """With its kind byte in front."""
    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[object]"
    done: bool = False
    """Nobody waits any more; set by either side."""
    change: GroupChange | None = None
    """Set instead of a command where the membership shall change; never forwarded."""
    size: int = field(init=False)

    def __post_init__(self) -> None:
        """Remember the size for the limits."""
        self.size = len(self.command)


class Inbox:
    """Requests that wait for a leader, bounded; filled from any thread, emptied by the engine's."""

    def __init__(self, *, max_requests: int, max_bytes: int) -> None:
        """Set the limits; they count requests from `admit` to `release`, wherever they are meanwhile."""
        self._max_requests = max_requests
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._requests = 0
        self._bytes = 0
        self._queue: deque[Request] = deque()
        self._again: deque[Request] = deque()

    def admit(self, request: Request) -> None:
        """Take a request in; raise `Exhausted` SN-R022 when too many wait already."""
        with self._lock:
            if self._requests >= self._max_requests or self._bytes + request.size > self._max_bytes:
                raise Exhausted(
                    "SN-R022", f"{self._requests} commands ({self._bytes} bytes) wait already"
                )
            self._requests += 1
            self._bytes += request.size
        self._queue.append(request)

    def release(self, request: Request) -> None:
        """Count a request as gone; called exactly once for each that was admitted."""
        request.done = True
        with self._lock:
            self._requests -= 1
            self._bytes -= request.size

    def put_back(self, request: Request) -> None:
        """Return a request whose outcome is unknown; it goes first. Engine's thread only."""
        if not request.done:
            self._again.append(request)

    def take(self, max_bytes: int) -> Iterator[Request]:
        """Yield waiting requests, oldest first, until their size reaches `max_bytes`."""
        size = 0
        for queue in (self._again, self._queue):
            while queue and size < max_bytes:
                request = queue.popleft()
                if not request.done:
                    size += request.size
                    yield request

    def forget_done(self) -> None:
        """Drop requests whose callers gave up."""
        for queue in (self._again, self._queue):
            for _ in range(len(queue)):
                request = queue.popleft()
                if not request.done:
                    queue.append(request)

    def __len__(self) -> int:
        """Return how many requests are admitted and not released."""
        return self._requests

    def __bool__(self) -> bool:
        return bool(self._queue or self._again)


class Waiting:
    """Requests that have a place in the log, and those that a peer was asked to place."""

    def __init__(self, put_back: Callable[[Request], None]) -> None:
        """`put_back` takes requests whose place became doubtful."""
        self._put_back = put_back
        self._placed: dict[int, list[tuple[int, Request]]] = {}
        self._asked: dict[int, Request] = {}
        self._counter = 0

    def place(self, index: int, term: int, request: Request) -> None:
        """Wait for the entry of that term at that index."""
        self._placed.setdefault(index, []).append((term, request))

    def ask(self, request: Request) -> int:
        """Remember a request that a peer is asked to place; return its number."""
        self._counter += 1
        self._asked[self._counter] = request
        return self._counter

    def answered(self, number: int) -> Request | None:
        """Return and forget the request of that number."""
        return self._asked.pop(number, None)

    def applied(self, index: int, term: int) -> list[Request]:
        """Return the requests that this entry answers; others that hoped for the index go back."""
        placed = self._placed.pop(index, None)
        if placed is None:
            return []
        for wanted, request in placed:
            if wanted != term:
                self._put_back(request)
        return [request for wanted, request in placed if wanted == term]

    def doubt_all(self) -> None:
        """Leadership changed or a connection broke: every outcome is unknown, so every request goes back."""
        placed, self._placed = self._placed, {}
        asked, self._asked = self._asked, {}
        for waiting in placed.values():
            for _, request in waiting:
                self._put_back(request)
        for request in asked.values():
            self._put_back(request)
