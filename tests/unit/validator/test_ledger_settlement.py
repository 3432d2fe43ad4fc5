"""RootLayer's answer counts when a majority was given it. One member's word settles nothing and is not forgotten."""

import pytest
from tests.unit.validator.ledger_world import World, key_of, record

from pinai_subnet.validator.applied import ReplyStatus
from pinai_subnet.validator.commands import ItemSettlement, RecordSettlement
from pinai_subnet.validator.events import BatchSettled, SettlementClaimed, SettlementDisputed
from pinai_subnet.validator.records import Stage
from pinai_subnet.validator.snapshot_codec import decode_snapshot, encode_snapshot


def stages(world: World, *numbers: int) -> list[Stage]:
    found = [world.ledger.assignment(key_of(record(n)).assignment_id) for n in numbers]
    return [state.stage for state in found if state is not None]


@pytest.mark.parametrize(("members", "needed"), [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3)])
def test_an_epoch_settles_when_a_majority_reports_the_same_answer(
    members: int, needed: int
) -> None:
    """Point 9: a lying minority cannot mark an epoch settled that RootLayer never saw."""
    world = World(members=members)
    assert world.final(record(1), record(2)) == 1
    for by in range(needed - 1):
        applied = world.claim(1, refuse=(1,), by=by)
        assert applied.events == (SettlementClaimed(epoch=1, validator_id=world.names[by]),)
        assert applied.replies[0].status is ReplyStatus.ACCEPTED
        assert [epoch.epoch for epoch in world.ledger.unsettled_final_epochs()] == [1]
    applied = world.claim(1, refuse=(1,), by=needed - 1)
    assert BatchSettled(epoch=1) in applied.events
    assert stages(world, 1, 2) == [Stage.SETTLED, Stage.SETTLEMENT_REFUSED]
    epoch = world.ledger.epoch(1)
    assert epoch is not None
    assert epoch.settled_by == tuple(world.names[:needed])
    assert not epoch.claims
    assert not world.ledger.settlement_disputes()


def test_one_member_repeating_itself_is_still_one_member() -> None:
    world = World()
    epoch = world.final(record(1))
    for _ in range(5):
        world.claim(epoch, by=2)
    assert stages(world, 1) == [Stage.FINAL]
    assert world.claim(epoch, by=2).replies[0].status is ReplyStatus.DUPLICATE


@pytest.mark.parametrize("liar_first", [True, False])
def test_a_member_that_says_otherwise_is_outvoted_and_named(*, liar_first: bool) -> None:
    world = World()
    epoch = world.final(record(1))
    if liar_first:
        world.claim(epoch, refuse=(0,), by=2)
    world.claim(epoch, by=0)
    applied = world.claim(epoch, by=1)
    if not liar_first:
        applied = world.claim(epoch, refuse=(0,), by=2)
        assert applied.replies[0].code == "SN-V037"
    assert SettlementDisputed(epoch=1, validator_id=world.names[2]) in applied.events
    assert stages(world, 1) == [Stage.SETTLED]
    (found,) = world.ledger.settlement_disputes()
    assert (found.validator_id, found.claimed, found.agreed) == (world.names[2], (False,), (True,))
    world.claim(epoch, refuse=(0,), by=2)
    assert len(world.ledger.settlement_disputes()) == 1


def test_a_member_that_asked_again_and_was_answered_otherwise_may_say_so() -> None:
    """RootLayer may take later what it refused at first; that is no lie."""
    world = World()
    epoch = world.final(record(1))
    world.claim(epoch, refuse=(0,), by=0)
    world.claim(epoch, by=1)
    assert stages(world, 1) == [Stage.FINAL]
    world.claim(epoch, by=0)
    assert stages(world, 1) == [Stage.SETTLED]
    assert not world.ledger.settlement_disputes()


def test_different_words_about_the_same_outcome_do_not_hold_a_settlement_up() -> None:
    """Receipts and messages are RootLayer's business: which items it took is what counts."""
    world = World(members=5)
    epoch = world.final(record(1))
    for by, receipt in enumerate(("x", "r", "r")):
        result = ItemSettlement(ok=True, message="m" * 5000, receipt_id=receipt)
        world.apply(RecordSettlement(stamp=world.stamp(by), epoch=epoch, results=(result,)))
    state = world.ledger.epoch(epoch)
    assert state is not None
    assert state.settled_at_ms is not None
    assert state.results[0].receipt_id == "r"
    assert len(state.results[0].message) == 1024


def test_disputes_are_bounded_and_the_oldest_stays() -> None:
    """M2: a member cannot push out what is held against it."""
    world = World(max_settlement_disputes=1)
    for number in (1, 2):
        epoch = world.final(record(number))
        world.settle(epoch)
        world.claim(epoch, refuse=(0,), by=2)
    assert [found.epoch for found in world.ledger.settlement_disputes()] == [1]


def test_claims_and_disputes_survive_a_snapshot() -> None:
    world = World()
    world.settle(world.final(record(1)))
    world.claim(1, refuse=(0,), by=2)
    world.claim(world.final(record(2)), by=0)
    data = encode_snapshot(world.ledger)
    restored = decode_snapshot(data, world.parameters, world.limits)
    assert encode_snapshot(restored) == data
    for ledger in (restored, world.ledger):
        stamp = world.stamp(1, request_id="same")
        result = ItemSettlement(ok=True, message="", receipt_id="receipt-0")
        command = RecordSettlement(stamp=stamp, epoch=2, results=(result,))
        applied = ledger.apply(len(world.log) + 1, command)
        assert BatchSettled(epoch=2) in applied.events
    assert restored.state_digest() == world.ledger.state_digest()
    assert encode_snapshot(restored) == encode_snapshot(world.ledger)
