"""The smallest and the largest number of validators that a Compose file is made for, on one engine."""

from pathlib import Path

import pytest
from tests.containers.figures import Figures
from tests.containers.kit import ContainerNetwork

pytestmark = [pytest.mark.containers, pytest.mark.timeout(600)]


@pytest.mark.parametrize("validators", [1, 15])
@pytest.mark.usefixtures("image")
def test_a_network_of_so_many_validators_settles_intents(
    tmp_path: Path, figures: Figures, validators: int
) -> None:
    network = ContainerNetwork(directory=tmp_path / "network", validators=validators)
    try:
        figures.add(f"start to ready, {len(network.services)} containers", network.up(), "s")
        network.finalised(*(network.submit(f"intent {number}".encode()) for number in range(3)))
        leader = network.leader()
        figures.add(
            f"resident memory of {leader}, 1 of {validators}", network.memory_mb(leader), "MB"
        )
    finally:
        print(network.logs()[-3000:])
        network.remove()
