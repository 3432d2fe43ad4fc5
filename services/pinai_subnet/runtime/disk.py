"""How full a file system is, how fast it fills, and when it must not be written any more. Decides; does nothing."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from pinai_subnet.runtime.clock import Clock
from pinai_subnet.runtime.data_dir import DiskSpace

_DAY_SECONDS = 86_400.0
_REMEMBER_EVERY_SECONDS = 600.0
_REMEMBERED = 145
"""A day in steps of ten minutes."""
_SHORTEST_SECONDS = 1800.0
"""A forecast from less than this would follow every compaction and every large file."""
_ROOM_BYTES = 1_048_576
_ROOM_RATIO = 1.1
"""Room must be so much more than the floor before writing begins again, so that one write does not end it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskLimits:
    """When an operator is warned, and below what nothing is written any more."""

    floor_bytes: int
    warn_free_percent: float
    warn_days: float


class DiskLook(NamedTuple):
    """What one look found."""

    space: DiskSpace
    full_in_seconds: float | None
    """When the file system is full if it goes on as during the last day; None while it does not shrink."""
    warning: str
    """Why an operator should act, empty when there is no reason."""
    below_floor: bool
    has_room: bool
    """Whether there is clearly more than the floor."""


class _Sample(NamedTuple):
    at: float
    free_bytes: int


class DiskWatch:
    """Looks at one file system whenever asked, and remembers a day of looks, a bounded number."""

    def __init__(self, *, space: Callable[[], DiskSpace], clock: Clock, limits: DiskLimits) -> None:
        """`space` asks the system."""
        self._space = space
        self._clock = clock
        self._limits = limits
        self._samples: deque[_Sample] = deque(maxlen=_REMEMBERED)

    def look(self) -> DiskLook:
        """Look now."""
        now, space = self._clock.monotonic(), self._space()
        if not self._samples or now - self._samples[-1].at >= _REMEMBER_EVERY_SECONDS:
            self._samples.append(_Sample(now, space.free_bytes))
        full_in = self._full_in(now, space.free_bytes)
        floor = self._limits.floor_bytes
        return DiskLook(
            space=space,
            full_in_seconds=full_in,
            warning=self._warning(space, full_in),
            below_floor=space.free_bytes < floor,
            has_room=space.free_bytes >= max(_ROOM_BYTES, floor * _ROOM_RATIO),
        )

    def _full_in(self, now: float, free_bytes: int) -> float | None:
        first = self._samples[0]
        passed, used = now - first.at, first.free_bytes - free_bytes
        if passed < _SHORTEST_SECONDS or used <= 0:
            return None
        return free_bytes * passed / used

    def _warning(self, space: DiskSpace, full_in: float | None) -> str:
        limits = self._limits
        if space.free_ratio * 100 < limits.warn_free_percent:
            return (
                f"{space.free_ratio:.1%} free ({space.free_bytes // 1_048_576} MiB), "
                f"at least {limits.warn_free_percent:g}% wanted"
            )
        if full_in is not None and full_in < limits.warn_days * _DAY_SECONDS:
            return (
                f"full in {full_in / _DAY_SECONDS:.1f} days at the rate of the last day, "
                f"at least {limits.warn_days:g} wanted"
            )
        return ""
