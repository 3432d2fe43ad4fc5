"""Every rule of one matcher in one value, made from its settings. Values only."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from pinai_subnet.matcher.admission import AdmissionRules
from pinai_subnet.matcher.auction import AuctionRules, Strategy
from pinai_subnet.matcher.window import WindowRules
from pinai_subnet.protocol.canaries import CANARY_TYPE
from pinai_subnet.protocol.intents import Intent


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchingRules:
    """How intents are matched. Times in milliseconds."""

    windows: WindowRules
    window_ms_by_type: Mapping[str, int]
    auction: AuctionRules
    admission: AdmissionRules
    early_close: bool
    early_close_waits_for_registered: bool
    max_attempts: int
    response_ms: int
    lease_ms: int
    outcome_grace_ms: int
    """How long after the deadline the validators' word is waited for."""
    outcome_wait_ms: int
    """How long after the deadline the end of a report is waited for: settlement may be held up."""
    keep_finished_ms: int
    max_intents: int
    """In memory at once; more stay at RootLayer until a listing finds them again."""
    default_deadline_ms: int
    """For intents that name no deadline."""
    max_deadline_ms: int
    """The validators take no assignment whose deadline is further ahead than they allow."""

    def times(self, intent: Intent, *, now_ms: int) -> tuple[int, int]:
        """Return until when the intent may be assigned and until when its work counts, in milliseconds."""
        deadline = intent.deadline or intent.intent_expiration
        unnamed_ms = (intent.created_at * 1000 or now_ms) + self.default_deadline_ms
        deadline_ms = deadline * 1000 if deadline else unnamed_ms
        deadline_ms = min(deadline_ms, now_ms + self.max_deadline_ms)
        return min(deadline_ms, intent.intent_expiration * 1000 or deadline_ms), deadline_ms

    def windows_of(self, intent_type: str) -> WindowRules:
        """Return the window lengths of a type."""
        special = self.window_ms_by_type.get(intent_type)
        if special is None:
            return self.windows
        return WindowRules(
            duration_ms=special, reopen_max_ms=max(special, self.windows.reopen_max_ms)
        )

    def auction_of(self, intent_type: str) -> AuctionRules:
        """Return how bids of a type are ranked: a canary has one bidder, and no bar that it could miss."""
        if intent_type != CANARY_TYPE:
            return self.auction
        return replace(self.auction, strategy=Strategy.LOWEST_PRICE)

    def response_due_ms(self, *, now_ms: int, deadline_ms: int, answers: bool) -> int:
        """Return when silence counts as failure.

        An agent known to report without answering has as long as a lease. Otherwise at most a third of the time left
        is spent on waiting, so that a runner-up still has a chance.
        """
        if not answers:
            return self.lease_due_ms(now_ms=now_ms, deadline_ms=deadline_ms)
        return now_ms + min(self.response_ms, max(0, deadline_ms - now_ms) // 3)

    def lease_due_ms(self, *, now_ms: int, deadline_ms: int) -> int:
        """Return when an accepted task must be reported."""
        return min(now_ms + self.lease_ms, deadline_ms)
