"""The ways in which a network is broken again and again, at random times, until the time is up."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos import partitions, private_network
from tests.chaos.faults import Breaker
from tests.network_kit import LocalTestNetwork, Settings

_CLOCK = Path(__file__).with_name("shifted_clock.c")
_SHIFTS = (90, -45, 0)
_DISK_MIB = 24

Fault = Callable[[Breaker], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One way of breaking a network again and again."""

    name: str
    about: str
    step: Fault
    """One fault and, usually, its end; called until the time is up."""
    settings: Settings = field(default_factory=dict)
    full: bool = False
    """Whether matcher and agents do the work, instead of the load."""
    apart: bool = False
    """Whether every process is on a host of its own."""
    skip: Callable[[], str | None] = lambda: None
    """Why it cannot be run here, if it cannot."""
    prepare: Callable[[LocalTestNetwork], None] = lambda _: None
    """Done before anything is started, when every validator knows its way to the others."""
    clean: Callable[[LocalTestNetwork], None] = lambda _: None


COMPACT: Settings = {
    "validator.yaml": {"replication.compact_after_entries": 30, "replication.keep_entries": 5}
}


def _killing(count: int) -> Fault:
    def step(breaker: Breaker) -> None:
        breaker.sleep(0.5, 3.0)
        if breaker.over:
            return
        victims = breaker.some(count)
        breaker.kill(*victims)
        breaker.sleep(0.1, 2.5)
        for name in victims:
            breaker.start(name)
            breaker.sleep(0.0, 0.5)
        if count == 1:
            # One at a time: a majority takes part at every moment.
            breaker.settle(victims[0])
        breaker.sleep(1.0, 4.0)

    return step


def _pausing(*, leader: bool) -> Fault:
    def step(breaker: Breaker) -> None:
        breaker.sleep(0.5, 2.0)
        now = breaker.leader()
        others = [name for name in breaker.network.validators if name != now]
        victim = now if leader and now is not None else breaker.random.choice(others)
        if not breaker.over:
            breaker.freeze(victim, breaker.random.uniform(0.3, 6.0))

    return step


def _rootlayer(breaker: Breaker) -> None:
    breaker.sleep(0.5, 2.0)
    if breaker.random.random() < 0.5:
        breaker.kill("rootlayer")
        breaker.sleep(0.5, 5.0)
        breaker.start("rootlayer")
    else:
        breaker.freeze("rootlayer", breaker.random.uniform(0.5, 5.0))
    breaker.sleep(0.5, 3.0)


def _partition(breaker: Breaker) -> None:
    breaker.sleep(0.5, 2.5)
    names = breaker.network.validators
    leader = breaker.leader()
    victim = leader if leader and breaker.random.random() < 0.5 else breaker.random.choice(names)
    others = [name for name in names if name != victim]
    who = f"{victim}{' (leader)' if victim == leader else ''}"
    match breaker.random.choice(["isolate", "isolate", "deaf", "mute", "one link", "slow"]):
        case "isolate":
            breaker.note(f"isolate {who}")
            breaker.mesh.isolate(victim)
        case "deaf":
            breaker.note(f"nothing reaches {who}")
            for other in others:
                breaker.mesh.cut(other, [victim])
        case "mute":
            breaker.note(f"nothing leaves {who}")
            breaker.mesh.cut(victim, others)
        case "one link":
            breaker.note(f"cut {who} - {others[0]}")
            breaker.mesh.cut(victim, others[:1])
            breaker.mesh.cut(others[0], [victim])
        case _:
            seconds = breaker.random.uniform(0.05, 0.8)
            breaker.note(f"what {who} sends takes {seconds:.2f} s")
            breaker.mesh.slow(victim, others, seconds)
    breaker.sleep(0.3, 6.0)
    reset = breaker.random.random() < 0.5
    breaker.note("heal the links" + (", connections break" if reset else ""))
    breaker.mesh.heal(reset=reset)
    breaker.sleep(0.5, 2.5)


def _full_disk(breaker: Breaker) -> None:
    breaker.sleep(0.5, 2.5)
    victims = breaker.some(breaker.random.choice([1, 1, 2, 3]))
    for name in victims:
        breaker.fill(name)
    breaker.sleep(1.0, 5.0)
    for name in set(victims) - breaker.down:
        assert breaker.reads(name), f"{name} with a full disk does not answer"
    if breaker.random.random() < 0.3:
        breaker.start_full(victims[0])
        breaker.sleep(0.5, 3.0)
    for name in victims:
        breaker.empty(name)
    breaker.look()
    for name in sorted(breaker.down):
        breaker.start(name)
    breaker.sleep(1.0, 3.0)


def _mixed(breaker: Breaker) -> None:
    steps = [_killing(1), _killing(2), _killing(3), _pausing(leader=True), _rootlayer, _partition]
    breaker.random.choice(steps)(breaker)


