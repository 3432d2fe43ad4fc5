"""What every test run needs: the logs of networks that were open when a test failed, in its report."""

import signal
from collections.abc import Generator
from types import FrameType
from typing import Any

import pytest
from tests.network_kit import LocalTestNetwork, failure_notes


def pytest_configure() -> None:
    """End on SIGTERM as on an interrupt, so that fixtures stop the processes they started.

    A run in the background ignores interrupts, and so would everything that it starts: here they count.
    """

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Attach the ends of the logs to the report of a failed test."""
    report = yield
    if report.failed:
        report.sections.extend(failure_notes())
    return report


def pytest_unconfigure() -> None:
    """Leave no process behind, whatever happened to the fixtures."""
    for network in list(LocalTestNetwork.open_networks):
        network.close()
