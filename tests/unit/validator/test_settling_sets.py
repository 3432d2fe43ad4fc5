"""RootLayer hears of a new validator set before any epoch of that set is settled, canaries too."""

from collections.abc import Callable, Sequence
from typing import Any

from tests.integration.validator.test_canary import canary
from tests.unit.validator.ledger_world import World, record
from tests.unit.validator.test_ledger_sets import added

from pinai_subnet.ports.root_layer import ItemResult, SignedBatch
from pinai_subnet.protocol.membership import SignedSetChange
from pinai_subnet.protocol.set_starts import SetStart
from pinai_subnet.runtime.clock import SystemClock
from pinai_subnet.runtime.health import Progress
from pinai_subnet.runtime.metrics import Metrics
from pinai_subnet.validator.ledger import Ledger
from pinai_subnet.validator.loops.settle import SettleEpochs
from pinai_subnet.validator.metrics import ValidatorMetrics
from pinai_subnet.validator.settlement_pause import SettlementPause


class Leader:
    """The replica of the first validator of a ledger world."""

    def __init__(self, world: World) -> None:
        self.validator_id = world.names[0]
        self.leading = True
        self._world = world

    def read(self, query: Callable[[Ledger], Any]) -> Any:
        return query(self._world.ledger)

    async def propose(self, command: Callable[..., Any]) -> Any:
        applied = self._world.apply(command(self._world.stamp()))
        # The others report the same.
        epoch = next(one for one in self._world.ledger.epochs() if one.claims)
        self._world.settle(epoch.epoch, by=1)
        return applied.replies


class Listening:
    """A RootLayer that notes what it is told, in order."""

    def __init__(self) -> None:
        self.told: list[str] = []

    async def follow_sets(self, changes: Sequence[SignedSetChange], start: SetStart) -> None:
        self.told += [f"set {one.change.version}" for one in changes]

    async def submit_batch(self, batch: SignedBatch) -> list[ItemResult]:
        self.told.append(f"epoch {batch.epoch}")
        return [ItemResult(ok=True, message="", receipt_id="r")] * len(batch.items)


async def test_a_set_that_begins_with_a_canary_is_announced_before_that_is_settled() -> None:
    """Otherwise RootLayer would refuse every later batch of the set: a settled epoch says that it knows it."""
    world, root_layer = World(), Listening()
    duty = SettleEpochs(
        replica=Leader(world),  # type: ignore[arg-type]
        root_layer=root_layer,  # type: ignore[arg-type]
        refused_attempts=3,
        early_attempts=3,
        clock=SystemClock(),
        progress=Progress(clock=SystemClock(), within_seconds=60, what="settling"),
        pause=SettlementPause(),
        metrics=ValidatorMetrics(Metrics("validator")),
    )
    world.final(record(1))
    assert await duty.work()
    added(world, "validator-4")
    dry = world.final(canary(2))
    assert await duty.work()
    state = world.ledger.epoch(dry)
    assert state is not None
    assert state.settled_at_ms is not None
    world.final(record(3))
    assert await duty.work()
    assert root_layer.told == ["epoch 1", "set 2", "epoch 3"]
