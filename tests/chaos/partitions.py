"""Faults of the network between hosts, made by the kernel: packets are dropped or refused, cables pulled."""

from contextlib import nullcontext

from tests.chaos.faults import Breaker
from tests.chaos.packets import Split, both, closed_ways

_REFUSED = 0.3
"""How often a closed way answers with a reset instead of silence."""
_LEADER = 0.5
"""How often the leader is the victim."""


def split(breaker: Breaker) -> None:
    """Let the validators fall apart in one of the known ways; the test's own way to them stays open."""
    breaker.sleep(0.5, 2.5)
    if breaker.over:
        return
    victim, who = _victim(breaker)
    how = breaker.random.choice([Split.ALONE, *Split])
    refuse = breaker.random.random() < _REFUSED
    alone = how in (Split.ALONE, Split.EVERYTHING)
    with breaker.measured(victim) if alone else nullcontext():
        breaker.note(f"{who} {how.value}" + (", connections are reset" if refuse else ""))
        hosts = list(breaker.hosts.addresses)
        ways = closed_ways(how, victim, breaker.network.validators, hosts)
        breaker.hosts.cut(ways, refuse=refuse)
    breaker.sleep(0.5, 6.0)
    _mend(breaker)


def unplug(breaker: Breaker) -> None:
    """Pull the cable of a validator, or of RootLayer's host."""
    breaker.sleep(0.5, 2.5)
    if breaker.over:
        return
    victim, who = _victim(breaker)
    if breaker.random.random() < 0.2:
        victim = who = "rootlayer"
    with breaker.measured(victim):
        breaker.note(f"unplug {who}")
        breaker.hosts.unplug(victim)
    breaker.sleep(0.5, 6.0)
    _mend(breaker)


def lose(breaker: Breaker) -> None:
    """Lose some packets, between all hosts or from and to one."""
    breaker.sleep(0.2, 1.0)
    if breaker.over:
        return
    victim, who = _victim(breaker)
    share = breaker.random.uniform(0.02, 0.4)
    hosts = list(breaker.hosts.addresses)
    everywhere = breaker.random.random() < 0.5
    breaker.note(f"{share:.0%} of the packets are lost " + ("everywhere" if everywhere else who))
    breaker.hosts.lose(both(hosts if everywhere else [victim], hosts), share)
    breaker.sleep(2.0, 8.0)
    _mend(breaker)


def divide(breaker: Breaker) -> None:
    """Divide all hosts, agents and matcher included, into two sides at random; or pull one cable."""
    breaker.sleep(0.5, 2.0)
    if breaker.over:
        return
    hosts = list(breaker.hosts.addresses)
    if breaker.random.random() < 0.3:
        victim = breaker.random.choice(hosts)
        breaker.note(f"unplug {victim}")
        breaker.hosts.unplug(victim)
    else:
        side = breaker.random.sample(hosts, breaker.random.randint(1, len(hosts) // 2))
        refuse = breaker.random.random() < _REFUSED
        breaker.note(f"{', '.join(side)} apart from all others" + (", reset" if refuse else ""))
        breaker.hosts.cut(both(side, [name for name in hosts if name not in side]), refuse=refuse)
    breaker.sleep(0.5, 5.0)
    _mend(breaker)


def _victim(breaker: Breaker) -> tuple[str, str]:
    """Return a validator, half of the time the leader, and how to name it."""
    leader = breaker.leader()
    wanted = breaker.random.random() < _LEADER
    victim = breaker.random.choice(breaker.network.validators)
    if leader is not None and wanted:
        victim = leader
    return victim, f"{victim} (leader)" if victim == leader else victim


def _mend(breaker: Breaker) -> None:
    breaker.note("all packets arrive again")
    breaker.hosts.heal()
    breaker.sleep(0.5, 2.5)
