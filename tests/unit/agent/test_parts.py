"""The agent's pure parts and its journal: pauses, prices, evidence, limits of a batch, what survives."""

import asyncio
import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pinai_subnet.agent.backoff import Backoff
from pinai_subnet.agent.bidder import Bidder
from pinai_subnet.agent.evidence import environment_fingerprint, evidence_of, execution_transcript
from pinai_subnet.agent.journal import MIGRATIONS, NoJournal, Remembered, SqliteJournal
from pinai_subnet.agent.membership import keep_registered
from pinai_subnet.agent.metrics import AgentMetrics
from pinai_subnet.agent.network import (
    IntentUpdate,
    Membership,
    OutgoingDecline,
    ReportReceipt,
    Validator,
)
from pinai_subnet.agent.options import AgentOptions
from pinai_subnet.agent.pricing import FixedPrices
from pinai_subnet.agent.reporter import Reporter
from pinai_subnet.agent.work import Bidding, NoOffer, Offer, OpenIntent, Result, Task
from pinai_subnet.ports.errors import DependencyError, Refused, Unreachable
from pinai_subnet.protocol.digests import keccak256
from pinai_subnet.protocol.ids import AgentId, AssignmentId, IntentId
from pinai_subnet.protocol.reports import (
    ErrorInfo,
    ExecutionReport,
    ReportStatus,
    ResourceUsage,
)
from pinai_subnet.runtime.clock import ManualClock
from pinai_subnet.runtime.metrics import Metrics
from pinai_subnet.runtime.sqlite import SqliteDatabase

OPTIONS = AgentOptions(agent_id="agent-1", subnet_id="s", matcher="m:1", validators=("v:1",))


def an_id(number: int) -> str:
    return f"0x{number:064x}"


def a_task(number: int, data: bytes = b"in") -> Task:
    return Task(
        task_id=an_id(number),
        intent_id=an_id(number),
        bid_id=an_id(number),
        intent_type="echo",
        data=data,
        created_at=1,
        deadline=2,
    )


def a_report(number: int, *, at: int = 1_700_000_000, data: bytes = b"out") -> ExecutionReport:
    return ExecutionReport(
        report_id=f"r{number}",
        assignment_id=AssignmentId(an_id(number)),
        intent_id=IntentId(an_id(number)),
        agent_id=AgentId("agent-1"),
        status=ReportStatus.SUCCESS,
        result_data=data,
        timestamp=at,
        evidence=evidence_of(
            task=a_task(number),
            agent_id="agent-1",
            result=Result(data=data),
            usage=ResourceUsage(cpu_ms=1),
            fingerprint=b"f",
            started_at=1,
            finished_at=2,
        ),
        error=ErrorInfo(code="c"),
    )


@given(st.integers(), st.floats(0.01, 5), st.floats(5, 100))
@settings(max_examples=30)
def test_pauses_grow_stay_capped_and_start_over(seed: int, initial: float, cap: float) -> None:
    backoff = Backoff(initial=initial, cap=cap, source=random.Random(seed))  # noqa: S311
    pauses = [backoff.next() for _ in range(40)]
    for attempt, pause in enumerate(pauses):
        ceiling = min(cap, initial * 2**attempt)
        assert ceiling / 2 <= pause <= ceiling
    backoff.reset()
    assert backoff.next() <= initial


async def test_prices_are_per_type_and_jitter_stays_within_its_part() -> None:
    def intent(kind: str) -> OpenIntent:
        return OpenIntent(intent_id="i", intent_type=kind, update_type="NEW_INTENT")

    fixed = FixedPrices({"echo": 100}, token="T")
    assert await fixed.price(intent("echo")) == Offer(price=100, token="T")
    assert await fixed.price(intent("other")) is None
    moving = FixedPrices({"echo": 100}, jitter=0.1, source=random.Random(1))  # noqa: S311
    seen = {(await moving.price(intent("echo")) or Offer(price=0)).price for _ in range(200)}
    assert min(seen) >= 90
    assert max(seen) <= 110
    assert len(seen) > 5
    with pytest.raises(ValueError, match="jitter"):
        FixedPrices({}, jitter=1.0)


