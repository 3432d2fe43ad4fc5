"""A no with its reason: the code for machines and operators, the text for agents. Just the value."""

from typing import NamedTuple


class Refusal(NamedTuple):
    """Why something is not taken. `code` is in the catalogue."""

    code: str
    reason: str

    def __str__(self) -> str:
        """Return the text agents read, with the code at its end."""
        return f"{self.reason} ({self.code})"