def _members(breaker: Breaker) -> None:
    breaker.sleep(0.5, 3.0)
    singles = [name for name in breaker.started if not name.startswith("validator-")]
    kind = breaker.random.choice(["validators", "validators", "single", "partition"])
    if kind == "partition":
        _partition(breaker)
        return
    count = breaker.random.choice([1, 1, 2, 3])
    victims = breaker.some(count) if kind == "validators" else [breaker.random.choice(singles)]
    breaker.kill(*victims)
    breaker.sleep(0.2, 3.0)
    breaker.start(*victims)
    breaker.sleep(2.0, 5.0)


def _small_disks(network: LocalTestNetwork) -> None:
    for name in network.validators:
        directory = network.home.data / name
        directory.mkdir(parents=True, mode=0o700)
        options = f"size={_DISK_MIB}m,mode=0700"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(directory)], check=True)


def _unmount(network: LocalTestNetwork) -> None:
    for name in network.validators:
        subprocess.run(["umount", str(network.home.data / name)], check=False)


def _no_mount() -> str | None:
    if os.geteuid() != 0 or shutil.which("mount") is None:
        return "only root may mount small file systems"
    probe = subprocess.run(["unshare", "-m", "true"], check=False, capture_output=True)
    return None if probe.returncode == 0 else "this machine does not allow mounts"


def _no_compiler() -> str | None:
    return None if shutil.which("cc") else "no C compiler for the clock that is wrong on purpose"


def _skewed(network: LocalTestNetwork) -> None:
    """Let one validator's clock run 90 s ahead and another's 45 s behind; monotonic time stays true."""
    library = network.home.root.resolve() / "shifted_clock.so"
    words = ["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(_CLOCK), "-ldl"]
    subprocess.run(words, check=True)
    for name, seconds in zip(network.validators, _SHIFTS, strict=True):
        skew = {"LD_PRELOAD": str(library), "CLOCK_SHIFT_SECONDS": str(seconds)}
        network.own_variables = {
            **network.own_variables,
            name: {**network.own_variables.get(name, {}), **(skew if seconds else {})},
        }


def _killing_skewed(breaker: Breaker) -> None:
    if not breaker.faults:
        ahead = {}
        for name in breaker.up:
            answer = breaker.network.get(name, "/api/v1/status")
            ahead[name] = answer["now_ms"] / 1000 - time.time()
        breaker.note("clocks: " + ", ".join(f"{name} {one:+.0f} s" for name, one in ahead.items()))
        assert max(ahead.values()) - min(ahead.values()) > 100, "the clocks agree"
    _killing(1)(breaker)


def _apart(
    name: str, about: str, step: Fault, *, settings: Settings | None = None, full: bool = False
) -> Scenario:
    """Return a scenario with every process on a host of its own, skipped where that cannot be."""
    return Scenario(
        name=name,
        about=about,
        step=step,
        settings=settings or {},
        full=full,
        apart=True,
        skip=private_network.why_not_inside,
    )


_SMALL_DISK: Settings = {"validator.yaml": {**COMPACT["validator.yaml"], "health.min_free_mb": 1}}
_QUICK_EXPIRY: Settings = {"rootlayer.yaml": {"expiry.grace_seconds": 10}}

SCENARIOS: Mapping[str, Scenario] = {
    one.name: one
    for one in (
        Scenario(name="kill-1", about="SIGKILL of one of three", step=_killing(1)),
        Scenario(name="kill-1-compact", about="with snapshots", step=_killing(1), settings=COMPACT),
        Scenario(name="kill-2", about="SIGKILL of two of three at once", step=_killing(2)),
        Scenario(name="kill-2-compact", about="with snapshots", step=_killing(2), settings=COMPACT),
        Scenario(name="kill-3", about="SIGKILL of all three at once", step=_killing(3)),
        Scenario(name="kill-3-compact", about="with snapshots", step=_killing(3), settings=COMPACT),
        Scenario(name="pause-leader", about="SIGSTOP of the leader", step=_pausing(leader=True)),
        Scenario(name="pause-follower", about="SIGSTOP of a follower", step=_pausing(leader=False)),
        Scenario(name="rootlayer", about="RootLayer killed and frozen", step=_rootlayer),
        Scenario(
            name="partition",
            about="bytes between the logs held back or slow, one way or both",
            step=_partition,
        ),
        Scenario(
            name="disk-full",
            about="not one byte left for one, two or all validators",
            step=_full_disk,
            settings=_SMALL_DISK,
            skip=_no_mount,
            prepare=_small_disks,
            clean=_unmount,
        ),
        Scenario(
            name="clock-skew",
            about="clocks 135 s apart, and kills",
            step=_killing_skewed,
            skip=_no_compiler,
            prepare=_skewed,
        ),
        Scenario(name="mixed", about="all of it", step=_mixed, settings=COMPACT),
        Scenario(
            name="network",
            about="matcher, agents and intents; anybody is killed, links are cut",
            step=_members,
            settings=_QUICK_EXPIRY,
            full=True,
        ),
        _apart("split", "packets between hosts dropped or refused", partitions.split),
        _apart("unplug", "a host's cable pulled", partitions.unplug, settings=COMPACT),
        _apart("loss", "packets lost at random", partitions.lose),
        _apart(
            "divide",
            "matcher, agents and intents; all hosts divided in two",
            partitions.divide,
            settings=_QUICK_EXPIRY,
            full=True,
        ),
    )
}