def test_evidence_is_recomputable_from_published_data() -> None:
    """Claim 8: the hashes commit to payload and result."""
    evidence = a_report(1).evidence
    assert evidence is not None
    assert evidence.inputs_hash == keccak256(b"in")
    assert evidence.outputs_hash == keccak256(b"out")
    again = execution_transcript(
        task=a_task(1), agent_id="agent-1", result=b"out", started_at=1, finished_at=2
    )
    assert evidence.proof_exec == keccak256(again)
    assert environment_fingerprint({"a": "b", "c": "d"}) == environment_fingerprint(
        {"c": "d", "a": "b"}
    )


async def test_the_journal_returns_what_was_put_in_and_in_order(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    async with SqliteDatabase(path, MIGRATIONS, identity="t") as database:
        journal = SqliteJournal(database)
        for number in range(5):
            await journal.accepted(a_task(number, data=bytes([number, 0xFF])))
        await journal.dropped(an_id(0))
        await journal.finished(a_report(2))
        await journal.finished(a_report(3))
        await journal.closed([an_id(3)])
    async with SqliteDatabase(path, MIGRATIONS, identity="t") as database:
        assert await SqliteJournal(database).load() == Remembered(
            accepted=(a_task(1, b"\x01\xff"), a_task(4, b"\x04\xff")),
            finished=(a_report(2),),
            closed=(an_id(3),),
        )


class ScriptedValidator(Validator):
    """Takes batches, or fails as told; refuses any batch that holds a poisoned report."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.sizes: list[int] = []
        self.poison = ""
        self.down = False

    @property
    def target(self) -> str:
        return "v"

    async def submit(self, reports: Sequence[ExecutionReport]) -> Sequence[ReportReceipt]:
        if self.down:
            raise Unreachable("SN-M510", "down")
        if any(r.report_id == self.poison for r in reports):
            raise Refused("SN-M511", "poison")
        self.sizes.append(len(reports))
        self.taken += [r.report_id for r in reports]
        return [
            ReportReceipt(report_id=r.report_id, validator_id="v", status="accepted", phase="")
            for r in reports
        ]


def reporter(validator: Validator, clock: ManualClock) -> Reporter:
    return Reporter(
        options=OPTIONS,
        validators=[validator],
        journal=NoJournal(),
        metrics=AgentMetrics(Metrics("agent")),
        clock=clock,
    )


async def test_one_poisoned_report_keeps_no_other_from_its_receipt() -> None:
    validator, clock = ScriptedValidator(), ManualClock()
    validator.poison = "r3"
    outbox = reporter(validator, clock)
    for number in range(8):
        outbox.deliver(a_report(number))
    work = asyncio.create_task(outbox.run())
    await clock.elapse(120)
    assert sorted(validator.taken) == [f"r{n}" for n in range(8) if n != 3]
    assert outbox.pending == 1
    validator.poison = ""
    await clock.elapse(30)
    assert outbox.pending == 0
    work.cancel()


async def test_a_report_is_given_up_only_after_the_retention() -> None:
    validator, clock = ScriptedValidator(), ManualClock()
    validator.down = True
    outbox = reporter(validator, clock)
    outbox.deliver(a_report(1, at=int(clock.now())))
    work = asyncio.create_task(outbox.run())
    await clock.elapse(80_000)
    assert outbox.pending == 1
    await clock.elapse(10_000)
    assert outbox.pending == 0
    work.cancel()


async def test_batches_are_bounded_in_bytes() -> None:
    validator, clock = ScriptedValidator(), ManualClock()
    outbox = reporter(validator, clock)
    for number in range(6):
        outbox.deliver(a_report(number, data=bytes(900_000)))
    work = asyncio.create_task(outbox.run())
    await clock.elapse(1)
    assert validator.sizes == [2, 2, 2]
    work.cancel()


class Whimsical(Bidding):
    """Crashes, overcharges, abstains."""

    async def price(self, intent: OpenIntent) -> Offer | None:
        if intent.intent_id == "crash":
            raise RuntimeError("boom")
        return {"huge": Offer(price=2**64), "less": Offer(price=-1)}.get(intent.intent_id)


async def test_bad_pricing_costs_a_bid_and_nothing_else() -> None:
    bidder = Bidder(
        options=OPTIONS,
        matcher=None,  # type: ignore[arg-type]
        bidding=Whimsical(),
        no_room=lambda: "",
        metrics=AgentMetrics(Metrics("agent")),
        clock=ManualClock(),
        chain_address=None,
    )
    for intent_id in ("crash", "huge", "less", "none"):
        await bidder.consider("echo", IntentUpdate(intent_id=intent_id, update_type="NEW_INTENT"))
    assert bidder._queue.empty()


class Listener:
    """A matcher that takes declines, or answers with an error."""

    def __init__(self, *errors: DependencyError) -> None:
        self.errors = list(errors)
        self.heard: list[tuple[str, str]] = []

    async def decline(self, declines: Sequence[OutgoingDecline]) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.heard += [(one.intent_id, one.reason) for one in declines]


class Modest(Bidding):
    """Says why it does not bid."""

    async def price(self, intent: OpenIntent) -> Offer | NoOffer | None:
        return NoOffer(reason=f"{intent.intent_type} is not worth it")


async def declined(listener: Listener, room: str, *intent_ids: str) -> Bidder:
    bidder = Bidder(
        options=OPTIONS,
        matcher=listener,  # type: ignore[arg-type]
        bidding=Modest(),
        no_room=lambda: room,
        metrics=AgentMetrics(Metrics("agent")),
        clock=ManualClock(),
        chain_address=None,
    )
    telling = asyncio.create_task(bidder.tell_declines())
    for intent_id in intent_ids:
        await bidder.consider("echo", IntentUpdate(intent_id=intent_id, update_type="NEW_INTENT"))
        await asyncio.sleep(0.01)
    telling.cancel()
    return bidder


async def test_an_agent_says_why_it_does_not_bid() -> None:
    listener = Listener()
    await declined(listener, "", "0x1")
    await declined(listener, "capacity 4/4", "0x2")
    assert listener.heard == [("0x1", "echo is not worth it"), ("0x2", "capacity 4/4")]


async def test_declining_goes_on_after_an_outage_and_stops_where_the_matcher_does_not_know_it() -> (
    None
):
    away = Listener(Unreachable("SN-M510", "away"))
    await declined(away, "", "0x1", "0x2")
    assert [one for one, _ in away.heard] == ["0x2"]
    old = Listener(Refused("SN-M511", "UNIMPLEMENTED"))
    bidder = await declined(old, "", "0x1", "0x2")
    assert old.heard == []
    assert bidder._declines.empty()


class ScriptedRegistry(Membership):
    """Plays a list of answers; None is fine, False is unknown, an error is raised."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)
        self.calls: list[str] = []

    async def register(self, capabilities: Sequence[str]) -> None:
        self._next("register")

    async def heartbeat(self) -> bool:
        return self._next("heartbeat") is not False

    async def unregister(self) -> None:
        self._next("unregister")

    def _next(self, call: str) -> object:
        self.calls.append(call)
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, Exception):
            raise answer
        return answer


async def test_membership_survives_an_absent_a_forgetful_and_a_refusing_registry() -> None:
    """R4: an agent that the registry has forgotten registers again."""
    registry = ScriptedRegistry(
        Unreachable("SN-N230", "absent"),
        None,
        None,
        False,
        Refused("SN-N231", "not yours"),
    )
    clock = ManualClock()
    work = asyncio.create_task(
        keep_registered(
            registry, capabilities=["echo"], every_seconds=30, backoff=Backoff(), clock=clock
        )
    )
    await clock.elapse(100)
    assert registry.calls == [
        "register",
        "register",
        "heartbeat",
        "heartbeat",
        "register",
        "register",
    ]
    work.cancel()
