"""What lists and tables show, read from the members' documents. Pure: a value of another form counts as not told."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pinai_subnet.insight.intent_story import Offer

Document = Mapping[str, Any]


def text(document: Document, name: str) -> str:
    """Return a text; empty where there is none."""
    found = document.get(name)
    return found if isinstance(found, str) else ""


def whole(document: Document, name: str) -> int | None:
    """Return a whole number."""
    found = document.get(name)
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def real(document: Document, name: str) -> float | None:
    """Return a number."""
    found = document.get(name)
    return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None


def texts(document: Document, name: str) -> tuple[str, ...]:
    """Return the texts of a list."""
    found = document.get(name)
    return tuple(v for v in found if isinstance(v, str)) if isinstance(found, list) else ()


def objects(document: Document, name: str) -> Iterator[Document]:
    """Yield the objects of a list."""
    found = document.get(name)
    yield from (
        (entry for entry in found if isinstance(entry, dict)) if isinstance(found, list) else ()
    )


def inner(document: Document, name: str) -> Document:
    """Return an object inside a document; an empty one where there is none."""
    found = document.get(name)
    return found if isinstance(found, dict) else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentRow:
    """One line of the list of intents."""

    intent_id: str
    intent_type: str
    phase: str
    bids: int
    attempt: int
    agent_id: str
    seen_at_ms: int | None
    finished_at_ms: int | None
    deadline_at_ms: int | None
    code: str
    reason: str

    @property
    def seconds(self) -> float | None:
        """How long it took; None while it is open."""
        if self.seen_at_ms is None or self.finished_at_ms is None:
            return None
        return (self.finished_at_ms - self.seen_at_ms) / 1000


def intent_row(document: Document) -> IntentRow:
    """Return the row of a matcher's summary."""
    return IntentRow(
        intent_id=text(document, "intent_id"),
        intent_type=text(document, "intent_type"),
        phase=text(document, "phase"),
        bids=whole(document, "bids") or 0,
        attempt=whole(document, "attempt") or 0,
        agent_id=text(document, "agent_id"),
        seen_at_ms=whole(document, "seen_at_ms"),
        finished_at_ms=whole(document, "finished_at_ms"),
        deadline_at_ms=whole(document, "deadline_at_ms"),
        code=text(document, "end_code"),
        reason=text(document, "end_reason"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One component of a score; `share` of the whole width it takes, `start` where it begins, both of 100."""

    name: str
    value: float
    points: float
    start: float
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BidRow:
    """One bid of a closed auction."""

    agent_id: str
    price: str
    status: str
    rank: int | None
    score: float | None
    parts: tuple[Part, ...]
    won: bool
    behind: float | None
    """How far its score is from the best."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuctionRow:
    """One auction; bids are hidden while its window is open."""

    intent: IntentRow
    sealed: bool
    budget: str
    eligible: int
    refused: int
    bids: tuple[BidRow, ...]


def auction_row(document: Document) -> AuctionRow:
    """Return the auction of a matcher's story of one intent."""
    offers = list(objects(document, "offers"))
    best = max((score for o in offers if (score := real(o, "score")) is not None), default=None)
    winner = next((text(a, "bid_id") for a in objects(document, "assignments")), "")
    return AuctionRow(
        intent=intent_row(document),
        sealed=document.get("sealed") is True,
        budget=text(document, "budget"),
        eligible=len(texts(document, "eligible")),
        refused=sum(1 for _ in objects(document, "refused_bids")),
        bids=tuple(_bid(offer, best, winner) for offer in offers[:MAX_BIDS]),
    )


MAX_BIDS = 20
"""Bids shown of one auction, best first."""


def _bid(offer: Document, best: float | None, winner: str) -> BidRow:
    score = real(offer, "score")
    return BidRow(
        agent_id=text(offer, "agent_id"),
        price=text(offer, "price"),
        status=text(offer, "status"),
        rank=whole(offer, "rank"),
        score=score,
        parts=tuple(_parts(inner(offer, "score_parts"))),
        won=bool(winner) and text(offer, "bid_id") == winner,
        behind=None if score is None or best is None else best - score,
    )


def story_bids(offers: Sequence[Offer]) -> tuple[BidRow, ...]:
    """Return the bids of a told story, as auctions show them."""
    return tuple(
        BidRow(
            agent_id=offer.agent_id,
            price=offer.price,
            status="",
            rank=offer.rank,
            score=offer.score,
            parts=tuple(_laid((part.name, part.value, part.points) for part in offer.parts)),
            won=offer.won,
            behind=offer.lost_by,
        )
        for offer in offers[:MAX_BIDS]
    )


def _parts(document: Document) -> Iterator[Part]:
    told = ((str(name), inner(document, name)) for name in document)
    return _laid(
        (name, value, points)
        for name, part in told
        if (value := real(part, "value")) is not None
        and (points := real(part, "points")) is not None
    )


def _laid(parts: Iterable[tuple[str, float, float]]) -> Iterator[Part]:
    """Put the components beside each other, each as wide as its points."""
    start = 0.0
    for name, value, points in parts:
        share = min(max(points, 0.0), 1.0) * 100
        yield Part(name=name, value=value, points=points, start=start, share=share)
        start += share


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentRow:
    """One agent, as matcher and registry know it."""

    agent_id: str
    address: str
    proven: bool
    status: str
    connected: bool
    capabilities: tuple[str, ...]
    eligible: int | None
    """In how many windows it could bid."""
    bids: int | None
    silent: bool
    """It could bid again and again, and never answered."""
    wins: int
    completed: int
    failures: int
    earned: tuple[tuple[str, str], ...]
    """Currency and amount in its smallest unit."""
    reputation: float | None
    latency_seconds: float | None
    open_tasks: int
    cooldown_until_ms: int | None
    seen_at_ms: int | None

    @property
    def win_rate(self) -> float | None:
        """Which share of its bids won; None where that is not known."""
        return min(1.0, self.wins / self.bids) if self.bids else None

    @property
    def success_rate(self) -> float | None:
        """Which share of its ended tasks was completed."""
        ended = self.completed + self.failures
        return self.completed / ended if ended else None


def agent_rows(matcher: Document, registry: Document) -> tuple[AgentRow, ...]:
    """Return every agent that either knows, by id."""
    met = {text(entry, "agent_id"): entry for entry in objects(matcher, "agents")}
    listed = {text(entry, "id"): entry for entry in objects(registry, "agents")}
    return tuple(
        _agent(agent_id, met.get(agent_id, {}), listed.get(agent_id, {}))
        for agent_id in sorted({*met, *listed} - {""})
    )


def _agent(agent_id: str, met: Document, listed: Document) -> AgentRow:
    status = text(listed, "status").removeprefix("AGENT_STATUS_").lower()
    attended, earned = inner(met, "attendance"), inner(met, "earned")
    return AgentRow(
        agent_id=agent_id,
        address=text(met, "address") or text(listed, "address"),
        proven=met.get("address_proven") is True or bool(text(listed, "address")),
        status=status or "not registered",
        connected=met.get("connected") is True,
        capabilities=texts(listed, "capabilities") or texts(met, "capabilities"),
        eligible=whole(attended, "eligible"),
        bids=whole(attended, "bids"),
        silent=attended.get("silent") is True,
        wins=whole(met, "wins") or 0,
        completed=whole(met, "completed") or 0,
        failures=whole(met, "failures") or 0,
        earned=tuple((str(token), text(earned, token)) for token in earned),
        reputation=real(met, "reputation"),
        latency_seconds=real(met, "latency_seconds"),
        open_tasks=len(texts(met, "open_tasks")),
        cooldown_until_ms=whole(met, "cooldown_until_ms"),
        seen_at_ms=whole(met, "seen_at_ms"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochRow:
    """One sealed batch on its way to RootLayer."""

    epoch: int
    items: int
    sealed_by: str
    sealed_at_ms: int | None
    final_at_ms: int | None
    settled_at_ms: int | None
    signatures: tuple[str, ...]
    missing: tuple[str, ...]
    required: int
    refused: int

    @property
    def state(self) -> str:
        """Where it stands."""
        if self.settled_at_ms is not None:
            return "settled"
        return "signing" if self.final_at_ms is None else "waiting"

    @property
    def seconds(self) -> float | None:
        """From the seal to RootLayer's answer."""
        if self.sealed_at_ms is None or self.settled_at_ms is None:
            return None
        return (self.settled_at_ms - self.sealed_at_ms) / 1000


def epoch_row(document: Document, validators: Sequence[str]) -> EpochRow:
    """Return the row of a validator's document of one epoch; `validators` are those that could sign."""
    signed = tuple(text(s, "validator_id") for s in objects(document, "signatures"))
    return EpochRow(
        epoch=whole(document, "epoch") or 0,
        items=sum(1 for _ in objects(document, "items")),
        sealed_by=text(document, "sealed_by"),
        sealed_at_ms=whole(document, "sealed_at_ms"),
        final_at_ms=whole(document, "final_at_ms"),
        settled_at_ms=whole(document, "settled_at_ms"),
        signatures=signed,
        missing=tuple(name for name in validators if name not in signed),
        required=whole(document, "required_signatures") or 0,
        refused=sum(result.get("ok") is False for result in objects(document, "results")),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """Where a list stands: which rows are shown, and where its neighbours begin."""

    total: int
    offset: int
    rows: int
    newer: int | None = field(init=False)
    older: int | None = field(init=False)

    def __post_init__(self) -> None:
        """Find the neighbours."""
        newer = max(0, self.offset - self.rows) if self.offset > 0 else None
        older = self.offset + self.rows if self.offset + self.rows < self.total else None
        object.__setattr__(self, "newer", newer)
        object.__setattr__(self, "older", older)

    @property
    def first(self) -> int:
        """Number of the first row shown, from 1; 0 in an empty list."""
        return min(self.offset + 1, self.total)

    @property
    def last(self) -> int:
        """Number of the last row shown."""
        return min(self.offset + self.rows, self.total)
