"""How much each caller may ask for: a rate with bursts per proven signer, and a bound on open streams. Pure state.

Unsigned callers share a limit per network address, so nobody can use up the limit of an agent that signs (defect A12).
"""

from collections import Counter

from pinai_subnet.protocol.errors import Exhausted
from pinai_subnet.protocol.ids import Address
from pinai_subnet.runtime.limits import RateLimiter


class Callers:
    """The limits of one server."""

    def __init__(self, *, calls_per_second: float, burst: float, max_streams: int) -> None:
        """Allow each caller `burst` calls at once and `calls_per_second` sustained."""
        self._rates = RateLimiter(per_second=calls_per_second, burst=burst)
        self._burst = burst
        self._max_streams = max_streams
        self._streams: Counter[str] = Counter()

    def admit(self, signer: Address | None, peer: str, *, now: float, calls: int = 1) -> None:
        """Count calls; raise `Exhausted` SN-M019 beyond the rate."""
        key = signer or peer_host(peer)
        cost = min(float(calls), self._burst)
        if not self._rates.admit(key, now=now, cost=cost):
            wait = self._rates.retry_after_seconds(key, now=now, cost=cost)
            raise Exhausted("SN-M019", f"too many calls from {key}; try again in {wait:.1f} s")

    def open_stream(self, signer: Address | None, peer: str) -> str:
        """Count a stream and return under which key; raise `Exhausted` SN-M024 when there are too many.

        One caller may hold half of them, so that it keeps nobody else out.
        """
        key = signer or peer_host(peer)
        open_streams = self._streams.total()
        if open_streams >= self._max_streams:
            raise Exhausted(
                "SN-M024", f"{open_streams} streams are open, the most this server holds"
            )
        if self._streams[key] >= max(1, self._max_streams // 2):
            raise Exhausted(
                "SN-M024",
                f"{key} holds {self._streams[key]} of at most {self._max_streams} streams,"
                " the largest share of one caller",
            )
        self._streams[key] += 1
        return key

    def close_stream(self, key: str) -> None:
        """Count a stream that is over; `key` is what its opening returned."""
        self._streams[key] -= 1
        if not self._streams[key]:
            del self._streams[key]


def peer_host(peer: str) -> str:
    """Return the network address of a gRPC peer text such as `ipv4:10.0.0.7:41234`, without its port."""
    host, _, port = peer.rpartition(":")
    return host if host and port.isdigit() else peer
