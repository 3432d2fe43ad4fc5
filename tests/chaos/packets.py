"""Which packets get lost between the hosts of a test network, and the kernel's rules that lose them. Pure values.

A way leads from a sender to a receiver and is closed where packets arrive, so that each direction can be closed alone.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import permutations

Way = tuple[str, str]
"""Sender, receiver."""

TOOLS_PACKAGES = "iproute2 iptables"
_SUBNET = "10.77.0"
_DESK = 1
_FIRST_HOST = 11
ALL = 1.0


class Split(Enum):
    """How a group falls apart."""

    ALONE = "sees no other validator"
    EVERYTHING = "sees no other host"
    DEAF = "hears no other validator"
    MUTE = "is heard by no other validator"
    BRIDGE = "is the only one to see the others"
    ALL = "and all others see nobody"


def desk_address() -> str:
    """Return the address from which the test itself reaches every host."""
    return f"{_SUBNET}.{_DESK}"


def address_plan(names: Sequence[str]) -> dict[str, str]:
    """Return an address for each host."""
    return {name: f"{_SUBNET}.{_FIRST_HOST + number}" for number, name in enumerate(names)}


def both(one: Iterable[str], other: Iterable[str]) -> set[Way]:
    """Return every way between two sides."""
    there = {(a, b) for a in one for b in other if a != b}
    return there | {(b, a) for a, b in there}


def closed_ways(
    split: Split, victim: str, validators: Sequence[str], hosts: Sequence[str]
) -> set[Way]:
    """Return the ways that are closed when the group falls apart around a victim."""
    others = [name for name in validators if name != victim]
    match split:
        case Split.ALONE:
            return both([victim], others)
        case Split.EVERYTHING:
            return both([victim], hosts)
        case Split.DEAF:
            return {(other, victim) for other in others}
        case Split.MUTE:
            return {(victim, other) for other in others}
        case Split.BRIDGE:
            return set(permutations(others, 2))
        case Split.ALL:
            return set(permutations(validators, 2))


@dataclass(slots=True, kw_only=True)
class Losses:
    """What does not arrive at present."""

    addresses: Mapping[str, str]
    lost: dict[Way, float] = field(default_factory=dict)
    """The share of packets that vanish; nobody is told."""
    refused: set[Way] = field(default_factory=set)
    """Ways on which a connection is reset, as by a firewall that answers."""

    def rules(self, receiver: str) -> str:
        """Return everything that a host's packet filter does, as `iptables-restore` reads it."""
        lines = ["*filter", *(f":{chain} ACCEPT [0:0]" for chain in ("INPUT", "FORWARD", "OUTPUT"))]
        for sender, address in self.addresses.items():
            if sender == receiver:
                continue
            source = f"-A INPUT -s {address}"
            share = self.lost.get((sender, receiver), 0.0)
            if (sender, receiver) in self.refused:
                # Where both ways are closed, each side must still hear that the other one refuses.
                lines.append(f"{source} -p tcp --tcp-flags RST RST -j ACCEPT")
                lines.append(f"{source} -p tcp -j REJECT --reject-with tcp-reset")
                lines.append(f"{source} -j DROP")
            elif share >= ALL:
                lines.append(f"{source} -j DROP")
            elif share > 0:
                chance = f"-m statistic --mode random --probability {share:.3f}"
                lines.append(f"{source} {chance} -j DROP")
        return "\n".join([*lines, "COMMIT", ""])
