"""What the container tests measure, kept until the end of the run and shown as one table. Not a test."""

from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class Figures:
    """Measured values in the order in which they were seen."""

    rows: list[tuple[str, str]] = field(default_factory=list)

    def add(self, what: str, value: float, unit: str) -> None:
        """Keep one value."""
        self.rows.append((what, f"{value:.1f} {unit}"))

    def table(self) -> Iterator[str]:
        """Return the lines of the table; none where nothing was measured."""
        if self.rows:
            yield ""
            yield "measured on containers"
            yield from (f"  {what:<48} {value:>10}" for what, value in self.rows)
