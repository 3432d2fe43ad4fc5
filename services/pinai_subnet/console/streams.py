"""Server-sent events to many pages from one source: each page is owed the newest state only. Makes no content.

A reader holds the number of what it was given last, so a thousand readers cost a thousand numbers and a slow one skips
what it missed; no queue grows. Past the limit a reader is refused with a code and told when to come back.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping

from pinai_subnet.protocol.errors import NotReady

RETRY_MS = 5000
BEAT_SECONDS = 15.0
"""A comment this often keeps the connection open through proxies, and finds readers that are gone."""


class Streams:
    """The newest event of each topic, and who listens."""

    def __init__(self, *, limit: int, beat_seconds: float = BEAT_SECONDS) -> None:
        """Serve at most `limit` readers at the same time."""
        self._limit = limit
        self._beat = beat_seconds
        self._open = 0
        self._number = 0
        self._events: dict[str, tuple[int, bytes]] = {}
        self._news = asyncio.Event()
        self._closed = False

    @property
    def open(self) -> int:
        """How many readers there are."""
        return self._open

    def publish(self, events: Mapping[str, str]) -> None:
        """Replace the newest event of these topics and wake every reader."""
        self._number += 1
        for topic, data in events.items():
            self._events[topic] = (self._number, encoded(topic, data))
        self._wake()

    def close(self) -> None:
        """End all streams: the process stops."""
        self._closed = True
        self._wake()

    def read(self, *topics: str) -> "Reader":
        """Return the stream of these topics; raise `NotReady` SN-N124 at once where there are too many."""
        if self._open >= self._limit or self._closed:
            raise NotReady(
                "SN-N124",
                f"{self._limit} pages are kept up to date already; this one stays as it was when it was loaded",
            )
        self._open += 1
        return Reader(self, topics)

    def released(self) -> None:
        """Have one reader less."""
        self._open -= 1

    async def after(self, seen: int, topics: tuple[str, ...]) -> tuple[int, bytes]:
        """Wait for something newer than `seen`; return its number and bytes, or a beat. Ends with nothing at close."""
        while not self._closed:
            news = self._news
            due = [event[1] for t in topics if (event := self._events.get(t)) and event[0] > seen]
            if due:
                return self._number, b"".join(due)
            try:
                async with asyncio.timeout(self._beat):
                    await news.wait()
            except TimeoutError:
                return seen, b": beat\n\n"
        return seen, b""

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()


class Reader:
    """One open stream; `close` gives its place back, also where it was never read."""

    def __init__(self, streams: Streams, topics: tuple[str, ...]) -> None:
        """Made by `Streams.read`."""
        self._streams = streams
        self._topics = topics
        self._closed = False

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield what is to be sent, until the process stops."""
        seen = 0
        yield f"retry: {RETRY_MS}\n\n".encode()
        while True:
            seen, data = await self._streams.after(seen, self._topics)
            if not data:
                return
            yield data

    def close(self) -> None:
        """Give the place back; may be called twice."""
        if not self._closed:
            self._closed = True
            self._streams.released()


def encoded(topic: str, data: str) -> bytes:
    """Return one event in the form of the event-stream format; line breaks in the data are kept."""
    lines = "".join(f"data: {line}\n" for line in data.splitlines() or [""])
    return f"event: {topic}\n{lines}\n".encode()
