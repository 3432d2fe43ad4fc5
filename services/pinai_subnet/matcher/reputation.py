"""How far an agent is trusted, from this matcher's own history of outcomes. Pure; older outcomes fade.

The score is a smoothed success rate: an unknown agent has 0.5, and no single outcome moves it to an extreme.
"""

from dataclasses import dataclass, replace

_FORGOTTEN = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class ReputationRules:
    """How fast history fades and how much of it is needed."""

    half_life_seconds: float = 259_200.0
    prior: float = 2.0
    """Imagined successes and failures, in equal number, that every agent starts with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Faded counts of outcomes and the average time to a report."""

    good: float = 0.0
    bad: float = 0.0
    at_ms: int = 0
    """When the counts were last faded, unix milliseconds."""
    latency_seconds: float | None = None


def observe(history: History, *, good: bool, now_ms: int, rules: ReputationRules) -> History:
    """Return the history with one more outcome."""
    faded = _faded(history, now_ms, rules)
    if good:
        return replace(faded, good=faded.good + 1.0)
    return replace(faded, bad=faded.bad + 1.0)


def observe_latency(history: History, seconds: float) -> History:
    """Return the history with one more time from task to report, as a moving average."""
    seconds = max(0.0, seconds)
    before = history.latency_seconds
    average = seconds if before is None else before * 0.8 + seconds * 0.2
    return replace(history, latency_seconds=average)


def score(history: History, *, now_ms: int, rules: ReputationRules) -> float:
    """Return the trust in an agent, strictly between 0 and 1."""
    faded = _faded(history, now_ms, rules)
    return (faded.good + rules.prior) / (faded.good + faded.bad + 2 * rules.prior)


def _faded(history: History, now_ms: int, rules: ReputationRules) -> History:
    passed = max(0, now_ms - history.at_ms) / 1000
    factor = 0.5 ** (passed / rules.half_life_seconds) if history.at_ms else 1.0
    good, bad = history.good * factor, history.bad * factor
    return replace(
        history,
        good=good if good > _FORGOTTEN else 0.0,
        bad=bad if bad > _FORGOTTEN else 0.0,
        at_ms=max(now_ms, history.at_ms),
    )
