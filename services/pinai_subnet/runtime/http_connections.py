"""HTTP connections within bounds: so many at once, and none that takes its time to ask. Not the requests themselves."""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEADER_SECONDS = 10.0
"""How long a connection may take until the headers of its request are complete."""


class BoundedHttpConnection(HttpToolsProtocol):
    """Closes what connects beyond the limit at once, and what does not finish its headers in time.

    The server's own limit answers 503 to requests; it knows nothing of connections that never send one.
    """

    header_seconds = HEADER_SECONDS
    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, or refuse it."""
        super().connection_made(transport)
        limit = self.limit_concurrency
        if limit is not None and len(self.connections) > 2 * limit:
            transport.abort()
            return
        self._expect_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._headers_came()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Begin a request: its headers are expected now."""
        self._expect_headers()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Have all headers; from here on the request's own time limit counts."""
        self._headers_came()
        super().on_headers_complete()

    def _expect_headers(self) -> None:
        if self._patience is None:
            self._patience = self.loop.call_later(self.header_seconds, self._give_up)

    def _headers_came(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _give_up(self) -> None:
        self._patience = None
        self.transport.abort()
