"""What holds for every log: no command raises, equal logs give equal ledgers, nothing is sealed or final twice."""

from collections import Counter
from dataclasses import replace
from functools import cache
from random import Random

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.unit.validator.ledger_world import (
    START,
    SUBNET,
    World,
    key_of,
    parameters,
    record,
    report,
    signer,
)

from pinai_subnet.protocol.assignments import AssignmentRecord
from pinai_subnet.protocol.digests import batch_digest, items_hash
from pinai_subnet.protocol.ids import AgentId, AssignmentId, ValidatorId
from pinai_subnet.protocol.reports import ReportKey, ReportStatus
from pinai_subnet.protocol.signatures import recover, recover_eip191
from pinai_subnet.validator.applied import ReplyStatus
from pinai_subnet.validator.commands import (
    Command,
    Expire,
    ItemSettlement,
    ReceiveReports,
    RecordAssignments,
    RecordSettlement,
    RecordSignature,
    RecordVerdicts,
    Seal,
    Stamp,
    Verdict,
)
from pinai_subnet.validator.events import BatchFinal, EpochSealed, StageReached
from pinai_subnet.validator.evidence import verdict_digest
from pinai_subnet.validator.ledger import Ledger
from pinai_subnet.validator.limits import LedgerLimits
from pinai_subnet.validator.records import AssignmentState, Stage
from pinai_subnet.validator.snapshot_codec import decode_snapshot, encode_snapshot

TIGHT = {
    "max_ended": 3,
    "max_assignments": 12,
    "max_open": 9,
    "max_attempts": 3,
    "max_held": 3,
    "max_held_per_assignment": 2,
    "max_result_bytes": 40,
    "max_items": 3,
    "max_open_epochs": 2,
    "max_unsettled_epochs": 3,
    "retained_epochs": 2,
    "max_double_signs": 2,
    "max_request_ids": 6,
    "max_kept_replies": 12,
    "max_sealed_intents": 6,
    "verdict_timeout_ms": 20_000,
    "hold_ms": 10_000,
}

Step = tuple[str, int, int, int]
ACTIONS = [
    "assign",
    "report",
    "judge",
    "judge",
    "seal",
    "sign",
    "sign",
    "settle",
    "expire",
    "wait",
    "retry",
    "lie",
    "work",
    "work",
]


def history(seed: int, length: int) -> list[Step]:
    """Evenly drawn steps: drawn one by one they would rarely get as far as a settled batch."""
    drawn = Random(seed)  # noqa: S311 - a test's dice, not a key
    return [
        (drawn.choice(ACTIONS), drawn.randrange(24), drawn.randrange(3), drawn.randrange(8))
        for _ in range(length)
    ]


STEPS = st.builds(history, seed=st.integers(0, 1 << 32), length=st.integers(5, 60))


@cache
def made(number: int) -> AssignmentRecord:
    # Up to three attempts of each of eight intents, with deadlines from soon to late.
    return record(
        number,
        intent=number % 8,
        agent=number % 3,
        deadline=START + 15 + 4 * number,
        attempt=1 + number // 8,
    )


