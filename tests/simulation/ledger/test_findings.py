"""Schedules in which the simulator once found something wrong with a validator, written before it was mended."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.simulation.ledger.world import LedgerWorld

from pinai_subnet.protocol.membership import SetAction

LEAVER = "validator-2"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[LedgerWorld]:
    with LedgerWorld(tmp_path, 1, size=4, goals=[(SetAction.REMOVE, LEAVER)]) as made:
        for name in made.names:
            made.start(name)
        made.run(2.0)
        yield made


def test_removed_validator_whose_command_comes_too_late_goes_on(world: LedgerWorld) -> None:
    """Its signature reached the log after its removal; the refusal had no reply, which ended the process."""
    others = [name for name in world.names if name != LEAVER]
    world.network.stalled |= {(LEAVER, other) for other in others}
    for _ in range(4):
        world.new_job()
    for _ in range(6):
        world.push(others[0])
        world.run(0.3)
        if world.reached(others[0]) == 0:
            world.ask_for_change(others[0])
    assert world.reached(others[0]) == 1, "it was not removed"
    world.network.stalled.clear()
    world.run(5.0)
    assert not world.takes_part(LEAVER)
    world.assert_everything_ended()
