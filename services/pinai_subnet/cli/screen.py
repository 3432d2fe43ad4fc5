"""How a command speaks: one result as text or JSON on stdout, progress and errors on stderr. Knows no command."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console


@dataclass(frozen=True, slots=True, kw_only=True)
class Screen:
    """The terminal of one command. With `as_json`, stdout carries exactly one JSON document."""

    as_json: bool = False
    progress: Console = field(
        default_factory=lambda: Console(stderr=True, highlight=False, soft_wrap=True)
    )

    def result(self, data: Any, text: str) -> None:
        """Print the command's answer: `data` as JSON, or `text`."""
        sys.stdout.write(
            (json.dumps(data, indent=2, sort_keys=False) if self.as_json else text) + "\n"
        )
        sys.stdout.flush()

    def table(
        self, data: Sequence[Mapping[str, Any]], columns: Sequence[str], *, empty: str
    ) -> None:
        """Print rows as an aligned table, or as a JSON list; `empty` is said when there are none."""
        if self.as_json:
            self.result(list(data), "")
            return
        if not data:
            sys.stdout.write(empty + "\n")
            return
        head = [column.replace("_", " ").upper() for column in columns]
        body = [
            ["" if row.get(column) is None else str(row[column]) for column in columns]
            for row in data
        ]
        widths = [max(len(line[place]) for line in [head, *body]) for place in range(len(columns))]
        for line in [head, *body]:
            text = "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
            sys.stdout.write(text.rstrip() + "\n")

    def say(self, text: str) -> None:
        """Print one line of progress on stderr."""
        self.progress.print(text, markup=False)
