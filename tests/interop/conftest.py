"""Networks shared by all interop tests of one configuration: started when first needed, stopped afterwards."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.interop.kit import RealNetwork, running


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything in this directory; it drives real processes."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="package")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealNetwork]:
    """Three validators, the shipped policies, short windows and a short wait for answers to tasks."""
    settings = {
        "matcher.yaml": {
            "windows.bidding_window_seconds": 0.8,
            "windows.bidding_window_seconds_by_type": {"slow-window": 4, "brief": 0.4},
            "windows.reopen_max_seconds": 1.5,
            "tasks.response_timeout_seconds": 4,
        },
        "registry.yaml": {
            "lifetimes.healthy_seconds": 2,
            "lifetimes.evicted_seconds": 3,
        },
        "validator.yaml": {
            "registry.heartbeat_seconds": 1,
            "intake.reports_per_second": 200,
            "intake.burst": 400,
            "intake.unknown_assignment_wait_seconds": 1,
        },
    }
    with running(tmp_path_factory.mktemp("open"), settings) as started:
        yield started


@pytest.fixture(scope="module")
def strict_network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealNetwork]:
    """One validator; matcher, validator and registry refuse unsigned calls."""
    settings = {
        "auth_config.yaml": {"matcher.mode": "require", "validator.mode": "require"},
        "registry.yaml": {"require_signed": True},
        "validator.yaml": {"intake.unknown_assignment_wait_seconds": 1},
    }
    with running(tmp_path_factory.mktemp("strict"), settings, validators=1) as started:
        yield started
