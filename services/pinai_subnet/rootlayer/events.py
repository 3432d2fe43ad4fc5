"""What RootLayer tells its subscribers: one change of one intent's status. Values and filters, no queues."""

from dataclasses import dataclass, field

from pinai_subnet.protocol.ids import IntentId
from pinai_subnet.protocol.intents import Intent, IntentStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusChange:
    """One committed change. `sequence` grows strictly in commit order; times are unix milliseconds."""

    sequence: int
    intent: Intent
    """As it is after the change."""
    old_status: IntentStatus
    """UNSPECIFIED for a new intent."""
    reason: str
    at_ms: int
    historical: bool = False
    """Replayed from storage: the intent as it is, not something that just happened."""

    @property
    def event_type(self) -> str:
        """Return the word of wire-contract 2.3 for the change."""
        if self.historical or self.old_status is IntentStatus.UNSPECIFIED:
            return "new_intent"
        return "chained" if self.intent.status is IntentStatus.CHAINED else "status_changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry:
    """One stored change of one intent."""

    old_status: IntentStatus
    new_status: IntentStatus
    reason: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentFilter:
    """Which intents a subscriber of intents wants; an empty part means all."""

    subnet_id: str = ""
    min_deadline: int = 0
    min_tips: int = 0
    intent_types: frozenset[str] = field(default_factory=frozenset)
    statuses: frozenset[IntentStatus] = field(default_factory=frozenset)

    def matches(self, change: StatusChange) -> bool:
        """Say whether the intent, as it is after the change, passes every part."""
        intent = change.intent
        return (
            (not self.subnet_id or intent.subnet_id == self.subnet_id)
            and intent.deadline >= self.min_deadline
            and intent.tips >= self.min_tips
            and (not self.intent_types or intent.intent_type in self.intent_types)
            and (not self.statuses or intent.status in self.statuses)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusFilter:
    """Which changes a subscriber of status updates wants; an empty part means all."""

    intent_ids: frozenset[IntentId] = field(default_factory=frozenset)
    statuses: frozenset[IntentStatus] = field(default_factory=frozenset)

    def matches(self, change: StatusChange) -> bool:
        """Say whether the change passes both parts; statuses are compared with the new one."""
        return (not self.intent_ids or change.intent.intent_id in self.intent_ids) and (
            not self.statuses or change.intent.status in self.statuses
        )
