"""A pause for agents that keep failing: after some failures in a row they may not bid for a growing time. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CoolDownRules:
    """When a pause starts and how long it is. Milliseconds."""

    after_failures: int = 3
    first_ms: int = 30_000
    longest_ms: int = 600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CoolDown:
    """Failures in a row, and until when the agent pauses (unix milliseconds, 0 for never)."""

    failures: int = 0
    until_ms: int = 0

    def active(self, now_ms: int) -> bool:
        """Say whether the agent is pausing now."""
        return now_ms < self.until_ms


def failed(state: CoolDown, *, now_ms: int, rules: CoolDownRules) -> CoolDown:
    """Count a failure; from the limit on, each one doubles the pause up to the longest."""
    failures = state.failures + 1
    beyond = failures - rules.after_failures
    if beyond < 0:
        return CoolDown(failures=failures, until_ms=state.until_ms)
    pause = min(rules.first_ms << min(beyond, 20), rules.longest_ms)
    return CoolDown(failures=failures, until_ms=max(state.until_ms, now_ms + pause))


def succeeded() -> CoolDown:
    """Start afresh: one good outcome clears the record and ends a pause."""
    return CoolDown()
