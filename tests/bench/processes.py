"""Memory and processor time of the network's processes, read from outside."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """One process at one moment."""

    rss_mb: float
    cpu_seconds: float
    """User and system, since its start, children included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """All processes at one moment."""

    usage: Mapping[str, Usage]
    machine_busy_seconds: float
    """Of all processor cores, everything that ran on the machine."""
    machine_cpu_seconds: float

    @classmethod
    def take(cls, processes: Mapping[str, int]) -> "Sample":
        """Read every process, given by name and id; one that has ended is left out."""
        usage = {}
        for name, pid in processes.items():
            with suppress(psutil.NoSuchProcess):
                process = psutil.Process(pid)
                times = process.cpu_times()
                usage[name] = Usage(
                    rss_mb=process.memory_info().rss / 1e6,
                    cpu_seconds=times.user
                    + times.system
                    + times.children_user
                    + times.children_system,
                )
        machine = psutil.cpu_times()
        total = sum(machine)
        return cls(
            usage=usage,
            machine_busy_seconds=total - machine.idle - getattr(machine, "iowait", 0.0),
            machine_cpu_seconds=total,
        )

    def cpu_since(self, earlier: "Sample") -> dict[str, float]:
        """Return the processor seconds each process used since an earlier sample."""
        return {
            name: now.cpu_seconds - earlier.usage[name].cpu_seconds
            for name, now in self.usage.items()
            if name in earlier.usage
        }

    def busy_since(self, earlier: "Sample") -> float:
        """Return which part of all cores was busy since an earlier sample, 0 to 1."""
        span = self.machine_cpu_seconds - earlier.machine_cpu_seconds
        return (self.machine_busy_seconds - earlier.machine_busy_seconds) / span if span else 0.0
