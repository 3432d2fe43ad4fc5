"""The shared network: one healthy network for all tests that only need one and leave it healthy."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.network_kit import LocalTestNetwork

Make = Callable[..., LocalTestNetwork]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything in this directory."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session")
def shared_network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalTestNetwork]:
    """A running network with three validators and two agents. Leave it as healthy as you found it."""
    home = tmp_path_factory.mktemp("shared") / "home"
    with LocalTestNetwork.create(home, validators=3, agents=2) as network:
        network.start()
        yield network


@pytest.fixture
def make_network(tmp_path: Path) -> Iterator[Make]:
    """Make networks of one's own, to be damaged; they are stopped at the end of the test."""
    made: list[LocalTestNetwork] = []

    def make(**options: Any) -> LocalTestNetwork:
        network = LocalTestNetwork.create(tmp_path / f"home-{len(made)}", **options)
        made.append(network)
        return network

    yield make
    for network in made:
        network.close()
