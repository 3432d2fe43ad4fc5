"""The agents this matcher has met: whose key each name belongs to, how they did, who may speak for whom.

In memory, bounded; the journal keeps it across restarts. Who is connected is the streams' business.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from pinai_subnet.matcher.auction import Candidate
from pinai_subnet.matcher.cooldown import CoolDown, CoolDownRules, failed, succeeded
from pinai_subnet.matcher.eligibility import EligibilityRules, Subject, fit, judge
from pinai_subnet.matcher.refusal import Refusal
from pinai_subnet.matcher.reputation import (
    History,
    ReputationRules,
    observe,
    observe_latency,
    score,
)
from pinai_subnet.ports.roster import Roster, RosterAgent
from pinai_subnet.protocol.bids import Bid
from pinai_subnet.protocol.canaries import CANARY_AGENT, CANARY_TYPE
from pinai_subnet.protocol.ids import Address, AgentId

MAX_TOKENS = 16
"""How many currencies an agent's earnings are kept in."""


@dataclass(slots=True, kw_only=True)
class AgentState:
    """One agent as this matcher knows it."""

    agent_id: AgentId
    address: Address | None = None
    proven: bool = False
    """Whether the address signed a request under this name, not only claimed it."""
    history: History = field(default_factory=History)
    cooldown: CoolDown = field(default_factory=CoolDown)
    wins: int = 0
    completed: int = 0
    failures: int = 0
    acknowledged: int = 0
    silent_reports: int = 0
    """Reports without an answer to the task before: an agent that works but never calls RespondToTask."""
    seen_at_ms: int = 0
    earned: tuple[tuple[str, str], ...] = ()
    """Token and sum of the prices of settled bids; the sums are decimal texts because they may exceed 64 bits."""

    @property
    def answers_tasks(self) -> bool:
        """Whether silence means anything: false for an agent known to report without ever answering."""
        return self.acknowledged > 0 or self.silent_reports == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentRules:
    """Everything that decides about agents."""

    eligibility: EligibilityRules
    reputation: ReputationRules
    cooldown: CoolDownRules
    max_agents: int
    signatures_checked: bool
    """Whether requests are verified at all; without it names belong to whoever claims them."""


