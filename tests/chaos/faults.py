"""What can be done to a running network, and the scenarios that do it at random times until the time is up.

Everything a fault takes away is given back by `heal`. What was done, and when, is kept for the report.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import httpx
from tests.chaos.links import Mesh
from tests.network_kit import LocalTestNetwork, Settings, wait_until

_FAKETIME = Path("/usr/lib") / f"{os.uname().machine}-linux-gnu" / "faketime" / "libfaketimeMT.so.1"
_DISK_MIB = 24
_FILLER = "filler"
_SOON = 30.0


@dataclass(slots=True, kw_only=True)
class Breaker:
    """The hand that breaks one network; single-threaded."""

    network: LocalTestNetwork
    random: Random
    mesh: Mesh
    until: float
    """When to stop, on the monotonic clock."""
    say: Callable[[str], None]
    begun: float = field(default_factory=time.monotonic)
    faults: list[str] = field(default_factory=list)
    leader_kills: list[float] = field(default_factory=list)
    """When a leader was killed while a majority went on, on the monotonic clock."""
    down: set[str] = field(default_factory=set)
    """Who was killed and not started again."""
    filled: set[str] = field(default_factory=set)
    may_end: set[str] = field(default_factory=set)
    """Who may end by itself, because its disk is or was full."""
    ended: list[str] = field(default_factory=list)
    """Who ended by itself without being allowed to."""

    @property
    def over(self) -> bool:
        """Whether it is time to stop."""
        return time.monotonic() >= self.until

    def note(self, what: str) -> None:
        """Remember a fault."""
        line = f"{time.monotonic() - self.begun:6.2f} s  {what}"
        self.faults.append(line)
        self.say(line)

    def sleep(self, low: float, high: float) -> None:
        """Wait for a random time, but not past the end; notice who ended meanwhile."""
        wait = self.random.uniform(low, high)
        time.sleep(max(0.0, min(wait, self.until - time.monotonic())))
        self.look()

    def look(self) -> None:
        """Notice processes that ended by themselves."""
        expected = {*self.started} - self.down
        for name in sorted(expected - self.network.running().keys()):
            self.down.add(name)
            if name not in self.may_end:
                self.ended.append(name)
            self.note(f"{name} ended by itself")

    @property
    def started(self) -> list[str]:
        """Everyone who was ever started."""
        logs = self.network.home.logs
        return [name for name in self.network.members if (logs / f"{name}.log").exists()]

    @property
    def up(self) -> list[str]:
        """The validators that run."""
        return [name for name in self.network.validators if name not in self.down]

    def leader(self) -> str | None:
        """Return who leads, if somebody says so; never waits."""
        for name in self.up:
            with suppress(httpx.HTTPError):
                answer = self.network.request("GET", name, "/api/v1/status", timeout=0.5)
                replication = answer.json()["replication"]
                if replication["role"] == "leader":
                    return name
        return None

    def some(self, count: int) -> list[str]:
        """Return so many validators, half of the time with the leader among them."""
        chosen = self.random.sample(self.network.validators, count)
        leader = self.leader() if self.random.random() < 0.5 else None
        if leader is not None and leader not in chosen:
            chosen[0] = leader
        return chosen

    # -- single faults -----------------------------------------------------------------------------

    def kill(self, *names: str) -> None:
        """SIGKILL these at the same moment."""
        victims = [name for name in names if name not in self.down]
        leader = self.leader()
        self.network.paused.difference_update(victims)
        self.note(f"kill {' '.join(victims)}" + (f" (leader {leader})" if leader else ""))
        processes = [one for name, one in self.network.running().items() if name in victims]
        for process in processes:
            self.network.local.signal(process, signal.SIGKILL)
        moment = time.monotonic()
        self.network.local.stop(processes, hard=True)
        self.down.update(victims)
        if leader in victims and len(self.up) >= len(self.network.validators) // 2 + 1:
            self.leader_kills.append(moment)

    def start(self, *names: str) -> None:
        """Start these again without waiting for them."""
        self.note(f"start {' '.join(names)}")
        self.network.start(*names, wait=False)
        self.down.difference_update(names)

    def freeze(self, name: str, seconds: float) -> None:
        """SIGSTOP a process for a while."""
        self.note(f"freeze {name} for {seconds:.1f} s")
        self.network.pause(name)
        self.sleep(seconds, seconds)
        self.network.resume(name)

    def fill(self, name: str) -> None:
        """Leave a validator not one free byte."""
        self.note(f"fill the disk of {name}")
        self.filled.add(name)
        self.may_end.add(name)
        with suppress(OSError), self._filler(name).open("ab", buffering=0) as file:
            while True:
                file.write(bytes(64 * 1024))
        with suppress(OSError), self._filler(name).open("ab", buffering=0) as file:
            while True:
                file.write(bytes(512))

    def empty(self, name: str) -> None:
        """Give the space back."""
        self.note(f"free the disk of {name}")
        self._filler(name).unlink(missing_ok=True)
        self.filled.discard(name)

    def _filler(self, name: str) -> Path:
        return self.network.home.data / name / _FILLER

    # -- the end -----------------------------------------------------------------------------------

    def heal(self) -> None:
        """Undo everything and wait until every process is ready."""
        self.note("heal")
        for name in list(self.network.paused):
            self.network.resume(name)
        self.mesh.heal(reset=self.random.random() < 0.5)
        for name in list(self.filled):
            self.empty(name)
        self.look()
        started = self.started
        wait_until(lambda: self._ready(started), f"{', '.join(started)} ready", seconds=120)

    def _ready(self, names: list[str]) -> bool:
        """Start who is down (a full disk may end a process late) and say whether all are ready."""
        self.look()
        if self.down:
            self.start(*sorted(self.down))
        return all(self.network.members[n].http is None or self.network.ready(n) for n in names)


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
    if breaker.random.random() < 0.3:
        # An operator's restart does not help a full disk, and must not harm.
        for name in sorted(breaker.down & set(victims)):
            breaker.start(name)
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


def _no_faketime() -> str | None:
    return None if _FAKETIME.exists() else f"libfaketime is not installed ({_FAKETIME})"


def _skewed(network: LocalTestNetwork) -> None:
    """Let one validator's clock run 90 s ahead and another's 45 s behind; monotonic time stays true."""
    for name, offset in zip(network.validators, ("+90", "-45", None), strict=True):
        if offset is not None:
            skew = {
                "LD_PRELOAD": str(_FAKETIME),
                "FAKETIME": offset,
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            }
            network.own_variables = {
                **network.own_variables,
                name: {**network.own_variables.get(name, {}), **skew},
            }


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
        Scenario(name="partition", about="links cut, one way or both, or slow", step=_partition),
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
            step=_killing(1),
            skip=_no_faketime,
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
    )
}
