"""Seal, signatures, settlement: one order for all, only members' signatures, one final batch per epoch."""

from dataclasses import replace

import pytest
from tests.unit.validator.ledger_world import (
    START,
    START_MS,
    World,
    key_of,
    parameters,
    record,
    report,
    signature,
    signer,
)

from pinai_subnet.protocol.checkpoints import (
    commitment_state_root,
    header_hash,
    parent_hash,
    tagged_merkle_root,
)
from pinai_subnet.protocol.digests import batch_digest, items_hash
from pinai_subnet.protocol.ids import ZERO_BYTES32, address_bytes
from pinai_subnet.protocol.reports import proof_hash, result_hash
from pinai_subnet.validator.applied import Applied, Reply, ReplyStatus
from pinai_subnet.validator.commands import ItemSettlement, RecordSettlement, Seal
from pinai_subnet.validator.events import (
    BatchFinal,
    BatchSettled,
    CommandRefused,
    DoubleSignFound,
    EpochSealed,
    SignatureCounted,
    StageReached,
)
from pinai_subnet.validator.records import EpochState, Stage


def only(applied: Applied) -> Reply:
    (reply,) = applied.replies
    return reply


def epoch_of(world: World, number: int = 1) -> EpochState:
    state = world.ledger.epoch(number)
    assert state is not None
    return state


def stages(world: World, *numbers: int) -> list[Stage]:
    found = [world.ledger.assignment(record(n).assignment.assignment_id) for n in numbers]
    return [state.stage for state in found if state is not None]


def test_a_seal_fixes_items_and_their_order_and_every_digest_can_be_recomputed() -> None:
    """S2, S3, S4, S5: what is signed follows from the log and the published report alone."""
    world = World()
    records = [record(n) for n in (3, 1, 2)]
    reports = world.verified(*records)
    applied = world.seal(*(key_of(one) for one in records))
    epoch = epoch_of(world)
    assert [item.assignment_id for item in epoch.items] == [
        one.assignment.assignment_id for one in records
    ]
    assert [(item.result_hash, item.proof_hash) for item in epoch.items] == [
        (result_hash(one), proof_hash(one)) for one in reports
    ]
    assert all(item.executed_at == START + 1 for item in epoch.items)
    assert epoch.items_hash == items_hash(epoch.items)
    assert epoch.batch_digest == batch_digest(
        subnet_id=world.parameters.subnet_id,
        items_hash=epoch.items_hash,
        root_height=1,
        root_hash=ZERO_BYTES32,
        domain=world.parameters.domain,
    )
    assert epoch.header_hash == header_hash(epoch.header)
    assert EpochSealed(epoch=1) in applied.events
    assert world.ledger.epoch_by_header(epoch.header_hash) is epoch


def test_headers_are_chained_and_their_roots_are_real() -> None:
    """C2, S10: parent, time, epoch and every root follow from the log."""
    world = World()
    world.verified(record(1), record(2))
    world.judge(record(1), report(record(1)), by=2, passed=False)
    before = world.ledger.state_digest()
    world.seal(key_of(record(1)))
    world.now_ms -= 60_000
    world.seal(key_of(record(2)))
    first, second = epoch_of(world, 1), epoch_of(world, 2)
    assert first.header.parent_hash == b""
    assert second.header.parent_hash == parent_hash(first.header_hash) == second.root_hash
    assert second.header.timestamp == first.header.timestamp == START
    assert first.header.state_root == commitment_state_root(first.header, ledger_digest=before)
    state = world.ledger.assignment(record(1).assignment.assignment_id)
    assert state is not None
    assert first.header.assignments_root == tagged_merkle_root([record(1).record_signature])
    assert first.header.validation_commitment == tagged_merkle_root(
        [given.signature for given in state.verdicts.values()]
    )
    assert first.header.agent_root == tagged_merkle_root(
        [address_bytes(record(1).assignment.agent_address) + b"agent-0"]
    )
    assert first.header.event_root != second.header.event_root
    assert len(first.header.event_root) == 32


def test_a_late_verdict_does_not_change_what_a_checkpoint_commits_to() -> None:
    world = World()
    world.verified(record(1))
    world.seal(key_of(record(1)))
    world.judge(record(1), report(record(1)), by=2)
    state = world.ledger.assignment(record(1).assignment.assignment_id)
    assert state is not None
    assert (state.sealed_verdicts, len(state.verdicts)) == (2, 3)


def test_a_seal_of_anything_but_the_next_epochs_verified_work_is_refused() -> None:
    """M2: attacker-chosen epochs; S7: nothing unverified gets in."""
    world = World(max_items=2)
    world.verified(record(1), record(2), record(3))
    world.assign(record(4))
    world.send(report(record(4)))
    one, two, three, four = (key_of(record(n)) for n in (1, 2, 3, 4))
    refusals = [
        world.seal(one, epoch=0),
        world.seal(one, epoch=2),
        world.seal(one, epoch=1 << 60),
        world.seal(one, two, three),
        world.seal(one, one),
        world.seal(one, four),
        world.seal(one._replace(agent_address=signer("x").address)),
        world.seal(key_of(record(99))),
    ]
    assert [only(applied).code for applied in refusals] == ["SN-V030"] * 3 + ["SN-V031"] * 5
    assert all(isinstance(applied.events[-1], CommandRefused) for applied in refusals)
    assert world.ledger.next_epoch == 1
    assert only(world.seal(one, two)).status is ReplyStatus.ACCEPTED
    assert only(world.seal(one)).code == "SN-V031"