class Agents:
    """The book of agents. `busy` says which of them have open tasks, `connected` which hold a stream."""

    def __init__(
        self,
        *,
        roster: Roster,
        rules: AgentRules,
        busy: Callable[[AgentId], bool],
        connected: Callable[[AgentId], bool],
        changed: Callable[[AgentState], None],
        canary_address: Address | None = None,
    ) -> None:
        """Start empty; `changed` is told of every state that must be kept. The canary's name has an owner always."""
        self._canary_address = canary_address
        self._roster = roster
        self.rules = rules
        self._busy = busy
        self._connected = connected
        self._changed = changed
        self._states: OrderedDict[AgentId, AgentState] = OrderedDict()

    def __iter__(self) -> Iterator[AgentState]:
        return iter(tuple(self._states.values()))

    def __len__(self) -> int:
        return len(self._states)

    def restore(self, state: AgentState) -> None:
        """Take a state from the journal."""
        self._states[state.agent_id] = state

    def get(self, agent_id: AgentId) -> AgentState | None:
        """Return what is known of an agent."""
        return self._states.get(agent_id)

    def entry(self, agent_id: AgentId) -> RosterAgent | None:
        """Return the agent's registry entry."""
        return self._roster.agents().get(agent_id)

    def address_of(self, agent_id: AgentId) -> Address | None:
        """Return the address that belongs to a name: the registry's, else the one learned from its calls."""
        entry = self.entry(agent_id)
        if entry is not None and entry.address is not None:
            return entry.address
        state = self._states.get(agent_id)
        return state.address if state else None

    def may_bind(
        self, agent_id: AgentId, address: Address, signer: Address | None
    ) -> Refusal | None:
        """Return why the name is not this address's, or None. A proven owner keeps it; a mere claim yields to proof."""
        owner, proven = self._owner(agent_id)
        if not self.rules.signatures_checked:
            proven = proven and self._registered_owner(agent_id) is not None
        if owner is None:
            return None
        if owner != address:
            if not proven and (signer == address or not self._busy(agent_id)):
                return None
            return Refusal("SN-M007", f"{agent_id} belongs to {owner}, not to {address}")
        if proven and signer is None and self.rules.signatures_checked:
            return Refusal("SN-M104", f"{agent_id} signs its requests; this one is unsigned")
        return None

    def bind(
        self, agent_id: AgentId, address: Address, signer: Address | None, *, now_ms: int
    ) -> AgentState:
        """Learn who the name belongs to; only after `may_bind` agreed."""
        state = self.meet(agent_id, now_ms=now_ms)
        proven = signer == address
        if state.address != address or (proven and not state.proven):
            state.address, state.proven = address, proven
            self._changed(state)
        return state

    def speaks_for(self, agent_id: AgentId, signer: Address | None) -> Refusal | None:
        """Return why a caller may not act as this agent, or None (known defect A9)."""
        owner, proven = self._owner(agent_id)
        if owner is None or not self.rules.signatures_checked:
            return None
        if signer is None:
            if proven:
                return Refusal("SN-M104", f"{agent_id} signs its requests; this one is unsigned")
            return None
        if signer != owner and proven:
            return Refusal("SN-M103", f"{signer} may not speak for {agent_id}")
        if signer != owner and self._busy(agent_id):
            return Refusal(
                "SN-M103", f"{signer} may not speak for {agent_id}, which has open tasks"
            )
        return None

    def meet(self, agent_id: AgentId, *, now_ms: int) -> AgentState:
        """Return the state of an agent that just called, making one if it is new."""
        state = self._states.get(agent_id)
        if state is None:
            self._make_room()
            state = self._states[agent_id] = AgentState(agent_id=agent_id)
        self._states.move_to_end(agent_id)
        state.seen_at_ms = now_ms
        return state

    def judge(self, agent_id: AgentId, intent_type: str, *, now_ms: int) -> Refusal | None:
        """Return why the agent may not work on this type now, or None."""
        if (agent_id == CANARY_AGENT) != (intent_type == CANARY_TYPE):
            return Refusal(
                "SN-M025",
                f"{intent_type} is not for {agent_id}: the matcher and its canary keep to themselves",
            )
        if agent_id == CANARY_AGENT:
            return None
        state = self._states.get(agent_id)
        subject = Subject(
            agent_id=agent_id,
            entry=self.entry(agent_id),
            connected=self._connected(agent_id),
            cooldown=state.cooldown if state else CoolDown(),
        )
        return judge(
            subject,
            intent_type=intent_type,
            rules=self.rules.eligibility,
            roster_known=self._roster.age_seconds() is not None,
            now_ms=now_ms,
        )

    def reputation(self, agent_id: AgentId, *, now_ms: int) -> float:
        """Return the trust in an agent, 0.5 for a stranger."""
        state = self._states.get(agent_id)
        return score(
            state.history if state else History(), now_ms=now_ms, rules=self.rules.reputation
        )

    def latency_seconds(self, agent_id: AgentId) -> float | None:
        """Return the agent's average time from task to report; None for a stranger."""
        state = self._states.get(agent_id)
        return state.history.latency_seconds if state else None

    def fit(self, agent_id: AgentId, intent_type: str) -> float:
        """Return how well its capabilities fit the type."""
        return fit(self.entry(agent_id), intent_type, self.rules.eligibility)

    def candidate(self, bid: Bid, intent_type: str, *, now_ms: int) -> Candidate:
        """Return a bid with what is known of its agent, for the auction."""
        return Candidate(
            bid_id=bid.bid_id,
            agent_id=bid.agent_id,
            price=bid.price,
            received_at_ms=bid.received_at_ms,
            reputation=self.reputation(bid.agent_id, now_ms=now_ms),
            capability=self.fit(bid.agent_id, intent_type),
            latency_seconds=self.latency_seconds(bid.agent_id),
        )

    def won(self, agent_id: AgentId, *, now_ms: int) -> None:
        """Count an assignment."""
        state = self.meet(agent_id, now_ms=now_ms)
        state.wins += 1
        self._changed(state)

    def answered(self, agent_id: AgentId, *, now_ms: int) -> None:
        """Count an answered task."""
        state = self.meet(agent_id, now_ms=now_ms)
        state.acknowledged += 1
        self._changed(state)

    def reported(self, agent_id: AgentId, *, seconds: float, silent: bool) -> None:
        """Note how long a report took and whether the agent answered the task before."""
        state = self._states.get(agent_id)
        if state is None:
            return
        state.history = observe_latency(state.history, seconds)
        state.silent_reports += silent
        self._changed(state)

    def did_well(self, agent_id: AgentId, *, now_ms: int) -> None:
        """A result was settled."""
        state = self.meet(agent_id, now_ms=now_ms)
        state.completed += 1
        state.history = observe(
            state.history, good=True, now_ms=now_ms, rules=self.rules.reputation
        )
        state.cooldown = succeeded()
        self._changed(state)

    def earned(self, agent_id: AgentId, *, token: str, price: int) -> None:
        """Add the price of a settled bid to what the agent has earned."""
        state = self._states.get(agent_id)
        if state is None:
            return
        sums = dict(state.earned)
        if token not in sums and len(sums) >= MAX_TOKENS:
            return
        sums[token] = str(int(sums.get(token, "0")) + price)
        state.earned = tuple(sorted(sums.items()))
        self._changed(state)

    def did_badly(self, agent_id: AgentId, *, now_ms: int) -> None:
        """An assignment failed by the agent's doing; enough in a row start a pause."""
        state = self.meet(agent_id, now_ms=now_ms)
        state.failures += 1
        state.history = observe(
            state.history, good=False, now_ms=now_ms, rules=self.rules.reputation
        )
        state.cooldown = failed(state.cooldown, now_ms=now_ms, rules=self.rules.cooldown)
        self._changed(state)

    def known_ids(self) -> Iterator[AgentId]:
        """Yield every agent of the registry and every one met here, once."""
        yield from self._states
        yield from (name for name in self._roster.agents() if name not in self._states)

    def _registered_owner(self, agent_id: AgentId) -> Address | None:
        if agent_id == CANARY_AGENT:
            return self._canary_address
        entry = self.entry(agent_id)
        return entry.address if entry is not None else None

    def _owner(self, agent_id: AgentId) -> tuple[Address | None, bool]:
        registered = self._registered_owner(agent_id)
        if registered is not None:
            return registered, True
        state = self._states.get(agent_id)
        return (state.address, state.proven) if state else (None, False)

    def _make_room(self) -> None:
        while len(self._states) >= self.rules.max_agents:
            idle = next(
                (
                    name
                    for name in self._states
                    if not self._busy(name) and not self._connected(name)
                ),
                None,
            )
            if idle is None:
                return
            del self._states[idle]
