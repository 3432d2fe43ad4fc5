"""Agreement under seeded faults: no two leaders in a term, one order, nothing acknowledged is lost.

`SEEDS=100000 pytest tests/simulation/consensus/test_seeds.py` is the long run; a failing seed is in the test's name.
"""

import os
from pathlib import Path

import pytest
from tests.simulation.consensus.simulator import World

SEEDS = int(os.environ.get("SEEDS", "60"))


def disturb(world: World) -> None:
    """Do one random thing to the world."""
    chance = world.chance
    first, second = chance.sample(world.names, 2)
    match chance.randrange(9):
        case 0 | 1:
            world.disconnect(first, second)
        case 2 | 3:
            world.connect(first, second)
        case 4:
            world.network.stalled ^= {(first, second)}
        case 5:
            world.network.slow = chance.choice([0.001, 0.005, 0.03, 0.1])
        case 6:
            if first in world.engines:
                world.crash(first)
        case 7:
            for name in world.names:
                if name not in world.engines:
                    world.start(name)
        case _:
            for other in world.names:
                if other != first:
                    world.disconnect(first, other)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_nothing_acknowledged_is_lost_whatever_happens(seed: int, tmp_path: Path) -> None:
    with World(tmp_path, seed, size=5 if seed % 5 == 4 else 3) as world:
        for name in world.names:
            world.start(name)
        world.crash_odds = world.chance.choice([0.0, 0.001, 0.01])
        doubtful: list[bytes] = []
        for _ in range(world.chance.randrange(20, 50)):
            world.run(world.chance.uniform(0.02, 0.6))
            disturb(world)
            for _ in range(world.chance.randrange(25)):
                if world.engines:
                    name = world.chance.choice(sorted(world.engines))
                    again = doubtful and world.chance.random() < 0.2
                    command = world.chance.choice(doubtful) if again else None
                    doubtful.append(world.submit(name, command))
        world.assert_nothing_lost()


def test_the_same_seed_replays_the_same_history(tmp_path: Path) -> None:
    histories = []
    for attempt in ("first", "second"):
        (tmp_path / attempt).mkdir()
        with World(tmp_path / attempt, 5) as world:
            for name in world.names:
                world.start(name)
            world.crash_odds = 0.01
            for _ in range(15):
                world.run(0.3)
                disturb(world)
                if world.engines:
                    world.submit(min(world.engines))
            world.assert_nothing_lost()
            histories.append((world.applied, world.leaders, world.crashes, world.clock.now))
    assert histories[0] == histories[1]
