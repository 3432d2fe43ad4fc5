"""How much each caller may ask for: a rate with bursts per proven signer, and a bound on open streams. Pure state.

Unsigned callers share a limit per network address, so nobody can use up the limit of an agent that signs (defect A12).
"""

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
        self._streams = 0

    def admit(self, signer: Address | None, peer: str, *, now: float, calls: int = 1) -> None:
        """Count calls; raise `Exhausted` SN-M019 beyond the rate."""
        key = signer or peer_host(peer)
        cost = min(float(calls), self._burst)
        if not self._rates.admit(key, now=now, cost=cost):
            wait = self._rates.retry_after_seconds(key, now=now, cost=cost)
            raise Exhausted("SN-M019", f"too many calls from {key}; try again in {wait:.1f} s")

    def open_stream(self) -> None:
        """Count a stream; raise `Exhausted` SN-M024 when there are too many."""
        if self._streams >= self._max_streams:
            raise Exhausted(
                "SN-M024", f"{self._streams} streams are open, the most this server holds"
            )
        self._streams += 1

    def close_stream(self) -> None:
        """Count a stream that is over."""
        self._streams -= 1


def peer_host(peer: str) -> str:
    """Return the network address of a gRPC peer text such as `ipv4:10.0.0.7:41234`, without its port."""
    host, _, port = peer.rpartition(":")
    return host if host and port.isdigit() else peer
