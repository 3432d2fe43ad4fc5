"""One seed's history: what is done to a simulated group, step by step, so that a failure can be read and replayed."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from tests.simulation.consensus.simulator import World

from pinai_subnet.ports.errors import DependencyError

W = TypeVar("W", bound=World)


@dataclass
class Schedule:
    """What happened in one run, in order."""

    seed: int
    steps: list[str] = field(default_factory=list)
    trace: str = ""
    """Digest of everything that happened."""

    def note(self, world: World, text: str) -> None:
        self.steps.append(f"{world.clock.now:10.3f}  {text}")


def disturb(world: World, schedule: Schedule) -> None:
    """Do one random thing to the world."""
    chance = world.chance
    first, second = chance.sample(world.names, 2)
    match chance.randrange(9):
        case 0 | 1:
            world.disconnect(first, second)
            schedule.note(world, f"disconnect {first} {second}")
        case 2 | 3:
            world.connect(first, second)
            schedule.note(world, f"connect {first} {second}")
        case 4:
            world.network.stalled ^= {(first, second)}
            schedule.note(world, f"stall or release {first} -> {second}")
        case 5:
            world.network.slow = chance.choice([0.001, 0.005, 0.03, 0.1])
            schedule.note(world, f"mean delay {world.network.slow} s")
        case 6:
            if first in world.engines:
                world.crash(first)
                schedule.note(world, f"crash {first}")
        case 7:
            for name in world.names:
                if name not in world.engines:
                    world.start(name)
                    schedule.note(world, f"start {name}")
        case _:
            for other in world.names:
                if other != first:
                    world.disconnect(first, other)
            schedule.note(world, f"isolate {first}")


def played(seed: int, made: Callable[[], W], play: Callable[[W, Schedule], None]) -> Schedule:
    """Play in a new world; raise `AssertionError`, with the schedule in it, where an invariant is broken."""
    schedule = Schedule(seed)
    try:
        with made() as world:
            play(world, schedule)
            schedule.trace = world.trace()
    except (AssertionError, DependencyError) as error:
        steps = "\n".join(schedule.steps)
        raise AssertionError(f"seed {seed}: {error}\nschedule:\n{steps}") from error
    return schedule


def run_seed(seed: int, directory: Path, world_class: type[World] = World) -> Schedule:
    """Play one seed of engines alone."""
    size = 5 if seed % 5 == 4 else 3
    return played(seed, lambda: world_class(directory, seed, size=size), _play)


def _play(world: World, schedule: Schedule) -> None:
    for name in world.names:
        world.start(name)
    world.crash_odds = world.chance.choice([0.0, 0.001, 0.01])
    schedule.note(
        world,
        f"{len(world.names)} members, odds of a crash at a persistence point {world.crash_odds}",
    )
    doubtful: list[bytes] = []
    for _ in range(world.chance.randrange(20, 50)):
        world.run(world.chance.uniform(0.02, 0.6))
        disturb(world, schedule)
        for _ in range(world.chance.randrange(25)):
            if world.engines:
                name = world.chance.choice(sorted(world.engines))
                again = doubtful and world.chance.random() < 0.2
                command = world.chance.choice(doubtful) if again else None
                doubtful.append(world.submit(name, command))
    schedule.note(world, "heal everything")
    world.assert_nothing_lost()
