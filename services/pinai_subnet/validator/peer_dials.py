"""Can this host reach the others' listeners right now? Opens a connection to each, and closes it. Sends nothing."""

import asyncio
import socket
from collections.abc import Mapping

from pinai_subnet.runtime.clock import Clock

OK, REFUSED, TIMEOUT, UNKNOWN_NAME, UNREACHABLE = (
    *("ok", "refused", "timeout", "unknown name"),
    "unreachable",
)
_DIAL_SECONDS = 2.0
_KEPT_SECONDS = 2.0
"""Whoever asks more often than this is told what was found before."""


async def dial(endpoint: str, *, timeout_seconds: float = _DIAL_SECONDS) -> str:
    """Return what comes of connecting to host:port."""
    host, _, port = endpoint.rpartition(":")
    try:
        async with asyncio.timeout(timeout_seconds):
            _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    except TimeoutError:
        return TIMEOUT
    except ConnectionRefusedError:
        return REFUSED
    except socket.gaierror:
        return UNKNOWN_NAME
    except OSError:
        return UNREACHABLE
    writer.close()
    return OK


class PeerDials:
    """Dials the others when it is asked, at most once per pause."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = asyncio.Lock()
        self._at: float | None = None
        self._found: Mapping[str, str] = {}

    async def outcomes(self, endpoints: Mapping[str, str]) -> Mapping[str, str]:
        """Return what comes of dialling each of these endpoints, by the same names."""
        async with self._lock:
            now = self._clock.monotonic()
            fresh = self._at is not None and now - self._at < _KEPT_SECONDS
            if not fresh or self._found.keys() != endpoints.keys():
                found = await asyncio.gather(*(dial(one) for one in endpoints.values()))
                self._found = dict(zip(endpoints, found, strict=True))
                self._at = self._clock.monotonic()
            return self._found
