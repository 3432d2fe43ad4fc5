"""What a validator tells RootLayer of the set: RootLayer finds the ledger's own first epochs in it."""

from tests.unit.validator.ledger_world import World, record, signer
from tests.unit.validator.test_ledger_sets import added, changed, identity

from pinai_subnet.adapters.signer.local import LocalSigner
from pinai_subnet.protocol.membership import SetAction
from pinai_subnet.rootlayer.sets import KnownSets
from pinai_subnet.validator.announcing import unannounced


def epoch(world: World, number: int, *, signed: bool = True) -> None:
    """Seal one epoch; everybody signs it."""
    world.verified(record(number))
    world.seal()
    if signed:
        for by in range(len(world.names)):
            world.sign(number, by=by)


def followed(world: World, number: int) -> list[int]:
    """Return the first epochs that RootLayer finds in the announcement before an epoch's batch."""
    found = unannounced(world.ledger, 1, number)
    assert found is not None
    sets = KnownSets(world.parameters)
    return [known.first_epoch for known in sets.check(found.changes, found.start, settled=set())]


def test_announced_first_epoch_is_the_ledgers() -> None:
    world = World()
    epoch(world, 1)
    epoch(world, 2)
    added(world, "validator-4")
    epoch(world, 3)
    assert unannounced(world.ledger, 1, 2) is None
    assert followed(world, 3) == [3] == [world.ledger.set_state().first_epoch]
    assert unannounced(world.ledger, 2, 3) is None


def test_sets_that_follow_each_other_are_announced_with_their_own_epochs() -> None:
    """Also where the first epoch of one is not final when a later one is."""
    world = World()
    epoch(world, 1)
    added(world, "validator-4")
    epoch(world, 2, signed=False)
    added(world, "validator-5")
    changed(world, SetAction.REMOVE, world.parameters.validators[0])
    epoch(world, 3)
    assert followed(world, 3) == [2, 3, 3]


def test_set_of_the_first_epoch_needs_no_header_before_it() -> None:
    world = World()
    added(world, "validator-4")
    epoch(world, 1)
    assert followed(world, 1) == [1]


def test_epoch_signed_with_the_former_key_proves_itself() -> None:
    world = World()
    epoch(world, 1)
    key = LocalSigner(b"\x55" * 32)
    changed(world, SetAction.ROTATE_KEY, identity("validator-1", key), key)
    world.verified(record(2))
    world.seal()
    for by in (0, 1):
        world.sign(2, by=by)
    assert world.ledger.signatures(2)[0][1].signer == signer("validator-1").address
    assert followed(world, 2) == [2]
