"""An engine that is not the pinned one is refused at start-up, before it touches anything."""

import pytest
from pysyncobj.syncobj import SyncObj

from pinai_subnet.consensus import seams
from pinai_subnet.consensus.options import ReplicationOptions
from pinai_subnet.ports.errors import Refused
from pinai_subnet.protocol.errors import InvalidInput


def test_installed_engine_is_the_pinned_one() -> None:
    seams.check_version()


def test_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seams, "VERSION", "0.3.18")
    with pytest.raises(Refused, match="SN-R002"):
        seams.check_version()


def test_missing_method_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(SyncObj, "_SyncObj__applyLogEntries")
    with pytest.raises(Refused, match="has no SyncObj"):
        seams.check_version()


def test_changed_signature_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SyncObj, "_SyncObj__setState", lambda _: None)
    with pytest.raises(Refused, match="SN-R002"):
        seams.check_version()


def test_missing_attribute_is_refused() -> None:
    with pytest.raises(Refused, match="_SyncObj__raftLog"):
        seams.check_instance(object())


@pytest.mark.parametrize(
    "changes",
    [
        {"election_min_seconds": 0.1, "heartbeat_seconds": 0.05},
        {"election_max_seconds": 0.2},
        {"leader_lease_seconds": 2.0},
        {"leader_lease_seconds": 0.1},
        {"connection_timeout_seconds": 0.5},
        {"max_command_bytes": 0},
        {"compact_after_entries": 0},
        {"keep_entries": -1},
    ],
)
def test_options_that_cannot_work_are_refused(changes: dict[str, float]) -> None:
    with pytest.raises(InvalidInput, match="SN-R001"):
        ReplicationOptions(**changes)  # type: ignore[arg-type]
