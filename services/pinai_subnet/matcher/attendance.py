"""Who could bid and did: per agent, windows with a bid, a decline or nothing. Pure state, in memory.

An agent that is eligible again and again and never answers earns nothing and mostly does not know why: it is flagged
to its owner and to the operator. Counts begin with the process.
"""

from collections import OrderedDict
from collections.abc import Collection, Iterable
from dataclasses import dataclass

SILENT_AFTER = 20
"""Windows in a row without any answer after which an agent is flagged."""


@dataclass(slots=True, kw_only=True)
class Attended:
    """The counts of one agent."""

    eligible: int = 0
    bids: int = 0
    declined: int = 0
    silent_in_a_row: int = 0
    last_bid_at_ms: int = 0
    last_decline: str = ""

    @property
    def silent(self) -> bool:
        """Whether the agent is flagged."""
        return self.silent_in_a_row >= SILENT_AFTER


class Attendance:
    """The counts of the agents seen last."""

    def __init__(self, *, max_agents: int) -> None:
        """Keep this many."""
        self._max_agents = max_agents
        self._agents: OrderedDict[str, Attended] = OrderedDict()

    def window_closed(
        self,
        *,
        eligible: Iterable[str],
        bids: Collection[str],
        declined: Collection[str],
        now_ms: int,
    ) -> list[str]:
        """Count one closed window; return the agents that are flagged with it."""
        flagged = []
        for agent_id in eligible:
            attended = self._of(agent_id)
            attended.eligible += 1
            if agent_id in bids:
                attended.bids += 1
                attended.silent_in_a_row = 0
                attended.last_bid_at_ms = now_ms
            elif agent_id in declined:
                attended.declined += 1
                attended.silent_in_a_row = 0
            else:
                attended.silent_in_a_row += 1
                if attended.silent_in_a_row == SILENT_AFTER:
                    flagged.append(agent_id)
        return flagged

    def declined(self, agent_id: str, reason: str) -> None:
        """Keep the reason of an agent's newest decline."""
        self._of(agent_id).last_decline = reason

    def get(self, agent_id: str) -> Attended:
        """Return the counts of an agent, all zero for a stranger."""
        return self._agents.get(agent_id) or Attended()

    def silent(self) -> list[str]:
        """Return the flagged agents by name."""
        return sorted(name for name, attended in self._agents.items() if attended.silent)

    def _of(self, agent_id: str) -> Attended:
        attended = self._agents.get(agent_id)
        if attended is None:
            attended = self._agents[agent_id] = Attended()
            while len(self._agents) > self._max_agents:
                self._agents.popitem(last=False)
        self._agents.move_to_end(agent_id)
        return attended
