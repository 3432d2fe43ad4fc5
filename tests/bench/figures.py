"""What was measured, as values: percentiles, figures with aim and bound, the result document. Measures nothing."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


def percentile(samples: Sequence[float], percent: float) -> float:
    """Return the nearest-rank percentile: the smallest sample that at least `percent` of all do not exceed."""
    if not samples:
        raise ValueError("a percentile of nothing")
    if not 0 < percent <= 100:
        raise ValueError(f"{percent} is no percentage above 0")
    # The product is rounded before the ceiling is taken: 0.999 * 1000 is a hair above 999 in binary.
    rank = math.ceil(round(percent * len(samples) / 100, 9))
    return sorted(samples)[rank - 1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A distribution in four numbers."""

    count: int
    p50: float
    p99: float
    highest: float

    @classmethod
    def of(cls, samples: Sequence[float]) -> "Spread":
        """Summarise samples; raises `ValueError` when there are none."""
        return cls(
            count=len(samples),
            p50=percentile(samples, 50),
            p99=percentile(samples, 99),
            highest=max(samples),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """What no implementation on this machine can beat: a ceiling for rates, a floor for costs."""

    name: str
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured number. `more_is_better` says how aim and bound are meant."""

    section: str
    name: str
    value: float
    unit: str
    more_is_better: bool = True
    aim: float | None = None
    bound: Bound | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """The value as a part of its ceiling, or as a multiple of its floor."""
        return self.value / self.bound.value if self.bound and self.bound.value > 0 else None

    @property
    def misses_by(self) -> float | None:
        """How far the aim is missed, as a factor above 1; None where there is no aim or it is met."""
        if self.aim is None:
            return None
        if self.value <= 0:
            return math.inf if self.more_is_better else None
        factor = self.aim / self.value if self.more_is_better else self.value / self.aim
        return factor if factor > 1 else None

    def document(self) -> dict[str, Any]:
        """Return the figure as JSON values."""
        misses_by = self.misses_by
        return {
            "section": self.section,
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "more_is_better": self.more_is_better,
            "aim": self.aim,
            "aim_met": None if self.aim is None else misses_by is None,
            "bound": None if self.bound is None else self.bound.value,
            "bound_name": None if self.bound is None else self.bound.name,
            "ratio_to_bound": self.ratio,
            "note": self.note,
        }


@dataclass(slots=True)
class Result:
    """Everything one run measured, in the order in which it was measured."""

    machine: Mapping[str, Any]
    quick: bool
    figures: list[Figure] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)
    """Raw numbers of a section, for those who want more than the table."""
    failures: dict[str, str] = field(default_factory=dict)
    """Section -> why it has no figures."""

    def find(self, section: str, name: str) -> float | None:
        """Return a figure measured earlier, or None."""
        return next((f.value for f in self.figures if (f.section, f.name) == (section, name)), None)

    def document(self) -> dict[str, Any]:
        """Return the run as JSON values."""
        return {
            "version": 1,
            "quick": self.quick,
            "machine": dict(self.machine),
            "figures": [figure.document() for figure in self.figures],
            "details": self.details,
            "failures": self.failures,
        }
