"""Whom a requester wants to do the work, or does not: said in the metadata, which the signature covers. Pure.

The metadata is the requester's own; where it is a JSON object with an object `agents`, its lists `only` and `exclude`
name agents by id or by address. Anything else in it means nothing here.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from json import loads
from typing import Any

from pinai_subnet.matcher.refusal import Refusal

MAX_NAMES = 100
MAX_METADATA_BYTES = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """The requester's words about agents. Names and addresses in lower case."""

    only: tuple[str, ...] = ()
    """Nobody else; empty means anybody."""
    exclude: tuple[str, ...] = ()

    def refusal(self, agent_id: str, address: str | None) -> Refusal | None:
        """Return why the requester does not want this agent, or None."""
        names = {agent_id.lower(), (address or agent_id).lower()}
        if not names.isdisjoint(self.exclude):
            return Refusal("SN-M035", f"the requester excludes {agent_id}")
        if self.only and names.isdisjoint(self.only):
            return Refusal("SN-M035", f"the requester wants {', '.join(self.only[:5])} only")
        return None


NONE = Wishes()


def wishes(metadata: bytes) -> Wishes:
    """Read the wishes of an intent; metadata that says nothing of agents wishes nothing."""
    if not metadata or len(metadata) > MAX_METADATA_BYTES or not metadata.lstrip().startswith(b"{"):
        return NONE
    try:
        told = loads(metadata)
    except (ValueError, RecursionError):
        return NONE
    agents = told.get("agents")
    if not isinstance(agents, dict):
        return NONE
    return Wishes(only=_names(agents.get("only")), exclude=_names(agents.get("exclude")))


def _names(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        return ()
    return tuple(_lowered(value[:MAX_NAMES]))


def _lowered(values: Iterable[Any]) -> Iterable[str]:
    return (v.lower() for v in values if isinstance(v, str) and 0 < len(v) <= 128)
