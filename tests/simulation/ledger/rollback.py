"""A disaster that only the sign-once stores survive: the whole log goes back to an older copy, and work goes on.

Reports that were acknowledged after the copy are gone, as they are when such a copy is restored in the end; but what a
validator signed it must never contradict, whatever the log says now.
"""

import shutil
from pathlib import Path

from tests.simulation.consensus.schedule import Schedule, played
from tests.simulation.ledger.process import SimulatedRootLayer, record_path
from tests.simulation.ledger.watch import Watch
from tests.simulation.ledger.world import LedgerWorld


def run_rollback_seed(
    seed: int, directory: Path, world_class: type[LedgerWorld] = LedgerWorld
) -> Schedule:
    """Play one seed; raise `AssertionError`, with the schedule in it, where a validator signed two things."""
    return played(seed, lambda: world_class(directory, seed), _play)


def _work(world: LedgerWorld, schedule: Schedule, turns: int) -> None:
    for _ in range(turns):
        for _ in range(world.chance.randrange(1, 4)):
            world.new_job()
        world.push(world.chance.choice(sorted(world.processes)))
        world.run(world.chance.uniform(0.1, 1.0))
    schedule.note(
        world, f"{len(world.watch.finals)} final epochs, {len(world.watch.signed)} signed"
    )


def _play(world: LedgerWorld, schedule: Schedule) -> None:
    for name in world.names:
        world.start(name)
    world.run(3.0)
    _work(world, schedule, world.chance.randrange(2, 5))
    copy = world.directory / "copy"
    _stop(world)
    for name in world.names:
        shutil.copytree(world.directory / name, copy / name)
        world.start(name)
    world.run(3.0)
    _work(world, schedule, world.chance.randrange(2, 5))
    _stop(world)
    for name in world.names:
        record = record_path(world.directory / name).read_bytes()
        shutil.rmtree(world.directory / name)
        shutil.copytree(copy / name, world.directory / name)
        record_path(world.directory / name).write_bytes(record)
    schedule.note(world, "the log of everybody goes back")
    _begin_anew(world)
    for name in world.names:
        world.start(name)
    world.run(3.0)
    _work(world, schedule, 6)
    world.run(20.0)


def _stop(world: LedgerWorld) -> None:
    world.run(0.5)
    for name in world.names:
        world.crash(name)


def _begin_anew(world: LedgerWorld) -> None:
    """Forget what followed from the lost part of the log; what was signed and what was final stays known."""
    world.applied.clear()
    world.leaders.clear()
    for job in world.jobs:
        job.given_up = True
    before = world.watch
    world.watch = Watch(members=before.members, signed=before.signed, finals=before.finals)
    world.root_layer = SimulatedRootLayer(world.watch, world.delay, world.chance.random)