def test_a_seal_of_nothing_or_ahead_of_time_is_refused() -> None:
    """C2: the header's time is checked like everything else."""
    world = World()
    assert only(world.seal()).code == "SN-V031"
    world.verified(record(1))
    for timestamp in (START + 2, -1):
        seal = Seal(stamp=world.stamp(), epoch=1, keys=(key_of(record(1)),), timestamp=timestamp)
        assert only(world.apply(seal)).code == "SN-V033"


def test_several_epochs_may_wait_for_signatures_up_to_the_limit() -> None:
    """L13: a later epoch never drops an earlier one."""
    world = World(max_open_epochs=2)
    world.verified(record(1), record(2), record(3))
    world.seal(key_of(record(1)))
    world.seal(key_of(record(2)))
    assert world.ledger.sealable() == []
    full = only(world.seal(key_of(record(3))))
    assert (full.code, full.retryable) == ("SN-V032", True)
    for by in (0, 1):
        world.sign(2, by=by)
    assert world.ledger.sealable() == [key_of(record(3))]
    for by in (0, 1):
        world.sign(1, by=by)
    assert [epoch.epoch for epoch in world.ledger.unsettled_final_epochs()] == [1, 2]


def test_epochs_that_root_layer_has_not_answered_are_bounded() -> None:
    """L16, M2: with RootLayer away work waits; it does not pile up in memory."""
    world = World(max_unsettled_epochs=2)
    world.final(record(1))
    world.final(record(2))
    world.verified(record(3))
    assert only(world.seal(key_of(record(3)))).code == "SN-V032"
    world.settle(1)
    assert only(world.seal(key_of(record(3)))).status is ReplyStatus.ACCEPTED


def test_a_threshold_of_distinct_members_makes_a_batch_final_once() -> None:
    world = World()
    world.verified(record(1))
    world.seal()
    first = world.sign(1, by=2)
    again = world.sign(1, by=2)
    assert first.events == (SignatureCounted(epoch=1, validator_id=world.names[2]),)
    assert (only(again).status, again.events) == (ReplyStatus.DUPLICATE, ())
    assert [e.epoch for e in world.ledger.unsigned_epochs(world.names[0])] == [1]
    assert world.ledger.unsigned_epochs(world.names[2]) == []
    second = world.sign(1, by=0)
    assert BatchFinal(epoch=1) in second.events
    third = world.sign(1, by=1)
    assert BatchFinal(epoch=1) not in third.events
    assert stages(world, 1) == [Stage.FINAL]
    assert [member.id for member, _ in world.ledger.signatures(1)] == world.names


def test_a_signature_of_anyone_else_or_for_no_epoch_counts_nothing() -> None:
    """A4, C9, M2: no stranger, no borrowed signature, no future epoch."""
    world = World()
    world.verified(record(1))
    world.seal()
    state = epoch_of(world)
    stranger = signature(world.stamp(0), state, signer("stranger"))
    borrowed = signature(world.stamp(0), state, signer("validator-2"))
    half = replace(
        signature(world.stamp(0), state, signer("validator-1")),
        header_signature=signer("validator-2").sign(state.header_hash),
    )
    plain = replace(
        signature(world.stamp(0), state, signer("validator-1")),
        batch_signature=signer("validator-1").sign(state.batch_digest),
    )
    codes = [only(world.apply(one)).code for one in (stranger, borrowed, half, plain)]
    assert codes == ["SN-V036"] * 4
    future = signature(world.stamp(0), replace(state, epoch=7), signer("validator-1"))
    assert only(world.apply(future)).code == "SN-V034"
    assert not state.signatures
    assert not world.ledger.double_signs()


def test_a_signature_of_one_epoch_does_not_count_for_another() -> None:
    """C9: signatures are bound to their epoch's digest."""
    world = World()
    world.verified(record(1), record(2))
    world.seal(key_of(record(1)))
    world.seal(key_of(record(2)))
    moved = replace(signature(world.stamp(0), epoch_of(world, 1), signer("validator-1")), epoch=2)
    assert only(world.apply(moved)).code == "SN-V035"
    assert not epoch_of(world, 2).signatures


