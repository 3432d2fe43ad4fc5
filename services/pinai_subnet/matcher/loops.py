"""The matcher's background tasks: watch intents, reconcile them, watch outcomes and timers, tidy up.

Each rides out a dependency that is away by pausing and trying again, and says so once; anything else ends the process.
"""

from collections.abc import AsyncIterator, Sequence

from pinai_subnet.matcher.board import Board, Due
from pinai_subnet.matcher.cancellable import next_or_stop
from pinai_subnet.matcher.followup import Followup
from pinai_subnet.matcher.journal import Journal
from pinai_subnet.matcher.service import Matcher
from pinai_subnet.matcher.wakeup import Backoff, Wakeup
from pinai_subnet.ports.errors import DependencyError
from pinai_subnet.ports.ledger import Ledger, Outcome
from pinai_subnet.ports.root_layer import RootLayer
from pinai_subnet.protocol.canaries import CANARY_TYPE, is_canary
from pinai_subnet.protocol.ids import SubnetId
from pinai_subnet.protocol.intents import Intent, IntentStatus
from pinai_subnet.runtime.clock import Clock
from pinai_subnet.runtime.errors import NoRoom
from pinai_subnet.runtime.logs import get_logger
from pinai_subnet.runtime.stop import Stop

_SETTLE_SECONDS = 1.0


class IntentWatch:
    """Hears of intents from the stream, and finds what the stream did not tell by listing (known defects L11, L12)."""

    def __init__(
        self,
        *,
        root_layer: RootLayer,
        matcher: Matcher,
        subnet_id: SubnetId,
        clock: Clock,
        reconcile_seconds: float,
    ) -> None:
        """List at the start, after every break of the stream, and every `reconcile_seconds`."""
        self._root_layer = root_layer
        self._matcher = matcher
        self._subnet_id = subnet_id
        self._reconcile_seconds = reconcile_seconds
        self._wakeup = Wakeup(clock)
        self._log = get_logger()
        self._just_connected = False
        self.stream_failure: str | None = "not connected yet"
        """Why there is no stream; None while it is open."""
        self.listing_failure: str | None = "not listed yet"
        """Why the last listing failed; None after a complete one."""

    async def watch(self, stop: Stop) -> None:
        """Follow the stream and open it again whenever it breaks."""
        backoff = Backoff(first_seconds=0.2, longest_seconds=5.0)
        while not stop.is_set:
            stream = self._root_layer.watch_intents(self._subnet_id)
            try:
                await self._follow(stream, stop, backoff)
                failure = "the stream ended"
            except DependencyError as exc:
                failure = str(exc)
            if await stop.wait(0):
                return
            if self.stream_failure is None:
                self._log.warning("intent_stream_broken", error=failure)
            self.stream_failure = failure
            self._wakeup.nudge()
            await stop.wait(backoff.next())

    async def reconcile(self, stop: Stop) -> None:
        """List every page of open intents, again and again; sooner when the stream breaks."""
        backoff = Backoff(first_seconds=0.2, longest_seconds=self._reconcile_seconds)
        while not stop.is_set:
            try:
                taken = await self._list_all()
            except DependencyError as exc:
                if self.listing_failure is None:
                    self._log.warning("intents_not_listed", error=str(exc))
                self.listing_failure = str(exc)
                await self._wakeup.wait(stop, backoff.next())
                continue
            backoff.reset()
            self.listing_failure = None
            if taken:
                self._log.info("intents_found_by_listing", count=taken)
            # A stream that was asked for a moment ago may have begun after this listing: look once more soon.
            soon, self._just_connected = self._just_connected, False
            pause = (
                min(_SETTLE_SECONDS, self._reconcile_seconds) if soon else self._reconcile_seconds
            )
            await self._wakeup.wait(stop, pause)

    async def _follow(self, stream: AsyncIterator[Intent], stop: Stop, backoff: Backoff) -> None:
        self.stream_failure = None
        # Whatever happened before this stream was open is only in the listing.
        self._just_connected = True
        self._wakeup.nudge()
        async for intent in next_or_stop(stream, stop):
            backoff.reset()
            await self._take([intent])

    async def _take(self, intents: Sequence[Intent]) -> int:
        """Hand intents over to the matcher, without what calls itself a canary: those never come from outside."""
        usual = [i for i in intents if i.intent_type != CANARY_TYPE and not is_canary(i.intent_id)]
        if len(usual) < len(intents):
            self._log.warning("canaries_from_outside_ignored", code="SN-M026")
        return await self._matcher.take_intents(usual)

    async def _list_all(self) -> int:
        taken = 0
        page = 1
        while True:
            listed = await self._root_layer.list_intents(
                self._subnet_id, IntentStatus.PENDING, page
            )
            taken += await self._take(listed.intents)
            if page >= listed.total_pages:
                return taken
            page += 1


