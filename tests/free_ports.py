"""Ports of this machine for what tests and benchmarks start: of a range that no other worker of a run takes any from.

Between the choice of a port and the moment when somebody listens on it, nobody else may choose it. Workers that test
side by side (up to eight) therefore have a range each, all below the one from which the kernel takes ports for
connections; and one worker gives every port of its range once before it gives any again.
"""

import itertools
import os
import random
import socket
from collections.abc import Iterator
from contextlib import suppress

from pinai_subnet.cli.ports import PortPlan

_FIRST, _EACH, _WORKERS = 10_000, 1_250, 8


def _own_ports() -> Iterator[int]:
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _WORKERS
    first = _FIRST + number * _EACH
    return itertools.cycle(random.sample(range(first, first + _EACH), k=_EACH))


_PORTS = _own_ports()


def free_ports(count: int, host: str = "127.0.0.1") -> list[int]:
    """Return different ports that are free now on an address of this machine."""
    found: list[int] = []
    for port in itertools.islice(_PORTS, _EACH):
        with suppress(OSError), socket.socket() as probe:
            probe.bind((host, port))
            found.append(port)
        if len(found) == count:
            return found
    raise AssertionError(f"fewer than {count} ports of this worker's range are free")


def free_plan(validators: int) -> PortPlan:
    """Return a plan of a network on such ports."""
    names = PortPlan.documented(validators).endpoints
    ports = free_ports(len(names))
    return PortPlan({name: f"127.0.0.1:{port}" for name, port in zip(names, ports, strict=True)})
