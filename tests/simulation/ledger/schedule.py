"""One seed's history of whole validators: work, faults of every kind, then peace; everything must reach its end."""

from pathlib import Path

from tests.simulation.consensus.schedule import Schedule, disturb, played
from tests.simulation.ledger.world import LedgerWorld

from pinai_subnet.protocol.membership import SetAction

_ASKING = 0.15


_JOIN = (SetAction.ADD, "validator-4")
_LEAVE = (SetAction.REMOVE, "validator-2")
_KINDS: tuple[tuple[int, tuple[tuple[SetAction, str], ...]], ...] = (
    (3, ()),
    (3, ()),
    (4, ()),
    (3, (_JOIN,)),
    (3, ()),
    (3, (_JOIN, _LEAVE)),
    (4, (_LEAVE,)),
)
"""How many validators begin, and which changes of the set they go through."""


def run_ledger_seed(
    seed: int, directory: Path, world_class: type[LedgerWorld] = LedgerWorld
) -> Schedule:
    """Play one seed; raise `AssertionError`, with the schedule in it, where an invariant is broken."""
    size, goals = _KINDS[seed % len(_KINDS)]
    return played(seed, lambda: world_class(directory, seed, size=size, goals=goals), _play)


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
            if chance.random() < _ASKING and world.goals:
                world.ask_for_change(name)
                schedule.note(world, f"{name} is asked for the next change of the set")
            if chance.random() < world.forgeries:
                world.forge(name)
                schedule.note(world, f"{name} forges")
    schedule.note(world, f"heal everything after {world.crashes} crashes")
    world.assert_everything_ended()
    schedule.note(
        world, f"{len(world.jobs)} jobs, {len(world.watch.finals)} final epochs, all ended"
    )
