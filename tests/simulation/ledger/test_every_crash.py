"""Claim 3, step by step: every validator dies at every point at which something becomes durable or leaves it."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.simulation.ledger.world import LedgerWorld

POINTS = (
    "before sync",
    "after sync",
    "before vote",
    "after vote",
    "before segment",
    "after segment",
    "before snapshot",
    "after snapshot",
    "before removal",
    "during removal",
    "before record",
    "during record",
    "after record",
    "before submit",
    "after commit",
    "before settlement",
    "after settlement",
)
SEED = 3
_ROUNDS = 10


class PointWorld(LedgerWorld):
    """One process dies once, at one occurrence of one point."""

    target: tuple[str, str, int] | None = None

    def __init__(self, directory: Path, seed: int) -> None:
        super().__init__(directory, seed)
        self.seen: Counter[tuple[str, str]] = Counter()
        self.seen_at_work: dict[tuple[str, str], int] = {}

    def dies(self, name: str, where: str) -> bool:
        self.seen[name, where] += 1
        return self.target == (name, where, self.seen[name, where])


def scenario(directory: Path, target: tuple[str, str, int] | None) -> PointWorld:
    """Let three validators finish some work, one of them dying in between; check everything at the end."""
    with PointWorld(directory, SEED) as world:
        world.target = target
        for name in world.names:
            world.start(name)
        world.run(1.5)
        for _ in range(_ROUNDS):
            for _ in range(2):
                world.new_job()
            for name in sorted(world.processes):
                world.push(name)
            world.run(0.6)
            for name in world.names:
                if name not in world.engines:
                    world.start(name)
        world.seen_at_work = dict(world.seen)
        world.assert_everything_ended()
        assert all(job.answered for job in world.jobs), "a report has no receipt"
        return world


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Mapping[tuple[str, str], int]:
    """How often each validator comes to each point when nobody dies."""
    return scenario(tmp_path_factory.mktemp("undisturbed"), None).seen_at_work


def test_all_points_are_known(undisturbed: Mapping[tuple[str, str], int]) -> None:
    assert {where for _, where in undisturbed} == set(POINTS)


@pytest.mark.parametrize("point", POINTS)
def test_death_at_this_point_loses_and_doubles_nothing(
    point: str, undisturbed: Mapping[tuple[str, str], int], tmp_path: Path
) -> None:
    """Claim 3 (C1, C4, C8, L17): no accepted report lost, none settled twice, no second digest signed for an epoch."""
    reached = {name: count for (name, where), count in undisturbed.items() if where == point}
    assert reached
    for place, (name, count) in enumerate(sorted(reached.items()), start=1):
        # Each of them somewhere else on the way: early, in the middle, late.
        occurrence = max(1, count * place // 4)
        directory = tmp_path / name
        directory.mkdir()
        world = scenario(directory, (name, point, occurrence))
        assert world.crashes == 1, f"{name} did not die at {point} {occurrence}"
