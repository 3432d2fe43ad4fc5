"""Ends another thread's wait in a selector: one byte through a pair of sockets. Carries no data."""

import contextlib
import socket


class Wakeup:
    """Callable from any thread; drained and closed by the one that waits."""

    def __init__(self) -> None:
        """Open the pair."""
        self.reader, self._writer = socket.socketpair()
        self.reader.setblocking(False)
        self._writer.setblocking(False)

    def wake(self) -> None:
        """End the wait, or the next one."""
        with contextlib.suppress(OSError):
            self._writer.send(b"\0")

    def drain(self) -> None:
        """Forget the calls so far."""
        with contextlib.suppress(BlockingIOError):
            while self.reader.recv(4096):
                pass

    def close(self) -> None:
        """Close both ends."""
        self.reader.close()
        self._writer.close()
