"""Which ports a local network uses: the documented ones, or free ones for a throw-away network."""

import random
import socket
from contextlib import suppress
from dataclasses import dataclass

HOST = "127.0.0.1"
SINGLE = {
    "MATCHER_GRPC": 8093,
    "MATCHER_HTTP": 8094,
    "REGISTRY_HTTP": 8101,
    "REGISTRY_GRPC": 8102,
    "ROOTLAYER_GRPC": 9001,
    "ROOTLAYER_HTTP": 8081,
    "CONSOLE_HTTP": 8088,
}
PER_VALIDATOR = {"GRPC": 9090, "HTTP": 9095, "RAFT": 7400}
MAX_IN_BLOCK = 5
"""Validators 1 to 5 use the documented blocks; more of them move to blocks that do not overlap."""
WIDE_BLOCKS = {"GRPC": 9190, "HTTP": 9290, "RAFT": 7400}
FREE_RANGE = range(20_000, 30_000)
"""Below the range from which the kernel takes ports for outgoing connections."""


def _next_free(candidates: list[int]) -> int:
    while candidates:
        port = candidates.pop()
        with suppress(OSError), socket.socket() as probe:
            probe.bind((HOST, port))
            return port
    raise OSError("no free port between 20000 and 29999")


@dataclass(frozen=True, slots=True)
class PortPlan:
    """Variable name to host:port, for every listener of a network."""

    endpoints: dict[str, str]

    @classmethod
    def documented(cls, validators: int) -> "PortPlan":
        """Return the ports of the operators' contract."""
        blocks = PER_VALIDATOR if validators <= MAX_IN_BLOCK else WIDE_BLOCKS
        numbers = dict(SINGLE)
        for number in range(1, validators + 1):
            numbers |= {
                f"VALIDATOR_{number}_{kind}": base + number - 1 for kind, base in blocks.items()
            }
        return cls({name: f"{HOST}:{port}" for name, port in numbers.items()})

    @classmethod
    def free(cls, validators: int) -> "PortPlan":
        """Return ports that were free a moment ago, all different."""
        names = [
            *SINGLE,
            *(f"VALIDATOR_{n}_{kind}" for n in range(1, validators + 1) for kind in PER_VALIDATOR),
        ]
        candidates = random.sample(FREE_RANGE, k=len(FREE_RANGE))
        return cls({name: f"{HOST}:{_next_free(candidates)}" for name in names})

    def variables(self, validators: int) -> dict[str, str]:
        """Return the variables that `network.yaml` reads for this many validators."""
        wanted = {
            *SINGLE,
            *(f"VALIDATOR_{n}_{kind}" for n in range(1, validators + 1) for kind in PER_VALIDATOR),
        }
        return {name: endpoint for name, endpoint in self.endpoints.items() if name in wanted}
