"""Ports of this machine for what tests and benchmarks start: of a range that no other test process takes any from.

Between the choice of a port and the moment when somebody listens on it, nobody else may choose it. Processes that test
side by side therefore have a range each, all below the one from which the kernel takes ports for connections.
"""

import os
import random
import socket
from contextlib import suppress

from pinai_subnet.cli.ports import PER_VALIDATOR, SINGLE, PortPlan

_FIRST, _EACH, _PROCESSES = 10_000, 1_250, 8


def own_range() -> range:
    """Return the ports of this test process; outside of a parallel run those of the first."""
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _PROCESSES
    first = _FIRST + number * _EACH
    return range(first, first + _EACH)


def free_ports(count: int, host: str = "127.0.0.1") -> list[int]:
    """Return different ports that are free now on an address of this machine."""
    found: list[int] = []
    for port in random.sample(own_range(), k=_EACH):
        with suppress(OSError), socket.socket() as probe:
            probe.bind((host, port))
            found.append(port)
        if len(found) == count:
            return found
    raise AssertionError(f"fewer than {count} ports of {own_range()} are free")


def free_plan(validators: int) -> PortPlan:
    """Return a plan of a network on such ports."""
    per_validator = [
        f"VALIDATOR_{number}_{kind}"
        for number in range(1, validators + 1)
        for kind in PER_VALIDATOR
    ]
    names = [*SINGLE, *per_validator]
    ports = free_ports(len(names))
    return PortPlan({name: f"127.0.0.1:{port}" for name, port in zip(names, ports, strict=True)})
