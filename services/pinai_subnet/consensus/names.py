"""Looks host names up beside the engine's loop: a slow name server never delays a heartbeat. Caches nothing."""

import socket
from concurrent.futures import Future, ThreadPoolExecutor

Found = tuple[int, tuple[str, int]]


class NameLookup:
    """Resolves one name at a time in a thread of its own."""

    def __init__(self) -> None:
        """Start no thread before the first look-up."""
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="raft-names")
        self._running: dict[tuple[str, int], Future[Found]] = {}

    def find(self, host: str, port: int) -> Found | OSError | None:
        """Return family and address, the error of the look-up, or None while it runs; ask again until it ends."""
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            socket.inet_pton(family, host)
        except OSError:
            return self._look_up(host, port)
        return family, (host, port)

    def _look_up(self, host: str, port: int) -> Found | OSError | None:
        future = self._running.get((host, port))
        if future is None:
            self._running[host, port] = self._executor.submit(_resolve, host, port)
            return None
        if not future.done():
            return None
        del self._running[host, port]
        error = future.exception()
        if isinstance(error, OSError):
            return error
        return future.result()

    def close(self) -> None:
        """Forget what is running."""
        self._executor.shutdown(wait=False, cancel_futures=True)


def _resolve(host: str, port: int) -> Found:
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    return family, (str(address[0]), int(address[1]))
