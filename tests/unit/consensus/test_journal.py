"""The journal keeps what it synced, replaces only on conflict and survives its own restarts."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pinai_subnet.consensus.durable import WriteFailed
from pinai_subnet.consensus.journal import FIRST_INDEX, Journal
from pinai_subnet.consensus.recovery import NO_OP
from pinai_subnet.ports.errors import Refused

Open = Callable[..., Journal]


def open_journal(directory: Path, **changes: object) -> Journal:
    known: dict[str, object] = {
        "cluster": "c",
        "node": "v0",
        "segment_bytes": 1 << 20,
        "segment_entries": 1000,
        "fsync": False,
    }
    return Journal(directory, **(known | changes))  # type: ignore[arg-type]


def fill(journal: Journal, first: int, last: int, *, term: int = 1, text: bytes = b"\x00x") -> None:
    for index in range(first, last + 1):
        journal.add(text + str(index).encode(), index, term)


def contents(journal: Journal) -> list[tuple[bytes, int, int]]:
    return journal.batch(journal.head_index + 1, 1 << 40)


def test_new_journal_begins_behind_the_common_first_entry(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    assert (journal.head_index, journal.last_index, len(journal)) == (FIRST_INDEX, FIRST_INDEX, 1)
    assert journal[0] == (NO_OP, 1, 0)
    assert journal.getCurrentTerm() == 0
    assert journal.getVotedForNodeId() is None


def test_synced_entries_survive_a_crash_and_unsynced_ones_may_not(tmp_path: Path) -> None:
    journal = open_journal(tmp_path, fsync=True)
    fill(journal, 2, 10)
    journal.sync()
    fill(journal, 11, 20)
    journal.abandon()
    again = open_journal(tmp_path)
    assert again.last_index == 10
    assert again.durable_index == 10


def test_concurrent_entries_share_one_sync(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    fill(journal, 2, 500)
    journal.sync()
    journal.sync()
    assert journal.syncs == 1


def test_repeated_agreeing_append_removes_nothing(tmp_path: Path) -> None:
    """Finding A: an append that is not at the tail must not delete entries that agree."""
    journal = open_journal(tmp_path)
    fill(journal, 2, 100)
    journal.deleteEntriesFrom(10)
    fill(journal, 20, 30)
    assert journal.last_index == 100
    journal.close()
    assert open_journal(tmp_path).last_index == 100


def test_conflicting_entry_replaces_the_rest_of_the_log_also_after_a_restart(
    tmp_path: Path,
) -> None:
    journal = open_journal(tmp_path)
    fill(journal, 2, 100, term=1)
    journal.add(b"\x00new", 50, 3)
    assert journal.last_index == 50
    journal.sync()
    expected = contents(journal)
    journal.abandon()
    again = open_journal(tmp_path)
    assert contents(again) == expected
    assert again.term_at(49) == 1
    assert again.term_at(50) == 3


def test_committed_entry_is_never_replaced(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    fill(journal, 2, 100)
    journal.setRaftCommitIndex(60)
    with pytest.raises(Refused, match="SN-R032"):
        journal.add(b"\x00new", 60, 2)
    assert journal.last_index == 100


def test_gap_in_the_log_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="SN-R032"):
        open_journal(tmp_path).add(b"\x00x", 5, 1)


def test_clearing_is_refused(tmp_path: Path) -> None:
    """Finding B: start-up must never clear the journal."""
    with pytest.raises(Refused, match="SN-R032"):
        open_journal(tmp_path).clear()


def test_compaction_removes_only_whole_segments_behind_the_snapshot(tmp_path: Path) -> None:
    journal = open_journal(tmp_path, segment_entries=10)
    for index in range(2, 102):
        fill(journal, index, index)
        journal.sync()
    files = len(list(tmp_path.glob("*.seg")))
    journal.compact_to(55)
    assert len(list(tmp_path.glob("*.seg"))) < files
    assert 40 < journal.head_index <= 55
    assert [entry[1] for entry in contents(journal)] == list(range(journal.head_index + 1, 102))
    expected = contents(journal)
    journal.abandon()
    assert contents(open_journal(tmp_path)) == expected


def test_compaction_after_a_conflict_keeps_the_living_entries(tmp_path: Path) -> None:
    journal = open_journal(tmp_path, segment_entries=10)
    for index in range(2, 60):
        fill(journal, index, index)
        journal.sync()
    fill(journal, 25, 80, term=2)
    journal.sync()
    journal.compact_to(70)
    expected = contents(journal)
    assert expected[-1][1:] == (80, 2)
    journal.abandon()
    again = open_journal(tmp_path)
    assert contents(again) == expected
    assert again.head_index <= 70


def test_tail_behind_an_installed_snapshot_is_kept_when_it_agrees(tmp_path: Path) -> None:
    """Finding B: the entries behind the snapshot are acknowledged work."""
    journal = open_journal(tmp_path)
    fill(journal, 2, 500)
    assert journal.install(300, 1)
    assert journal.last_index == 500


def test_log_that_disagrees_with_an_installed_snapshot_starts_behind_it(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    fill(journal, 2, 500)
    assert not journal.install(300, 2)
    assert (journal.head_index, journal.last_index, journal.term_at(300)) == (300, 300, 2)
    fill(journal, 301, 310, term=2)
    journal.sync()
    journal.abandon()
    again = open_journal(tmp_path)
    assert (again.head_index, again.last_index) == (300, 310)


def test_leftover_segments_before_a_reset_are_ignored_and_removed(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    fill(journal, 2, 50)
    journal.sync()
    first = next(iter(tmp_path.glob("*.seg")))
    saved = first.read_bytes()
    journal.install(400, 3)
    journal.abandon()
    first.write_bytes(saved)
    again = open_journal(tmp_path)
    assert (again.head_index, again.last_index) == (400, 400)
    assert not first.exists()


def test_term_and_vote_survive_a_crash(tmp_path: Path) -> None:
    journal = open_journal(tmp_path, fsync=True)
    journal.setCurrentTerm(7, "v2")
    journal.abandon()
    again = open_journal(tmp_path)
    assert (again.getCurrentTerm(), again.getVotedForNodeId()) == (7, "v2")


def test_large_commands_are_stored_whole(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    large = b"\x00" + bytes(range(256)) * 20_000
    journal.add(large, 2, 1)
    journal.close()
    assert open_journal(tmp_path)[1] == (large, 2, 1)


def test_batch_returns_at_least_one_entry_and_respects_the_limit(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    for index in range(2, 12):
        journal.add(b"\x00" + bytes(100), index, 1)
    assert len(journal.batch(2, 1)) == 1
    assert len(journal.batch(2, 520)) == 4
    assert journal.batch(12, 1000) == []


@pytest.mark.parametrize("change", [{"cluster": "other"}, {"node": "v1"}])
def test_directory_of_another_cluster_or_node_is_refused(
    tmp_path: Path, change: dict[str, str]
) -> None:
    open_journal(tmp_path).close()
    with pytest.raises(Refused, match="SN-R004"):
        open_journal(tmp_path, **change)


def test_entries_kept_behind_a_snapshot_are_bounded_by_number_and_bytes(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    for index in range(2, 102):
        journal.add(b"\x00" + bytes(71), index, 1)
    assert journal.index_behind(90, entries=10, max_bytes=1 << 20) == 80
    assert journal.index_behind(90, entries=50, max_bytes=1000) == 80
    assert journal.index_behind(5, entries=50, max_bytes=1 << 20) == 1
    assert journal.index_behind(90, entries=0, max_bytes=1 << 20) == 90


@pytest.mark.parametrize("failing", ["fdatasync", "write"])
def test_disk_that_refuses_is_a_coded_error_and_acknowledges_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    journal = open_journal(tmp_path, fsync=True)
    fill(journal, 2, 10)

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, failing, full)
        with pytest.raises(WriteFailed, match=r"SN-R015.*No space left"):
            journal.sync()
    assert journal.durable_index == 1
    journal.abandon()


_step = st.one_of(
    st.tuples(st.just("append"), st.integers(1, 30)),
    st.tuples(st.just("conflict"), st.integers(0, 40)),
    st.tuples(st.just("compact"), st.integers(0, 60)),
    st.tuples(st.just("commit"), st.integers(0, 30)),
    st.tuples(st.just("crash"), st.booleans()),
    st.tuples(st.just("install"), st.integers(0, 50)),
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=st.lists(_step, max_size=25))
def test_journal_equals_a_list_under_any_sequence_of_operations(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    directory = tmp_path_factory.mktemp("journal")
    journal = open_journal(directory, segment_entries=7)
    model: dict[int, tuple[bytes, int]] = {1: (NO_OP, 0)}
    term, commit = 1, 1
    for kind, amount in steps:
        last = max(model)
        if kind == "append":
            for index in range(last + 1, last + 1 + amount):
                model[index] = (b"\x00%d-%d" % (index, term), term)
                journal.add(model[index][0], index, term)
        elif kind == "conflict" and last - amount > commit:
            term += 1
            at = last - amount
            model = {k: v for k, v in model.items() if k < at} | {at: (b"\x00c", term)}
            journal.add(b"\x00c", at, term)
        elif kind == "commit":
            commit = min(last, commit + amount)
            journal.setRaftCommitIndex(commit)
        elif kind == "compact":
            journal.sync()
            journal.compact_to(max(1, commit - amount))
        elif kind == "install":
            term += 1
            commit = last + amount + 1
            journal.install(commit, term)
            journal.setRaftCommitIndex(commit)
            model = {commit: (NO_OP, term)}
        elif kind == "crash":
            journal.sync()
            journal.abandon()
            journal = open_journal(directory, segment_entries=7)
            journal.setRaftCommitIndex(commit)
        assert journal.last_index == max(model)
        assert journal.head_index <= max(commit, 1)
        for index in range(journal.head_index + 1, journal.last_index + 1):
            assert journal[index - journal.head_index] == (model[index][0], index, model[index][1])
    journal.close()
