"""The words between the library and an agent's author: intents to bid on, tasks, results, and the two protocols."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from pinai_subnet.protocol.reports import ResourceUsage


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenIntent:
    """An intent whose window is open. The stream tells no budget; the type is known from the stream it came on."""

    intent_id: str
    intent_type: str
    """Empty where the agent serves every type."""
    update_type: str
    """`NEW_INTENT` or `EXISTING_INTENT`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What the agent asks for an intent."""

    price: int
    """In the budget's unit, 0 to 2**64 - 1."""
    token: str = "PIN"  # noqa: S105 - a currency
    metadata: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NoOffer:
    """Why the agent does not bid; the requester reads it in the intent's story."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One assignment of this agent. Times are unix seconds; a `deadline` of 0 means none."""

    task_id: str
    """The assignment's id."""
    intent_id: str
    bid_id: str
    intent_type: str
    data: bytes
    """The intent's payload, unchanged."""
    created_at: int
    deadline: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of a task. A failure is not a `Result` but a raised `TaskFailed`."""

    data: bytes
    transcript: bytes = b""
    """What happened, step by step, in the handler's own form; its hash becomes the evidence's transcript root."""
    usage: ResourceUsage | None = None
    """Measured by the handler; None lets the library measure its own process."""
    external_refs: Sequence[str] = ()
    complete: bool = True
    """False reports PARTIAL."""


class TaskFailed(Exception):
    """The task cannot be done; reported as FAILED with this code and message."""

    def __init__(self, code: str, message: str, *, usage: ResourceUsage | None = None) -> None:
        """Keep a stable code, a message for people, and what the attempt used if it was measured."""
        super().__init__(f"{code} {message}")
        self.code = code
        self.message = message
        self.usage = usage


class Handler(Protocol):
    """Does the tasks of one intent type. Called for several tasks at once; must not block the event loop."""

    async def execute(self, task: Task) -> Result:
        """Do one task; raise `TaskFailed` if it cannot be done. Cancelled when its time is over."""
        ...


class Bidding(Protocol):
    """Decides what to ask for an intent."""

    async def price(self, intent: OpenIntent) -> Offer | NoOffer | None:
        """Return the offer; `NoOffer` not to bid and to say why, None not to bid and say nothing."""
        ...
