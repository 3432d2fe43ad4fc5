"""Takes bids, and agents' word that they will not bid. Waits only for the disk; windows are the matcher's."""

from collections.abc import Awaitable, Callable

from pinai_subnet.matcher.admission import UNKNOWN_INTENT, WINDOW_CLOSED, Answer, Facts, admit
from pinai_subnet.matcher.agents import Agents
from pinai_subnet.matcher.answers import BidAck, accepted, refused
from pinai_subnet.matcher.attendance import Attendance
from pinai_subnet.matcher.bid_events import BidEventType, BidStreams
from pinai_subnet.matcher.board import Board
from pinai_subnet.matcher.case import Case, Decline, RefusedBid, remember
from pinai_subnet.matcher.journal import Journal
from pinai_subnet.matcher.metrics import MatcherMetrics
from pinai_subnet.matcher.refusal import Refusal
from pinai_subnet.matcher.rules import MatchingRules
from pinai_subnet.matcher.service import Matcher
from pinai_subnet.protocol.bids import Bid, BidStatus
from pinai_subnet.protocol.ids import Address, AgentId

MAX_DECLINES = 200
"""How many agents' declines are remembered per intent."""
MAX_REASON = 200


class Bidding:
    """The desk at which agents bid or decline."""

    def __init__(
        self,
        *,
        matcher: Matcher,
        rules: MatchingRules,
        board: Board,
        journal: Journal,
        agents: Agents,
        attendance: Attendance,
        bid_streams: BidStreams,
        metrics: MatcherMetrics,
        look_up: Callable[[AgentId], Awaitable[None]],
    ) -> None:
        """Take what it works with; `look_up` asks the registry about an agent it has not told of yet."""
        self._matcher = matcher
        self._rules = rules
        self._board = board
        self._journal = journal
        self._agents = agents
        self._attendance = attendance
        self._bid_streams = bid_streams
        self._metrics = metrics
        self._look_up = look_up

    async def submit(self, bid: Bid, signer: Address | None) -> BidAck:
        """Judge a bid and keep it durably. Refusals are answers; only a full disk is an error (`NoRoom` SN-H011)."""
        self._journal.require_room()
        await self._look_up(bid.agent_id)
        case = self._board.find(bid.intent_id)
        if case is None:
            return self.refusal(bid.bid_id, UNKNOWN_INTENT)
        now_ms = self._matcher.now_ms()
        answer = admit(bid, self._facts(case, bid, signer, now_ms), self._rules.admission)
        if isinstance(answer, Refusal):
            note = RefusedBid(
                agent_id=bid.agent_id, at_ms=now_ms, code=answer.code, reason=answer.reason
            )
            remember(case.refused, note)
            self._tell(bid, BidEventType.REJECTED, BidStatus.REJECTED, now_ms)
            return self.refusal(bid.bid_id, answer)
        self._metrics.bids.add(not case.canary, result=answer.value)
        if answer is Answer.DUPLICATE:
            standing = case.bids[bid.agent_id]
            await self._journal.durable()
            return self._accepted(standing, f"duplicate of {standing.bid_id}")
        self._keep(case, bid, signer, now_ms)
        await self._journal.durable()
        return self._accepted(bid, "")

    async def decline(
        self, intent_id: str, agent_id: AgentId, signer: Address | None, reason: str
    ) -> Refusal | None:
        """Note that an agent will not bid in this window, and why; return why the word is not taken, or None.

        Who has declined is not awaited any more; a bid after all takes the word back. Saying so is a courtesy: it is
        not durable, and lost with a restart.
        """
        await self._look_up(agent_id)
        case = self._board.find(intent_id)
        if case is None:
            return UNKNOWN_INTENT
        now_ms = self._matcher.now_ms()
        if not case.window.takes_bids(now_ms):
            return WINDOW_CLOSED
        refusal = self._agents.speaks_for(agent_id, signer)
        if refusal is not None:
            return refusal
        if agent_id in case.bids:
            return Refusal("SN-M036", f"{agent_id} has bid on this intent and cannot decline it")
        if agent_id not in case.declined and len(case.declined) >= MAX_DECLINES:
            return Refusal("SN-M037", f"{len(case.declined)} agents have declined, the most noted")
        text = reason[:MAX_REASON] or "no reason given"
        case.declined[agent_id] = Decline(round=case.window.round, at_ms=now_ms, reason=text)
        self._attendance.declined(agent_id, text)
        self._metrics.declines.add()
        self._journal.moved(case)
        self._matcher.close_if_complete(case)
        return None

    def refusal(self, bid_id: str, refusal: Refusal) -> BidAck:
        """Return the in-band no to a bid, also to one that could not be read."""
        self._metrics.bid_refused(refusal.code)
        return refused(bid_id, refusal)

    def _facts(self, case: Case, bid: Bid, signer: Address | None, now_ms: int) -> Facts:
        ineligible = self._agents.judge(bid.agent_id, case.intent.intent_type, now_ms=now_ms)
        return Facts(
            intent=case.intent,
            window=case.window,
            standing=case.bids,
            excluded=case.excluded,
            signer=signer,
            bound=self._agents.may_bind(bid.agent_id, bid.agent_address, signer),
            ineligible=ineligible or case.wishes.refusal(bid.agent_id, bid.agent_address),
            now_ms=now_ms,
        )

    def _keep(self, case: Case, bid: Bid, signer: Address | None, now_ms: int) -> None:
        first = all(agent_id in case.excluded for agent_id in case.bids)
        self._agents.bind(bid.agent_id, bid.agent_address, signer, now_ms=now_ms)
        case.bids[bid.agent_id] = bid
        case.declined.pop(bid.agent_id, None)
        self._journal.bid(bid)
        if first:
            self._matcher.first_bid(case, now_ms)
        self._tell(bid, BidEventType.ACCEPTED, BidStatus.ACCEPTED, now_ms)
        self._matcher.bid_arrived(case)

    def _tell(self, bid: Bid, kind: BidEventType, status: BidStatus, now_ms: int) -> None:
        self._bid_streams.tell_of(bid, kind, status, now_ms=now_ms, sealed=True)

    def _accepted(self, bid: Bid, reason: str) -> BidAck:
        return accepted(bid.bid_id, reason=reason, at=self._matcher.now_ms() // 1000)