class Driver(World):
    """Turns drawn numbers into commands that are mostly right and sometimes wrong."""

    def step(self, step: Step) -> None:
        action, number, by, twist = step
        getattr(self, f"do_{action}")(number, by, twist)

    def do_assign(self, number: int, by: int, twist: int) -> None:
        records = [made(number), made((number + 8) % 24)]
        if twist == 7:
            records[0] = replace(records[0], attempt=99)
        self.assign(*records[: 1 + twist % 2], by=by)

    def do_report(self, number: int, by: int, twist: int) -> None:
        waiting = [one for one in self.ledger.assignments() if one.stage is Stage.ASSIGNED]
        of = waiting[number % len(waiting)].record if waiting and twist < 4 else made(number)
        sent = report(
            of,
            result=bytes(twist),
            timestamp=-1 if twist == 7 else START + twist,
            agent_id=AgentId("somebody") if twist == 6 else of.agent_id,
            signer=of.assignment.agent_address if twist % 2 else None,
        )
        self.send(sent, hold=twist != 5, by=by)

    def do_judge(self, number: int, by: int, twist: int) -> None:
        states = list(self.ledger.pending_verdicts(self.names[by]))
        if twist == 7:
            states = [one for one in self.ledger.assignments() if one.report is not None]
        given = [
            verdict_of(state, self.names[by], passed=twist != 0 or number % 3 != 0)
            for number, state in enumerate(states, start=number)
        ]
        self.apply(RecordVerdicts(stamp=self.stamp(by), verdicts=tuple(given)))

    def do_seal(self, number: int, by: int, twist: int) -> None:
        keys = list(self.ledger.sealable())[: 1 + twist % 3]
        if twist == 7:
            keys.append(key_of(made(number)))
        epoch = self.ledger.next_epoch + (twist == 6)
        self.apply(
            Seal(stamp=self.stamp(by), epoch=epoch, keys=tuple(keys), timestamp=self.now_ms // 1000)
        )

    def do_sign(self, number: int, by: int, twist: int) -> None:
        epochs = list(self.ledger.epochs())
        if twist < 3:
            epochs = list(self.ledger.unsigned_epochs(self.names[by]))
        if not epochs:
            return
        epoch = epochs[number % len(epochs)].epoch
        other = bytes((twist,)) * 32
        key = signer(self.names[by if twist != 7 else (by + 1) % 3])
        changes: dict[str, object] = {}
        if twist in (5, 7):
            changes = {"batch_digest": other, "batch_signature": key.sign_eip191(other)}
        elif twist == 6:
            changes = {"header_hash": other, "header_signature": key.sign(other)}
        elif twist == 4:
            changes = {"batch_signature": bytes(65)}
        self.sign(epoch, by=by, **changes)

    def do_settle(self, number: int, by: int, twist: int) -> None:
        epochs = list(self.ledger.unsettled_final_epochs() if twist < 6 else self.ledger.epochs())
        if epochs:
            epoch = epochs[number % len(epochs)].epoch
            self.settle(epoch, by=by, refuse=(0,) if twist == 0 else ())

    def do_work(self, number: int, by: int, twist: int) -> None:
        """A whole round, so that histories get far enough to settle and forget."""
        self.do_assign(number, by, 1)
        for turn in range(4):
            self.do_report(number + turn, by, 2)
        for member in (by, (by + 1) % 3):
            self.do_judge(number, member, 1 + twist % 5)
        self.do_seal(number, by, 2)
        for member in (by, (by + 2) % 3):
            self.do_sign(number, member, 0)
        self.do_settle(number, by, twist)

    def do_expire(self, number: int, by: int, twist: int) -> None:
        self.expire(by)

    def do_wait(self, number: int, by: int, twist: int) -> None:
        self.now_ms += (number - 2) * (2000 if twist >= 6 else 200)

    def do_retry(self, number: int, by: int, twist: int) -> None:
        if self.log:
            self.apply(self.log[-1 - number % len(self.log)])

    def do_lie(self, number: int, by: int, twist: int) -> None:
        # An old command in another member's name, or a stranger's.
        if self.log:
            command = self.log[-1 - number % len(self.log)]
            name = self.names[by] if twist else ValidatorId("stranger")
            stamp = replace(self.stamp(by), proposer=name)
            self.apply(replace(command, stamp=stamp))


def verdict_of(state: AssignmentState, name: ValidatorId, *, passed: bool) -> Verdict:
    given = Verdict(
        key=state.key,
        report_digest=state.report_digest,
        passed=passed,
        code="" if passed else "SN-V050",
        reason="",
        rules=(),
        policy_id="p",
        signature=b"",
    )
    digest = verdict_digest(given, subnet_id=SUBNET, validator_id=name)
    return replace(given, signature=signer(name).sign(digest))


def check_bounds(ledger: Ledger) -> None:
    state, limits, tables = ledger.state, ledger.limits, ledger._tables
    assert len(state.assignments) <= limits.max_assignments
    assert tables.open_count <= limits.max_open
    assert sum(map(len, state.held.values())) == tables.held_count <= limits.max_held
    assert len(tables.open_epochs) <= limits.max_open_epochs
    assert len(tables.open_epochs) + len(tables.unsettled_epochs) <= limits.max_unsettled_epochs
    assert len(tables.settled_epochs) <= limits.retained_epochs
    assert len(state.double_signs) <= limits.max_double_signs
    assert len(state.requests) <= limits.max_request_ids
    assert state.kept_replies == sum(len(kept.replies) for kept in state.requests.values())
    assert state.kept_replies <= limits.max_kept_replies
    assert len(state.sealed_intents) <= limits.max_sealed_intents
    results = [one.report for one in state.assignments.values() if one.report is not None]
    results += [held.report for held in ledger.held_reports()]
    assert tables.result_bytes == sum(len(one.result_data) for one in results)
    assert tables.result_bytes <= limits.max_result_bytes
    overdue = [entry for entry in tables.ended if entry[0] < state.now_ms]
    assert len(overdue) <= limits.max_ended or len(tables.ended) <= limits.max_ended


def check_agreement(ledger: Ledger) -> None:
    """What a batch holds is verified, signed by members over the recomputed digest, and in one epoch only."""
    addresses = {member.id: member.address for member in ledger.parameters.validators}
    for epoch in ledger.epochs():
        assert epoch.batch_digest == batch_digest(
            subnet_id=ledger.parameters.subnet_id,
            items_hash=items_hash(epoch.items),
            root_height=epoch.epoch,
            root_hash=epoch.root_hash,
            domain=ledger.parameters.domain,
        )
        for name, given_signature in epoch.signatures.items():
            assert (
                recover_eip191(epoch.batch_digest, given_signature.batch_signature)
                == recover(epoch.header_hash, given_signature.header_signature)
                == addresses[name]
            )
        enough = len(epoch.signatures) >= ledger.quorum.required_signatures
        assert enough == (epoch.final_at_ms is not None)


@given(STEPS)
@example(history(4252, 39))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_history_keeps_the_rules(steps: list[Step]) -> None:
    """L1, L15, C3, C8, C9, S4, S5, S6, M2: the invariants of consensus.md after every command.

    An intent is sealed once as long as its seal is remembered. The example is one whose seal is forgotten behind the
    bound, for another attempt, with a deadline of its own, to be sealed.
    """
    world = Driver(**TIGHT)
    finals: Counter[int] = Counter()
    seals: Counter[int] = Counter()
    sealed_intents: list[str] = []
    sequences: list[int] = []

    def apply(command: Command) -> object:
        applied = World.apply(world, command)
        for event in applied.events:
            match event:
                case BatchFinal(epoch=epoch):
                    finals[epoch] += 1
                case EpochSealed(epoch=epoch):
                    seals[epoch] += 1
                case StageReached(stage=Stage.SEALED, intent_id=intent_id):
                    assert intent_id not in sealed_intents[-TIGHT["max_sealed_intents"] :]
                    sealed_intents.append(intent_id)
                case _:
                    pass
            if isinstance(event, StageReached) and event.sequence:
                sequences.append(event.sequence)
        check_bounds(world.ledger)
        return applied

    world.apply = apply  # type: ignore[method-assign, assignment]
    for step in steps:
        world.step(step)
    check_agreement(world.ledger)
    assert set(finals.values()) | set(seals.values()) <= {1}
    assert sequences == list(range(1, len(sequences) + 1))
    feed = [outcome.sequence for outcome in world.ledger.outcomes_after(0)]
    assert feed == sorted(set(feed))


@given(STEPS, st.integers(0, 60))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_snapshot_at_any_point_gives_the_same_future(steps: list[Step], cut: int) -> None:
    """C4, C5, C6: replay, snapshot and original cannot be told apart, now or later."""
    world = Driver(**TIGHT)
    for step in steps:
        world.step(step)
    cut = min(cut, len(world.log))
    limits = LedgerLimits(**TIGHT)
    first, restored = Ledger(parameters(), limits), Ledger(parameters(), limits)
    for index, command in enumerate(world.log, start=1):
        assert first.apply(index, command) == restored.apply(index, command)
        if index == cut:
            restored = decode_snapshot(encode_snapshot(restored), parameters(), limits)
    assert first.state_digest() == restored.state_digest() == world.ledger.state_digest()
    assert encode_snapshot(first) == encode_snapshot(restored) == encode_snapshot(world.ledger)
    for query in (
        lambda ledger: [state.key for state in ledger.pending_verdicts(world.names[0])],
        lambda ledger: ledger.sealable(),
        lambda ledger: ledger.outcomes_after(0),
        lambda ledger: [epoch.epoch for epoch in ledger.unsettled_final_epochs()],
        lambda ledger: [epoch.epoch for epoch in ledger.unsigned_epochs(world.names[1])],
        lambda ledger: ledger.counts(),
    ):
        assert query(first) == query(restored)


@given(STEPS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_accepted_report_ends_once_the_validators_do_their_work(steps: list[Step]) -> None:
    """L15, V4, L16: whatever came before, enough work and time bring every assignment to an end."""
    world = Driver(**{**TIGHT, "max_assignments": 100, "max_open": 100})
    for step in steps:
        world.step(step)
    for _ in range(60):
        for by, name in enumerate(world.names):
            for epoch in world.ledger.unsigned_epochs(name):
                world.sign(epoch.epoch, by=by)
        for epoch in world.ledger.unsettled_final_epochs():
            world.settle(epoch.epoch)
        if world.ledger.sealable():
            world.seal()
    world.now_ms += 10_000_000
    world.expire()
    open_stages = [s for s in Stage if not s.ended and world.ledger.counts()[s]]
    assert open_stages == []
    assert not list(world.ledger.held_reports())
    assert world.ledger._tables.result_bytes == 0


@given(STEPS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_duplicate_report_is_always_answered_with_the_first_receipt(steps: list[Step]) -> None:
    """C8: also after settlement, as long as the assignment is remembered."""
    world = Driver(**{**TIGHT, "max_ended": 100, "max_assignments": 100})
    for step in steps:
        world.step(step)
    for number in range(24):
        state = world.ledger.assignment(made(number).assignment.assignment_id)
        if state is None or state.report is None:
            continue
        (reply,) = world.send(report(made(number), timestamp=START + 999)).replies
        assert (reply.status, reply.at_ms) == (
            ReplyStatus.DUPLICATE,
            state.times[Stage.REPORTED],
        )


TEXTS = st.text(max_size=20) | st.just("\ud800") | st.just("x" * 3000)
NUMBERS = st.integers() | st.just(1) | st.just(START)
BYTES = st.binary(max_size=70) | st.just(bytes(32)) | st.just(bytes(65))
STAMPS = st.builds(
    Stamp,
    request_id=TEXTS,
    proposer=st.sampled_from(["validator-1", "validator-2", "x"]) | TEXTS,
    at_ms=NUMBERS | st.just(START * 1000),
)
KEYS = st.builds(ReportKey, TEXTS | st.just(made(1).assignment.assignment_id), TEXTS)
RECORDS = st.builds(
    replace,
    st.just(made(1)),
    agent_id=TEXTS,
    intent_type=TEXTS,
    assigned_at=NUMBERS,
    deadline=NUMBERS,
    attempt=NUMBERS,
    intent_params_hash=BYTES,
    record_signature=BYTES,
) | st.builds(
    lambda text, other, number: replace(
        made(1),
        assignment=replace(
            made(1).assignment, assignment_id=text, agent_address=other, status=number
        ),
    ),
    TEXTS,
    TEXTS,
    NUMBERS,
)
REPORTS = st.builds(
    replace,
    st.just(report(made(1))),
    assignment_id=TEXTS | st.just(AssignmentId(made(1).assignment.assignment_id)),
    intent_id=TEXTS,
    agent_id=TEXTS | st.just("agent-1"),
    report_id=TEXTS,
    status=st.sampled_from(list(ReportStatus)),
    timestamp=NUMBERS,
    result_data=BYTES,
    root_height=NUMBERS,
    signer=st.none() | TEXTS,
)
VERDICTS = st.builds(
    Verdict,
    key=KEYS,
    report_digest=BYTES,
    passed=st.booleans(),
    code=TEXTS,
    reason=TEXTS,
    rules=st.tuples(TEXTS),
    policy_id=TEXTS,
    signature=BYTES,
)
WILD = st.one_of(
    st.builds(RecordAssignments, stamp=STAMPS, records=st.tuples(RECORDS)),
    st.builds(ReceiveReports, stamp=STAMPS, reports=st.tuples(REPORTS), hold_unknown=st.booleans()),
    st.builds(RecordVerdicts, stamp=STAMPS, verdicts=st.tuples(VERDICTS)),
    st.builds(Seal, stamp=STAMPS, epoch=NUMBERS, keys=st.tuples(KEYS), timestamp=NUMBERS),
    st.builds(
        RecordSignature,
        stamp=STAMPS,
        epoch=NUMBERS,
        batch_digest=BYTES,
        batch_signature=BYTES,
        header_hash=BYTES,
        header_signature=BYTES,
    ),
    st.builds(
        RecordSettlement,
        stamp=STAMPS,
        epoch=NUMBERS,
        results=st.tuples(
            st.builds(ItemSettlement, ok=st.booleans(), message=TEXTS, receipt_id=TEXTS)
        ),
    ),
    st.builds(Expire, stamp=STAMPS),
)


@given(st.lists(WILD, max_size=8))
@settings(max_examples=150, deadline=None)
def test_no_command_raises_whatever_it_holds(commands: list[Command]) -> None:
    """A2, C7, consensus finding E: an invalid command is a recorded rejection."""
    world = World()
    world.verified(record(50))
    world.seal()
    for command in commands:
        applied = world.apply(command)
        assert all(reply.code for reply in applied.replies if reply.status == "rejected")
    assert world.replay().state_digest() == world.ledger.state_digest()
