"""The shape of one catalogue entry. The entries themselves live beside it, one file per area."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What an operator is told about one code."""

    code: str
    """`SN-<letter><3 digits>`, stable for ever."""
    title: str
    """A few words, no full stop."""
    cause: str
    """Why it happens, in one or two sentences."""
    remedy: str
    """What to do now, concrete: a command, a file, a key to change."""
