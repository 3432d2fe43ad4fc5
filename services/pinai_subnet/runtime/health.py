"""Three facts about a process, each with reasons: alive, ready, able to finalise. Not the HTTP that serves them."""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from pinai_subnet.runtime.clock import Clock

FactName = Literal["alive", "ready", "able_to_finalise"]


class Finding(NamedTuple):
    """What one check found; `reason` and `code` are empty when all is well."""

    ok: bool
    reason: str = ""
    code: str = ""


OK = Finding(True)

Check = Callable[[], Finding]
"""A cheap question asked on every probe: no I/O, no waiting, so that health un-latches by itself."""


class Fact(NamedTuple):
    """One fact with everything that speaks against it."""

    ok: bool
    against: tuple[tuple[str, Finding], ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "ok": self.ok,
            "reasons": [
                {"check": name, "reason": finding.reason, "code": finding.code}
                for name, finding in self.against
            ],
        }


class Health:
    """The checks of one process. Each fact needs the one before it: what is not ready cannot finalise."""

    def __init__(self) -> None:
        """Start as `starting`: alive, not ready."""
        self._checks: dict[FactName, dict[str, Check]] = {
            "alive": {},
            "ready": {},
            "able_to_finalise": {},
        }
        self._phase = "starting"

    def add(self, fact: FactName, name: str, check: Check) -> None:
        """Let this named check speak against a fact."""
        if name in self._checks[fact]:
            raise ValueError(f"health check {name!r} of {fact} exists already")
        self._checks[fact][name] = check

    @property
    def phase(self) -> str:
        """Return `starting`, `running` or `stopping`."""
        return self._phase

    def mark_running(self) -> None:
        """Say that start-up is complete; the checks decide from now on."""
        if self._phase == "starting":
            self._phase = "running"

    def mark_stopping(self) -> None:
        """Turn readiness off for good."""
        self._phase = "stopping"

    def alive(self) -> Fact:
        """Say whether the process makes progress at all; when not, it should be restarted."""
        return self._fact("alive", ())

    def ready(self) -> Fact:
        """Say whether the process should be given work."""
        return self._ready(self.alive())

    def able_to_finalise(self) -> Fact:
        """Say whether work given now can reach its final state."""
        return self._finalise(self.ready())

    def report(self) -> dict[str, Any]:
        """Return the three facts with reasons, for JSON; every check is asked once."""
        alive = self.alive()
        ready = self._ready(alive)
        return {
            "phase": self._phase,
            "alive": alive.as_dict(),
            "ready": ready.as_dict(),
            "able_to_finalise": self._finalise(ready).as_dict(),
        }

    def _ready(self, alive: Fact) -> Fact:
        against = list(alive.against)
        if self._phase != "running":
            against.append(("phase", Finding(False, f"the process is {self._phase}", "SN-H040")))
        return self._fact("ready", against)

    def _finalise(self, ready: Fact) -> Fact:
        return self._fact("able_to_finalise", ready.against)

    def _fact(self, name: FactName, inherited: Any) -> Fact:
        against = list(inherited)
        for check_name, check in self._checks[name].items():
            finding = check()
            if not finding.ok:
                against.append((check_name, finding))
        return Fact(not against, tuple(against))


class Progress:
    """A check that fails when work is pending and nothing has moved for too long, and recovers when it moves again."""

    def __init__(
        self, *, clock: Clock, within_seconds: float, what: str, code: str = "SN-H041"
    ) -> None:
        """Expect a `touch` at least every `within_seconds` while anything is pending; `what` names the work."""
        self._clock = clock
        self._within = within_seconds
        self._what = what
        self._code = code
        self._pending = 0
        self._moved_at = clock.monotonic()

    @property
    def pending(self) -> int:
        """How much work waits."""
        return self._pending

    def touch(self) -> None:
        """Say that the work moved."""
        self._moved_at = self._clock.monotonic()

    def set_pending(self, count: int) -> None:
        """Say how much work waits; the time starts when it becomes more than none."""
        if count > 0 and self._pending == 0:
            self.touch()
        self._pending = count

    def check(self) -> Finding:
        """Return whether progress is recent enough."""
        still = self._clock.monotonic() - self._moved_at
        if self._pending == 0 or still <= self._within:
            return OK
        reason = f"{self._what}: no progress for {still:.0f} s, {self._pending} pending"
        return Finding(False, reason, self._code)