class OutcomeWatch:
    """Hears from the validators what became of assignments; the place in their feed survives a restart."""

    def __init__(self, *, ledger: Ledger, followup: Followup, cursor: int) -> None:
        """Go on after this sequence number."""
        self._ledger = ledger
        self._followup = followup
        self._cursor = cursor
        self._log = get_logger()
        self.failure: str | None = "not connected yet"
        """Why there is no stream; None while it is open."""
        self._told = False

    def _opened(self) -> None:
        self.failure, self._told = None, False

    async def watch(self, stop: Stop) -> None:
        """Follow the feed and open it again whenever it breaks, at another validator if need be."""
        backoff = Backoff(first_seconds=0.1, longest_seconds=3.0)
        while not stop.is_set:
            try:
                await self._follow(
                    self._ledger.watch_outcomes(self._cursor, self._opened), stop, backoff
                )
                failure = "the stream ended"
            except DependencyError as exc:
                failure = str(exc)
            if await stop.wait(0):
                return
            if not self._told:
                self._log.warning("outcome_stream_broken", error=failure)
            self.failure, self._told = failure, True
            await stop.wait(backoff.next())

    async def _follow(self, stream: AsyncIterator[Outcome], stop: Stop, backoff: Backoff) -> None:
        async for outcome in next_or_stop(stream, stop):
            backoff.reset()
            self._followup.outcome(outcome)
            self._cursor = outcome.sequence


class TimerWatch:
    """Does what is due, when it is due."""

    def __init__(
        self, *, board: Board, matcher: Matcher, followup: Followup, changed: Wakeup
    ) -> None:
        """`changed` is nudged when something is due earlier than before."""
        self._board = board
        self._matcher = matcher
        self._followup = followup
        self._changed = changed

    async def watch(self, stop: Stop) -> None:
        """Wait for the next moment until stopped."""
        while not stop.is_set:
            self.run_due()
            due_ms = self._board.timers.next_due_ms()
            pause = (
                None if due_ms is None else max(0.0, (due_ms + 1 - self._matcher.now_ms()) / 1000)
            )
            await self._changed.wait(stop, pause)

    def run_due(self) -> None:
        """Do everything that is due now."""
        now_ms = self._matcher.now_ms()
        while (moment := self._board.timers.pop_due(now_ms)) is not None:
            match moment.due:
                case Due.SILENCE:
                    self._followup.silent(moment.id)
                case Due.LEASE:
                    self._followup.overdue(moment.id)
                case Due.FORGET:
                    self._board.forget(moment.id)
                case Due.CLOSE | Due.DEADLINE:
                    self._intent_due(moment.due, moment.id)

    def _intent_due(self, due: Due, intent_id: str) -> None:
        found = self._board.find(intent_id)
        if found is None:
            return
        if due is Due.CLOSE:
            self._matcher.close_window(found)
        else:
            self._matcher.deadline_passed(found)


async def prune(
    stop: Stop, *, journal: Journal, matcher: Matcher, retention_seconds: float, keep: int
) -> None:
    """Delete what ended long ago from the journal, and the oldest beyond `keep` intents."""
    async for _ in stop.periodically(min(60.0, retention_seconds), immediately=False):
        before_ms = matcher.now_ms() - int(retention_seconds * 1000)
        try:
            await journal.prune(before_ms, keep=keep)
            await journal.forget_agents(before_ms)
        except NoRoom as exc:
            get_logger().warning("journal_not_pruned", code=exc.code, reason=exc.message)
