"""The network as an agent sees it: ports with one method per thing an agent says or hears. No technology."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from pinai_subnet.agent.work import Task
from pinai_subnet.protocol.reports import ExecutionReport


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentUpdate:
    """What the matcher tells about a window: `NEW_INTENT`, `EXISTING_INTENT`, `MATCHED` or `WINDOW_CLOSED`."""

    intent_id: str
    update_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingBid:
    """One bid to submit; `submitted_at` is unix seconds."""

    bid_id: str
    intent_id: str
    price: int
    token: str
    nonce: str
    submitted_at: int
    metadata: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingDecline:
    """One intent that the agent does not bid on, and why."""

    intent_id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BidAnswer:
    """The matcher's in-band answer to one bid."""

    bid_id: str
    accepted: bool
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportReceipt:
    """A validator's in-band answer to one report: `accepted`, `duplicate` or `rejected`."""

    report_id: str
    validator_id: str
    status: str
    phase: str

    @property
    def rejected(self) -> bool:
        """Whether the validators will never count the report."""
        return self.status == "rejected"


class Matcher(Protocol):
    """Who gives work. Every call raises `Unreachable` (try again) or `Refused` (trying again will not help)."""

    def intents(self, intent_types: Sequence[str]) -> AsyncIterator[IntentUpdate]:
        """Yield updates of these types until the stream breaks; a clean end just ends."""
        ...

    def tasks(self) -> AsyncIterator[Task]:
        """Yield this agent's tasks, undelivered ones first, until the stream breaks."""
        ...

    async def submit_bids(self, bids: Sequence[OutgoingBid]) -> Sequence[BidAnswer]:
        """Submit bids; one answer per bid, same order."""
        ...

    async def decline(self, declines: Sequence[OutgoingDecline]) -> None:
        """Say that the agent does not bid, and why. A courtesy: what the matcher answers does not matter."""
        ...

    async def respond(self, task_id: str, *, accepted: bool, reason: str) -> bool:
        """Accept or decline a task; False where the matcher no longer waits for the answer."""
        ...

    def connected(self) -> bool:
        """Say whether the connection stands right now."""
        ...


class Validator(Protocol):
    """Who takes reports. Errors as for `Matcher`."""

    @property
    def target(self) -> str:
        """Where it is, for logs."""
        ...

    async def submit(self, reports: Sequence[ExecutionReport]) -> Sequence[ReportReceipt]:
        """Submit reports in one call; one receipt per report, same order. Repeating a report is harmless."""
        ...


class Membership(Protocol):
    """The registry. Every call raises `Unreachable` or `Refused`."""

    async def register(self, capabilities: Sequence[str]) -> None:
        """Put this agent on the list."""
        ...

    async def heartbeat(self) -> bool:
        """Say that this agent lives; False where it must register again."""
        ...

    async def unregister(self) -> None:
        """Take this agent off the list."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """Everybody an agent talks to; `membership` is None where no registry is configured."""

    matcher: Matcher
    validators: Sequence[Validator]
    membership: Membership | None = None
