"""One seed's history of whole validators: work, faults of every kind, then peace; everything must reach its end."""

from pathlib import Path

from tests.simulation.consensus.schedule import Schedule, disturb, played
from tests.simulation.ledger.world import LedgerWorld


def run_ledger_seed(
    seed: int, directory: Path, world_class: type[LedgerWorld] = LedgerWorld
) -> Schedule:
    """Play one seed; raise `AssertionError`, with the schedule in it, where an invariant is broken."""
    size = 4 if seed % 7 == 6 else 3
    return played(seed, lambda: world_class(directory, seed, size=size), _play)


def _play(world: LedgerWorld, schedule: Schedule) -> None:
    chance = world.chance
    for name in world.names:
        world.start(name)
    world.crash_odds = chance.choice([0.0, 0.002, 0.01])
    world.root_layer.trouble = chance.choice([0.0, 0.2, 0.5])
    schedule.note(
        world,
        f"{len(world.names)} validators, odds of a crash at a persistence point {world.crash_odds},"
        f" RootLayer fails {world.root_layer.trouble}",
    )
    for _ in range(chance.randrange(8, 20)):
        world.run(chance.uniform(0.1, 1.5))
        disturb(world, schedule)
        for _ in range(chance.randrange(4)):
            world.new_job()
        for name in sorted(world.processes):
            if chance.random() < 0.5:
                world.push(name)
            if chance.random() < world.forgeries:
                world.forge(name)
                schedule.note(world, f"{name} forges")
    schedule.note(world, f"heal everything after {world.crashes} crashes")
    world.assert_everything_ended()
    schedule.note(
        world, f"{len(world.jobs)} jobs, {len(world.watch.finals)} final epochs, all ended"
    )