@pytest.mark.parametrize("over_header", [False, True])
@pytest.mark.parametrize("wrong_first", [False, True])
def test_two_signatures_of_one_member_for_one_epoch_are_kept_as_evidence(
    *, over_header: bool, wrong_first: bool
) -> None:
    """C3, S6: a conflicting signature is proof, whichever came first, and both signatures are in it."""
    world = World()
    world.verified(record(1))
    world.seal()
    key, other = signer("validator-1"), b"\x07" * 32
    changes: dict[str, object] = (
        {"header_hash": other, "header_signature": key.sign(other)}
        if over_header
        else {"batch_digest": other, "batch_signature": key.sign_eip191(other)}
    )
    applied = (
        [world.sign(1, **changes), world.sign(1)]
        if wrong_first
        else [world.sign(1), world.sign(1, **changes)]
    )
    assert [only(one).code for one in applied] == (
        ["SN-V035", ""] if wrong_first else ["", "SN-V035"]
    )
    assert DoubleSignFound(epoch=1, validator_id=world.names[0]) in applied[1].events
    (found,) = world.ledger.double_signs()
    own = epoch_of(world).header_hash if over_header else epoch_of(world).batch_digest
    assert {found.first_digest, found.second_digest} == {own, other}
    assert found.first_signature != found.second_signature
    world.sign(1, **changes)
    assert len(world.ledger.double_signs()) == 1
    assert world.names[0] in epoch_of(world).signatures


def test_a_forged_conflict_accuses_nobody() -> None:
    """C3: evidence needs the member's own signature."""
    world = World()
    world.verified(record(1))
    world.seal()
    world.sign(1)
    other = b"\x07" * 32
    for made in (signer("validator-2").sign_eip191(other), bytes(65), b""):
        applied = world.sign(1, batch_digest=other, batch_signature=made)
        assert only(applied).code == "SN-V035"
    assert not world.ledger.double_signs()


def test_evidence_is_bounded_and_the_oldest_stays() -> None:
    """M2: a member cannot push out the proof against it."""
    world = World(max_double_signs=1)
    for number in (1, 2):
        world.final(record(number))
        other = bytes([number]) * 32
        world.sign(
            number, batch_digest=other, batch_signature=signer("validator-1").sign_eip191(other)
        )
    assert [found.epoch for found in world.ledger.double_signs()] == [1]


def test_settlement_ends_every_item_as_root_layer_said_and_drops_the_results() -> None:
    """L1, C8: settled is an entry of the log, so every validator forgets alike."""
    world = World()
    epoch = world.final(record(1), record(2))
    assert world.ledger.unsettled_final_epochs() == [epoch_of(world)]
    applied = world.settle(epoch, refuse=(1,))
    assert BatchSettled(epoch=1) in applied.events
    reached = [event for event in applied.events if isinstance(event, StageReached)]
    assert [(e.stage, e.code, e.reason, e.epoch) for e in reached] == [
        (Stage.SETTLED, "", "", 1),
        (Stage.SETTLEMENT_REFUSED, "SN-V038", "refused by the chain", 1),
    ]
    state = world.ledger.assignment(record(1).assignment.assignment_id)
    assert state is not None
    assert state.report is not None
    assert state.report.result_data == b""
    assert state.result_hash == result_hash(report(record(1)))
    assert not world.ledger.unsettled_final_epochs()


def test_settlement_counts_once_and_only_for_final_epochs() -> None:
    """C11: a second answer, the same or another, changes nothing."""
    world = World()
    world.verified(record(1))
    world.seal()
    assert only(world.settle(1)).code == "SN-V037"
    world.sign(1, by=0)
    world.sign(1, by=1)
    short = RecordSettlement(stamp=world.stamp(), epoch=1, results=())
    assert only(world.apply(short)).code == "SN-V037"
    assert only(world.settle(1)).status is ReplyStatus.ACCEPTED
    assert only(world.settle(1, by=1)).status is ReplyStatus.DUPLICATE
    assert only(world.settle(1, refuse=(0,))).code == "SN-V037"
    unknown = RecordSettlement(
        stamp=world.stamp(), epoch=5, results=(ItemSettlement(ok=True, message="", receipt_id=""),)
    )
    assert only(world.apply(unknown)).code == "SN-V037"
    assert stages(world, 1) == [Stage.SETTLED]


def test_a_refused_result_ends_its_intent_for_good() -> None:
    world = World()
    world.settle(world.final(record(1, intent=1)), refuse=(0,))
    assert only(world.assign(record(2, intent=1))).code == "SN-V009"


def test_expiry_never_touches_verified_or_sealed_work() -> None:
    """L13, L16: agreed work waits for RootLayer as long as it takes."""
    world = World()
    world.final(record(1))
    world.verified(record(2))
    world.now_ms += 365 * 24 * 3600 * 1000
    assert not world.expire().events
    assert stages(world, 1, 2) == [Stage.FINAL, Stage.VERIFIED]


def test_both_quorums_are_shown() -> None:
    """C16: five validators at 4/5 survive two losses for the log and one for signatures."""
    world = World(members=5, numerator=4, denominator=5)
    assert (world.ledger.quorum.raft_majority, world.ledger.quorum.required_signatures) == (3, 4)
    assert world.ledger.members() == parameters(5, 4, 5).validators
    assert world.ledger.now_ms == 0
    world.expire()
    assert world.ledger.now_ms == START_MS
