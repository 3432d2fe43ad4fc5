"""Who is awaited in a window, and who could not bid and why. Reads the agents and the streams, changes nothing."""

from collections.abc import Iterator

from pinai_subnet.matcher.agents import Agents
from pinai_subnet.matcher.case import Case
from pinai_subnet.matcher.refusal import Refusal
from pinai_subnet.matcher.tasks import Tasks
from pinai_subnet.matcher.updates import IntentStreams
from pinai_subnet.matcher.wishes import NONE, Wishes
from pinai_subnet.protocol.canaries import CANARY_AGENT, CANARY_TYPE
from pinai_subnet.protocol.ids import AgentId

MAX_SURVEYED = 200
"""How many agents an intent's story lists; a window close must not cost more in a network of thousands."""

_SURVEY_KEPT_MS = 500


class EligibleAgents:
    """The eligible set of a type: agents that are connected and may work on it.

    Connected means an open task stream, or an intent stream signed by the agent's address. An agent whose signed intent
    streams all leave the type out is not awaited. With `waits_for_registered`, healthy agents of the registry that are
    not connected are awaited too.
    """

    def __init__(
        self, *, agents: Agents, tasks: Tasks, updates: IntentStreams, waits_for_registered: bool
    ) -> None:
        """Look at these."""
        self._agents = agents
        self._tasks = tasks
        self._updates = updates
        self._waits_for_registered = waits_for_registered
        self._surveys: dict[str, tuple[int, tuple[str, ...], dict[str, Refusal]]] = {}

    def all_have_bid(self, case: Case, *, now_ms: int) -> bool:
        """Say whether somebody is awaited and everybody awaited has bid; who has declined is not awaited."""
        awaited = False
        intent_type = case.intent.intent_type
        for agent_id in self._candidates():
            if _apart(agent_id, intent_type):
                continue
            has_bid = agent_id in case.bids
            if has_bid and awaited:
                # One awaited agent that has bid is enough to know; this runs with every bid.
                continue
            if agent_id in case.excluded or not self._listens(agent_id, intent_type):
                continue
            if self._agents.judge(agent_id, intent_type, now_ms=now_ms) is not None:
                continue
            if case.wishes.refusal(agent_id, self._agents.address_of(agent_id)) is not None:
                continue
            word = case.declined.get(agent_id)
            if word is not None and word.round == case.window.round:
                continue
            if not has_bid:
                return False
            awaited = True
        return awaited

    def survey(
        self, intent_type: str, *, now_ms: int
    ) -> tuple[tuple[str, ...], dict[str, Refusal]]:
        """Return the agents that may bid on a type, and the others with their reasons; a moment old at most."""
        kept = self._surveys.get(intent_type)
        if kept is not None and 0 <= now_ms - kept[0] < _SURVEY_KEPT_MS:
            return kept[1], kept[2]
        may: list[str] = []
        may_not: dict[str, Refusal] = {}
        for number, agent_id in enumerate(self._agents.known_ids()):
            if number >= MAX_SURVEYED:
                break
            if _apart(agent_id, intent_type):
                continue
            refusal = self._agents.judge(agent_id, intent_type, now_ms=now_ms)
            if refusal is None:
                may.append(agent_id)
            else:
                may_not[agent_id] = refusal
        if len(self._surveys) >= 100:
            self._surveys.clear()
        self._surveys[intent_type] = (now_ms, tuple(sorted(may)), may_not)
        return tuple(sorted(may)), may_not

    def survey_for(self, case: Case, *, now_ms: int) -> tuple[tuple[str, ...], dict[str, Refusal]]:
        """Return the survey of an intent's type, with the requester's wishes on top of it."""
        return self.wished(case.wishes, *self.survey(case.intent.intent_type, now_ms=now_ms))

    def wished(
        self, wishes: Wishes, may: tuple[str, ...], may_not: dict[str, Refusal]
    ) -> tuple[tuple[str, ...], dict[str, Refusal]]:
        """Return a survey with the requester's wishes on top of it."""
        if wishes == NONE:
            return may, may_not
        unwanted = {
            agent_id: refusal
            for agent_id in may
            if (refusal := wishes.refusal(agent_id, self._agents.address_of(AgentId(agent_id))))
        }
        return tuple(agent_id for agent_id in may if agent_id not in unwanted), may_not | unwanted

    def _candidates(self) -> Iterator[AgentId]:
        yield from self._tasks.connected_ids()
        if self._waits_for_registered:
            yield from (i for i in self._agents.known_ids() if not self._tasks.connected(i))
            return
        signers = self._updates.signers()
        if signers:
            for state in self._agents:
                if state.address in signers and not self._tasks.connected(state.agent_id):
                    yield state.agent_id

    def _listens(self, agent_id: AgentId, intent_type: str) -> bool:
        address = self._agents.address_of(agent_id)
        heard = self._updates.hears(address, intent_type) if address is not None else None
        return heard is not False


def _apart(agent_id: AgentId, intent_type: str) -> bool:
    """Say whether agent and type have nothing to do with each other: canaries are for the canary's agent alone."""
    return (agent_id == CANARY_AGENT) != (intent_type == CANARY_TYPE)
