"""Agreement under seeded faults: no two leaders in a term, one order, nothing acknowledged is lost.

`make simulate SEEDS=100000` is the long run, `make simulate SEED=17` replays one; a failing seed prints its schedule.
"""

import os
from pathlib import Path

import pytest
from tests.simulation.consensus.schedule import Schedule, disturb, run_seed
from tests.simulation.consensus.simulator import World

SEEDS = int(os.environ.get("SEEDS", "60"))


@pytest.mark.parametrize("seed", range(SEEDS))
def test_nothing_acknowledged_is_lost_whatever_happens(seed: int, tmp_path: Path) -> None:
    run_seed(seed, tmp_path)


def test_the_same_seed_replays_the_same_history(tmp_path: Path) -> None:
    histories = []
    for attempt in ("first", "second"):
        (tmp_path / attempt).mkdir()
        schedule = Schedule(5)
        with World(tmp_path / attempt, 5) as world:
            for name in world.names:
                world.start(name)
            world.crash_odds = 0.01
            for _ in range(15):
                world.run(0.3)
                disturb(world, schedule)
                if world.engines:
                    world.submit(min(world.engines))
            world.assert_nothing_lost()
            histories.append(
                (world.applied, world.leaders, world.crashes, world.clock.now, schedule.steps)
            )
    assert histories[0] == histories[1]
