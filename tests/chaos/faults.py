"""What can be done to a running network, one fault at a time. When, and how often, says the scenario.

Everything a fault takes away is given back by `heal`. What was done, and when, is kept for the report.
"""

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import httpx
from tests.chaos.hosts import Hosts
from tests.chaos.links import Mesh
from tests.network_kit import LocalTestNetwork, wait_until

_FILLER = "filler"
_MEASURED_SECONDS = 2.0
"""Several times what a group needs to go on under another leader."""


@dataclass(slots=True, kw_only=True)
class Breaker:
    """The hand that breaks one network; single-threaded."""

    network: LocalTestNetwork
    random: Random
    mesh: Mesh
    """Has links where all processes are on one host."""
    hosts: Hosts
    """Has hosts where each process is on one of its own."""
    until: float
    """When to stop, on the monotonic clock."""
    say: Callable[[str], None]
    begun: float = field(default_factory=time.monotonic)
    faults: list[str] = field(default_factory=list)
    leader_kills: list[float] = field(default_factory=list)
    """When a leader was killed while a majority went on, on the monotonic clock."""
    leader_cuts: list[float] = field(default_factory=list)
    """When a running leader was cut off from a majority that went on, on the monotonic clock."""
    down: set[str] = field(default_factory=set)
    """Who was killed and not started again."""
    filled: set[str] = field(default_factory=set)
    may_end: set[str] = field(default_factory=set)
    """Who may end by itself, because it was started on a full disk."""
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
        named = (f"{name} (leader)" if name == leader else name for name in victims)
        self.note(f"kill {', '.join(named)}")
        goes_on = self._goes_on_without(victims)
        processes = [one for name, one in self.network.running().items() if name in victims]
        for process in processes:
            self.network.local.signal(process, signal.SIGKILL)
        moment = time.monotonic()
        self.network.local.stop(processes, hard=True)
        self.down.update(victims)
        if leader in victims and goes_on:
            self.leader_kills.append(moment)

    def _goes_on_without(self, victims: Sequence[str]) -> bool:
        """Whether the validators that are left and take part are a majority."""
        left = [name for name in self.up if name not in victims and self._takes_part(name)]
        return len(left) >= len(self.network.validators) // 2 + 1

    @contextmanager
    def measured(self, victim: str) -> Iterator[None]:
        """Remember when the block, which cuts a process off, was done, if that was a leader of a group that goes on.

        It then stays cut off for a while, even past the end: what is measured is not the healing.
        """
        counts = victim == self.leader() and self._goes_on_without([victim])
        yield
        if counts:
            self.leader_cuts.append(time.monotonic())
            time.sleep(_MEASURED_SECONDS)

    def _takes_part(self, name: str) -> bool:
        """Whether a validator says that it belongs to a majority."""
        with suppress(httpx.HTTPError):
            answer = self.network.request("GET", name, "/api/v1/status", timeout=2.0)
            return bool(answer.json()["replication"]["has_quorum"])
        return False

    def settle(self, name: str) -> None:
        """Wait until a validator belongs to a majority again, but not past the end."""
        while not self.over and not self._takes_part(name):
            self.sleep(0.1, 0.2)

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
        with suppress(OSError), self._filler(name).open("ab", buffering=0) as file:
            while True:
                file.write(bytes(64 * 1024))
        with suppress(OSError), self._filler(name).open("ab", buffering=0) as file:
            while True:
                file.write(bytes(512))

    def start_full(self, name: str) -> None:
        """Kill a validator whose disk is full and start it there, as an operator might: no help, and no harm."""
        self.may_end.add(name)
        self.kill(name)
        self.start(name)

    def reads(self, name: str) -> bool:
        """Whether a validator answers what it knows; lists that its archive has no room to complete are refused."""
        with suppress(httpx.HTTPError):
            status = self.network.request("GET", name, "/api/v1/status", timeout=10.0)
            listed = self.network.request("GET", name, "/api/v1/reports?limit=5", timeout=10.0)
            complete = listed.status_code == 200 or "SN-V096" in listed.text
            return status.status_code == 200 and complete
        return False

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
        self.hosts.heal()
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
